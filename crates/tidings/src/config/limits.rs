//! Settings that have a type, but no sense: found when they are read, because later they would be a panic.

use std::time::Duration;

use tidings_core::partition::SLOTS;

use super::Config;

/// Beyond any use, and well within what a time can be moved by.
const DAYS_MAX: f64 = 1_000_000.0;
const SECONDS_MAX: f64 = DAYS_MAX * 86_400.0;

/// The first setting that cannot be used, and why.
pub(super) fn unusable(config: &Config) -> Option<(String, String)> {
    unusable_setting(config)
        .map(|(name, problem)| (name.to_owned(), problem))
        .or_else(|| unusable_queue(config))
}

/// The first setting of a queue that cannot be used, and why.
fn unusable_queue(config: &Config) -> Option<(String, String)> {
    config.queues.iter().find_map(|(name, queue)| {
        let (setting, problem) = match (queue.rate_count, queue.rate_seconds) {
            _ if queue.concurrency == Some(0) => {
                ("concurrency", "must be at least 1: to stop a queue, pause it".to_owned())
            }
            _ if queue.concurrency_overall == Some(0) => {
                ("concurrency_overall", "must be at least 1: to stop a queue, pause it".to_owned())
            }
            (Some(0), _) => ("rate_count", "must be at least 1: to stop a queue, pause it".to_owned()),
            (Some(_), None) => ("rate_count", "needs `rate_seconds` beside it".to_owned()),
            (None, Some(_)) => ("rate_seconds", "needs `rate_count` beside it".to_owned()),
            (_, Some(0.0)) => ("rate_seconds", "must be more than 0".to_owned()),
            (_, Some(seconds)) => ("rate_seconds", no_length(seconds)?),
            (None, None) => return None,
        };
        Some((format!("queues.{name}.{setting}"), problem))
    })
}

fn unusable_setting(config: &Config) -> Option<(&'static str, String)> {
    if let Err(problem) = config.store.place() {
        return Some(("store.url", format!("is not usable: {problem}")));
    }
    if config.store.connections_max < 2 {
        let problem = "must be at least 2: a handler may hold one while the store itself needs another";
        return Some(("store.connections_max", problem.to_owned()));
    }
    let Config { store, commands, queries, listeners, jobs, queues: _, events, retention, start: _ } = config;
    for (name, number) in [
        ("store.queue_max", store.queue_max),
        ("commands.concurrency_max", commands.concurrency_max),
        ("commands.body_bytes_max", commands.body_bytes_max),
        ("queries.concurrency_max", queries.concurrency_max),
        ("listeners.batch", listeners.batch),
        ("listeners.behind_max", listeners.behind_max),
        ("jobs.body_bytes_max", jobs.body_bytes_max),
        ("jobs.concurrency", jobs.concurrency),
        ("events.bytes_max", events.bytes_max),
    ] {
        if number == 0 {
            return Some((name, "must be at least 1: with 0 nothing would ever run".to_owned()));
        }
    }
    for (name, milliseconds) in
        [("store.write_budget_ms", store.write_budget_ms), ("commands.deadline_ms", commands.deadline_ms)]
    {
        if milliseconds == 0 {
            return Some((name, "must be at least 1: with 0 everything would be too late".to_owned()));
        }
    }
    if retention.messages_hard_max < retention.messages_max {
        let problem =
            "is less than `retention.messages_max`: publishing would be refused before anything is deleted";
        return Some(("retention.messages_hard_max", problem.to_owned()));
    }
    if !(1..=SLOTS).contains(&listeners.partitions) {
        return Some(("listeners.partitions", format!("must be from 1 to {SLOTS}")));
    }
    if listeners.jitter_percent > 100 {
        return Some(("listeners.jitter_percent", "is more than 100".to_owned()));
    }
    if jobs.jitter_percent > 100 {
        return Some(("jobs.jitter_percent", "is more than 100".to_owned()));
    }
    for (name, seconds) in
        [("jobs.timeout_seconds", jobs.timeout_seconds), ("store.lease_seconds", store.lease_seconds)]
    {
        if seconds == 0.0 {
            return Some((name, "must be more than 0: with 0 everything would be too late".to_owned()));
        }
    }
    let seconds = |milliseconds: u64| Duration::from_millis(milliseconds).as_secs_f64();
    let lengths = [
        ("store.write_budget_ms", seconds(store.write_budget_ms)),
        ("commands.deadline_ms", seconds(commands.deadline_ms)),
        ("commands.idempotency_hours", f64::from(commands.idempotency_hours) * 3_600.0),
        ("store.poll_ms", seconds(store.poll_ms)),
        ("listeners.slice_ms", seconds(listeners.slice_ms)),
        ("jobs.timeout_seconds", jobs.timeout_seconds),
        ("store.lease_seconds", store.lease_seconds),
        ("retention.days", retention.days * 86_400.0),
        ("retention.jobs_days", retention.jobs_days * 86_400.0),
        ("retention.every_seconds", Duration::from_secs(retention.every_seconds).as_secs_f64()),
    ];
    let tiers = listeners.retry_seconds.iter().map(|tier| ("listeners.retry_seconds", *tier));
    let tiers = tiers.chain(jobs.retry_seconds.iter().map(|tier| ("jobs.retry_seconds", *tier)));
    lengths.into_iter().chain(tiers).find_map(|(name, seconds)| Some((name, no_length(seconds)?)))
}

fn no_length(seconds: f64) -> Option<String> {
    if seconds.is_nan() {
        Some("is not a number".to_owned())
    } else if seconds < 0.0 {
        Some("is negative".to_owned())
    } else if seconds > SECONDS_MAX {
        Some(format!("is longer than {DAYS_MAX} days"))
    } else {
        None
    }
}

/// A length of time; one that a program set past all checks is cut to what can be used, never a panic.
pub(super) fn duration(seconds: f64) -> Duration {
    let usable = if seconds.is_nan() { SECONDS_MAX } else { seconds.clamp(0.0, SECONDS_MAX) };
    Duration::from_secs_f64(usable)
}
