//! Waiting until nothing is under way any more.

use std::time::{Duration, Instant};

use tidings::store::{ConsumerStatus, JobState, QueueStatus};
use tidings::{App, Error, Result};

/// How often to look. It bounds how late the end is noticed, and nothing else.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The states of a job that will go on by itself.
const UNDER_WAY: [JobState; 5] =
    [JobState::Scheduled, JobState::Ready, JobState::Suspect, JobState::Behind, JobState::Running];

/// Returns when every consumer has read the log to its end, every queue is empty, and nothing waits for another attempt.
/// What is dead, and what waits behind it, waits for a person, and so counts as settled.
///
/// Consumers and queues feed each other and are looked at one after the other, so work could slip from those not seen yet to
/// those seen already. Therefore the queues are looked at before and after: when they are empty both times and no job came
/// in between, there was no job when the consumers were seen to be idle.
pub(crate) async fn settle(app: &App, patience: Duration) -> Result<()> {
    let begun = Instant::now();
    loop {
        let before = app.store().queues().await?;
        let consumers = app.store().consumers().await?;
        let after = app.store().queues().await?;
        let busy: Vec<String> = consumers
            .iter()
            .filter(|consumer| is_busy(consumer))
            .map(describe)
            .chain(before.iter().chain(&after).filter(|queue| under_way(queue) > 0).map(describe_queue))
            .collect();
        if busy.is_empty() && jobs_ever(&before) == jobs_ever(&after) {
            return Ok(());
        }
        if begun.elapsed() > patience {
            return Err(Error::failed(format!(
                "the shop did not settle within {} s: {}; whether they still move is in `RUST_LOG=tidings=debug`",
                patience.as_secs(),
                busy.join("; ")
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_busy(consumer: &ConsumerStatus) -> bool {
    consumer.lag > 0 || consumer.retrying > 0
}

fn under_way(queue: &QueueStatus) -> u64 {
    UNDER_WAY.into_iter().map(|state| queue.count(state)).sum()
}

fn jobs_ever(queues: &[QueueStatus]) -> u64 {
    queues.iter().flat_map(|queue| &queue.jobs).map(|(_, jobs)| jobs).sum()
}

fn describe(consumer: &ConsumerStatus) -> String {
    let ConsumerStatus { name, lag, retrying, .. } = consumer;
    format!("`{name}` has {lag} messages to read and {retrying} to retry")
}

fn describe_queue(queue: &QueueStatus) -> String {
    let states = UNDER_WAY.into_iter().map(|state| (state, queue.count(state))).filter(|(_, jobs)| *jobs > 0);
    let states: Vec<_> = states.map(|(state, jobs)| format!("{jobs} {}", state.as_str())).collect();
    format!("queue `{}` has jobs: {}", queue.name, states.join(", "))
}
