//! Callers that call as fast as they are answered.

use std::time::{Duration, Instant};

use tidings::Error;
use tokio::task::JoinSet;

/// How many calls per second `callers` tasks get done, each making one call after the other. The first tenth of the
/// time warms up and does not count.
pub(crate) async fn calls_per_second<F>(
    callers: usize,
    time: Duration,
    call: impl Fn() -> F,
) -> tidings::Result<f64>
where
    F: AsyncCall,
{
    let begin = Instant::now() + time / 10;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut caller = call();
        tasks.spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < end {
                caller.call().await?;
                // What a call that began before the end does is done within the time or not at all.
                done += u64::from((begin..end).contains(&Instant::now()));
            }
            Ok::<_, Error>(done)
        });
    }
    let mut done = 0;
    while let Some(task) = tasks.join_next().await {
        done += task??;
    }
    Ok(done as f64 / time.as_secs_f64())
}

/// One caller's call.
pub(crate) trait AsyncCall: Send + 'static {
    fn call(&mut self) -> impl Future<Output = tidings::Result<()>> + Send;
}
