//! Callers: as fast as they are answered, or at an even pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{Peer, Result};

/// Transactions per second of so many callers. The first tenth of the time warms up and does not count.
pub(crate) async fn for_a_while<P: Peer>(peer: &P, callers: usize, time: Duration) -> Result<(u64, f64)> {
    let begin = Instant::now() + time / 10;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let peer = peer.clone();
        tasks.spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < end {
                peer.enqueue(0).await?;
                done += u64::from((begin..end).contains(&Instant::now()));
            }
            Ok::<_, crate::Error>(done)
        });
    }
    Ok((sum(tasks).await?, time.as_secs_f64()))
}

/// So many transactions, shared by so many callers.
pub(crate) async fn so_many<P: Peer>(peer: &P, callers: usize, jobs: u32) -> Result<(u64, f64)> {
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (peer, next) = (peer.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut done = 0_u64;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= jobs {
                    return Ok::<_, crate::Error>(done);
                }
                peer.enqueue(number).await?;
                done += 1;
            }
        });
    }
    Ok((sum(tasks).await?, started.elapsed().as_secs_f64()))
}

/// One caller at an even pace; answers with when each COMMIT was sent.
pub(crate) async fn at_a_pace<P: Peer>(peer: &P, jobs: u32, per_second: f64) -> Result<Vec<(u32, u64)>> {
    let beside = peer.beside_producing().map(tokio::spawn);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    let mut sent = Vec::new();
    for number in 0..jobs {
        ticks.tick().await;
        sent.push((number, peer.enqueue(number).await?));
    }
    if let Some(beside) = beside {
        // The last one is told, too.
        tokio::time::sleep(Duration::from_millis(100)).await;
        beside.abort();
    }
    Ok(sent)
}

async fn sum(mut tasks: JoinSet<Result<u64>>) -> Result<u64> {
    let mut all = 0;
    while let Some(task) = tasks.join_next().await {
        all += task??;
    }
    Ok(all)
}
