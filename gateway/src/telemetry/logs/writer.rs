//! The thread that writes log lines. (The crate `tracing-appender` does the same and more, for the price of `time` and its macros.)

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const QUEUE_LINES: usize = 8192;

/// The end of the queue that lines are put into.
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: LostLines,
}

/// How many lines found no room.
#[derive(Clone, Debug, Default)]
pub struct LostLines(Arc<AtomicU64>);

/// Lines are written while this is held; dropping it waits for those that are there.
pub struct Writing {
    queue: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
    lost: LostLines,
}

enum Message {
    Line(Vec<u8>),
    End,
}

/// One line, which goes to the queue whole.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

pub(super) fn start_writing(out: impl Write + Send + 'static) -> io::Result<(Lines, Writing)> {
    let (queue, taken) = sync_channel(QUEUE_LINES);
    let lost = LostLines::default();
    let lines = Lines {
        queue: queue.clone(),
        lost: lost.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&taken, out))?;
    let writing = Writing {
        queue,
        thread: Some(thread),
        lost,
    };
    Ok((lines, writing))
}

fn write_all(taken: &Receiver<Message>, mut out: impl Write) {
    while let Ok(Message::Line(line)) = taken.recv() {
        // Where nobody reads standard error any more there is nobody left to tell.
        let _ = out.write_all(&line);
    }
    let _ = out.flush();
}

impl LostLines {
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Writing {
    pub fn lost(&self) -> LostLines {
        self.lost.clone()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = self.queue.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            bytes: Vec::new(),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if !line.is_empty() && self.lines.queue.try_send(Message::Line(line)).is_err() {
            self.lines.lost.0.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Takes what is written only when it is told to.
    struct Slow(Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read_and_lost_lines_are_counted() {
        let (go_on, told) = channel();
        let (lines, writing) = start_writing(Slow(told)).unwrap();
        for _ in 0..QUEUE_LINES + 10 {
            lines.make_writer().write_all(b"line\n").unwrap();
        }
        // One line may be out of the queue already.
        assert!((9..=10).contains(&writing.lost().count()), "{}", writing.lost().count());
        drop(go_on);
        drop(writing);
    }
}
