//! The one thread that writes to the stores.

use std::sync::Arc;
use std::time::Duration;

use super::inbox::{Inbox, Turn};
use super::lane::Lane;
use super::store::Store;

/// Runs until the inbox is closed and everything in it was tried.
pub(super) fn run<E: Store, A: Store>(
    inbox: Arc<Inbox>,
    interval: Duration,
    mut examples: Lane<E>,
    mut analytics: Lane<A>,
) {
    let inbox = Departure(inbox);
    loop {
        let Turn { batches, waiting, last } = inbox.0.next_turn(interval);
        for batch in batches {
            let batch = Arc::new(batch);
            examples.push(Arc::clone(&batch));
            examples.advance();
            analytics.push(Arc::clone(&batch));
            analytics.advance();
            if let Some(stored) = Arc::into_inner(batch) {
                inbox.0.give_back(stored.into_memory());
            }
        }
        // Also without a batch: what failed may be due for another try.
        examples.advance();
        analytics.advance();
        for waiting in waiting {
            // Whoever waited may have left.
            let _ = waiting.send(());
        }
        if last {
            break;
        }
    }
    examples.close();
    analytics.close();
}

/// However the thread ends, nobody waits for it for ever.
struct Departure(Arc<Inbox>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.close();
    }
}
