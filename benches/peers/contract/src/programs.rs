//! The tasks of the contract, over a peer.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Arguments, Peer, Result, Seen, Stop, callers};

/// How often the driver is told how far the work has come.
const TELL_EVERY: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what the command line asks for.
///
/// # Errors
/// Whatever went wrong.
pub fn run<P: Peer>() -> Result<()> {
    let arguments = Arguments::parse()?;
    if arguments.task == "about" {
        return say(&serde_json::to_value(P::about())?);
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(task::<P>(&arguments))
}

async fn task<P: Peer>(arguments: &Arguments) -> Result<()> {
    let url: String = arguments.get("url")?;
    match arguments.task.as_str() {
        "setup" => P::set_up(&url).await,
        "enqueue" => {
            let callers = arguments.get("callers")?;
            let peer = P::open(&url, callers).await?;
            let (transactions, seconds) = match arguments.maybe("n")? {
                Some(jobs) => callers::so_many(&peer, callers, jobs).await?,
                None => {
                    let time = Duration::from_secs_f64(arguments.get("seconds")?);
                    callers::for_a_while(&peer, callers, time).await?
                }
            };
            say(&json!({ "count": transactions, "seconds": seconds }))
        }
        "bulk" => {
            let (peer, jobs) = (P::open(&url, 1).await?, arguments.get("n")?);
            let started = Instant::now();
            peer.bulk(jobs).await?;
            say(&json!({ "count": jobs, "seconds": started.elapsed().as_secs_f64() }))
        }
        "work" => work::<P>(&url, arguments).await,
        "produce" => {
            let peer = P::open(&url, 1).await?;
            let sent = callers::at_a_pace(&peer, arguments.get("n")?, arguments.get("rate")?).await?;
            say(&json!({ "sent": sent }))
        }
        "latency" => latency::<P>(&url, arguments).await,
        "deliver" => {
            let (events, listeners) = (arguments.get("n")?, arguments.get("listeners")?);
            let peer = P::open(&url, 10).await?;
            let seconds = peer.deliver(events, listeners).await?;
            say(&json!({ "count": u64::from(events) * u64::from(listeners), "seconds": seconds }))
        }
        other => Err(format!("no task `{other}`").into()),
    }
}

async fn work<P: Peer>(url: &str, arguments: &Arguments) -> Result<()> {
    let is_for_latency = arguments.maybe("starts")?.unwrap_or(false);
    let processes = arguments.maybe("processes")?.unwrap_or(1);
    let mut stop = Stop::from_input();
    let peer = P::open(url, 4).await?;
    let seen = if is_for_latency { Seen::noting_starts() } else { Seen::default() };
    peer.get_ready().await?;
    say(&json!({ "ready": true }))?;
    stop.go().await?;
    let telling = tokio::spawn(tell(seen.clone(), stop.clone()));
    peer.work(seen.clone(), stop, processes, is_for_latency).await?;
    telling.await??;
    say(&json!({ "handled": seen.count(), "starts": seen.starts(), "ended": true }))
}

async fn tell(seen: Seen, stop: Stop) -> Result<()> {
    let mut told = 0;
    while !stop.is_stopped() {
        tokio::time::sleep(TELL_EVERY).await;
        let count = seen.count();
        if count != told {
            told = count;
            say(&json!({ "handled": count }))?;
        }
    }
    Ok(())
}

/// Producer and worker in one process.
async fn latency<P: Peer>(url: &str, arguments: &Arguments) -> Result<()> {
    let jobs: u32 = arguments.get("n")?;
    let (seen, (stop, end)) = (Seen::noting_starts(), Stop::by_hand());
    let peer = P::open(url, 4).await?;
    let working = tokio::spawn({
        let (peer, seen) = (peer.clone(), seen.clone());
        async move { peer.work(seen, stop, 1, true).await }
    });
    // The worker listens before the first job comes, as it does in life.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sent = callers::at_a_pace(&peer, jobs, arguments.get("rate")?).await?;
    let waiting = Instant::now();
    while seen.count() < jobs as usize && waiting.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    end();
    working.await??;
    say(&json!({ "sent": sent, "starts": seen.starts() }))
}

fn say(answer: &serde_json::Value) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{answer}")?;
    output.flush()?;
    Ok(())
}
