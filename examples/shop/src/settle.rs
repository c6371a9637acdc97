//! Waiting until nothing is under way any more.

use std::time::{Duration, Instant};

use tidings::store::ConsumerStatus;
use tidings::{App, Error, Result};

/// How often to look. It bounds how late the end is noticed, and nothing else.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns when every consumer has read the log to its end and nothing waits for another attempt. What is dead, and what
/// waits behind it, waits for a person, and so counts as settled.
///
/// One look is enough: handling a message, publishing what follows from it and moving the cursor are one transaction, so
/// there is no moment at which work exists that none of these numbers shows.
pub(crate) async fn settle(app: &App, patience: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let consumers = app.store().consumers().await?;
        let busy: Vec<&ConsumerStatus> = consumers.iter().filter(|consumer| is_busy(consumer)).collect();
        if busy.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > patience {
            return Err(Error::failed(format!(
                "the shop did not settle within {} s: {}; whether they still move is in `RUST_LOG=tidings=debug`",
                patience.as_secs(),
                busy.into_iter().map(describe).collect::<Vec<_>>().join("; ")
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_busy(consumer: &ConsumerStatus) -> bool {
    consumer.lag > 0 || consumer.retrying > 0
}

fn describe(consumer: &ConsumerStatus) -> String {
    let ConsumerStatus { name, lag, retrying, .. } = consumer;
    format!("`{name}` has {lag} messages to read and {retrying} to retry")
}
