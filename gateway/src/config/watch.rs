//! Hot reload: an edit of the manifests becomes one new [`Reading`], soon and whole.
//!
//! An edit is what lands within a quiet window: after the first sign of a change the files are read when none came for 100 ms, so that
//! files that are written together are read together. While something writes without a pause nothing is read. Signs come from inotify
//! and, should it be missing or miss something, from a look at the files' stamps every two seconds.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::{
    sentry::Sentry,
    signal::{Signal, Wake},
};
use super::manifests::{
    Loader, Reading,
    survey::{Stamp, Survey},
};

mod sentry;
mod signal;

#[cfg(test)]
mod tests;

/// The running watch; it ends, and its thread with it, when this is dropped.
pub struct Watch {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no watch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to start the thread that watches the manifests")]
    Thread(#[source] io::Error),
}

/// How long things take.
#[derive(Clone, Copy)]
struct Pace {
    /// Without a sign of change, before anything is read; and between a reading that misses something and the next.
    quiet: Duration,
    /// Between two looks at the stamps.
    poll: Duration,
}

const PACE: Pace = Pace {
    quiet: Duration::from_millis(100),
    poll: Duration::from_secs(2),
};

/// Calls `on_reading`, on a thread of its own, with each reading that differs from the one before; the first one at once, unless
/// `loader` has already given it.
pub fn watch(loader: Loader, on_reading: impl FnMut(Reading) + Send + 'static) -> Result<Watch, Error> {
    let signal = Arc::new(Signal::default());
    let sentry = Sentry::new(&signal);
    start(loader, PACE, signal, sentry, on_reading)
}

fn start(
    loader: Loader,
    pace: Pace,
    signal: Arc<Signal>,
    sentry: Sentry,
    on_reading: impl FnMut(Reading) + Send + 'static,
) -> Result<Watch, Error> {
    let mut reader = Reader {
        loader,
        pace,
        signal: Arc::clone(&signal),
        sentry,
        seen: Survey::default(),
        calm: Survey::default(),
        on_reading,
    };
    let thread = thread::Builder::new()
        .name("manifests".to_owned())
        .spawn(move || reader.run())
        .map_err(Error::Thread)?;
    Ok(Watch {
        signal,
        thread: Some(thread),
    })
}

/// What the thread owns.
struct Reader<F> {
    loader: Loader,
    pace: Pace,
    signal: Arc<Signal>,
    sentry: Sentry,
    /// What the last reading was made of.
    seen: Survey,
    /// What was there a little ago. Only what still is so is read: a file that is truncated has its new size before its new time.
    calm: Survey,
    on_reading: F,
}

/// What to do when no sign of change comes.
enum Next {
    ReadAt(Instant),
    LookAt(Instant),
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of `on_reading` was reported on its thread.
            let _ = thread.join();
        }
    }
}

impl<F: FnMut(Reading)> Reader<F> {
    fn run(&mut self) {
        let mut next = self.read_again(self.loader.survey(), self.settling());
        loop {
            let (Next::ReadAt(at) | Next::LookAt(at)) = next;
            next = match (
                self.signal.wait(self.pace.quiet.saturating_sub(self.settling()), at),
                next,
            ) {
                (Wake::Stop, _) => return,
                (Wake::Quiet, _) => self.read_again(self.loader.survey(), self.settling()),
                (Wake::Deadline, Next::ReadAt(_)) => self.read(),
                (Wake::Deadline, Next::LookAt(_)) => self.look(),
            };
        }
    }

    /// The end of the quiet window, in which the stamps stay as they are.
    fn settling(&self) -> Duration {
        self.pace.quiet / 5
    }

    fn read_again(&mut self, calm: Survey, after: Duration) -> Next {
        self.calm = calm;
        Next::ReadAt(Instant::now() + after)
    }

    fn look(&self) -> Next {
        if !self.loader.survey().equals(&self.seen) {
            self.signal.raise();
        }
        Next::LookAt(Instant::now() + self.pace.poll)
    }

    /// Reads everything, unless it changes meanwhile.
    fn read(&mut self) -> Next {
        let survey = self.sentry.post(&self.signal, || self.loader.survey());
        if !survey.equals(&self.calm) {
            return self.read_again(survey, self.pace.quiet);
        }
        let busy = survey
            .files
            .values()
            .filter_map(|stamp| rest(stamp, self.pace.quiet))
            .max();
        if let Some(rest) = busy {
            return self.read_again(survey, rest);
        }
        let gathered = self.loader.gather(&survey);
        let after = self.loader.survey();
        if self.signal.is_raised() || !after.equals(&survey) {
            return self.read_again(after, self.pace.quiet);
        }
        self.seen = survey;
        if self.loader.knows(&gathered) {
            return Next::LookAt(Instant::now() + self.pace.poll);
        }
        let (reading, is_new) = self.loader.absorb(&gathered);
        let is_settled = reading.settled;
        if is_new {
            (self.on_reading)(reading);
        }
        if is_settled {
            Next::LookAt(Instant::now() + self.pace.poll)
        } else {
            Next::ReadAt(Instant::now() + self.pace.quiet)
        }
    }
}

/// How much of the quiet window is still to come for a file that changed within it. The file system's own word, for a sign that is still
/// on its way. A time to come is a wrong clock's, and says nothing.
fn rest(stamp: &Stamp, quiet: Duration) -> Option<Duration> {
    let (seconds, nanoseconds) = stamp.changed;
    let changed = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
    let age = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()?
        .checked_sub(changed)?;
    quiet.checked_sub(age).filter(|rest| !rest.is_zero())
}
