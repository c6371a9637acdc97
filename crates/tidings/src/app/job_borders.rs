//! What modules may not contradict themselves about in their jobs.

use std::collections::HashMap;

use jiff::Timestamp;

use super::borders::Contradiction;
use crate::jobs::{self, cron_problem};
use crate::module::Module;

pub(super) fn contradictions(modules: &[Module], now: Timestamp, found: &mut Vec<Contradiction>) {
    queues(modules, found);
    for module in modules {
        if module.name == jobs::OWNER {
            found.push(Contradiction::Reserved { module: module.name.clone() });
        }
        crons(module, now, found);
    }
}

/// What jobs say of their queues, each with the job that says it first.
fn queues(modules: &[Module], found: &mut Vec<Contradiction>) {
    let mut said: HashMap<(&str, &str), (&str, String)> = HashMap::new();
    for job in modules.iter().flat_map(|module| &module.jobs) {
        let (queue, name) = (&job.queue, job.route.name);
        let useless = |problem: &str| Contradiction::QueueUseless {
            queue: queue.name.clone(),
            job: name.to_owned(),
            problem: problem.to_owned(),
        };
        if job.options.timeout.is_some_and(|timeout| timeout.is_zero()) {
            found.push(Contradiction::JobUseless {
                job: name.to_owned(),
                problem: "with a timeout of nothing each attempt would fail; leave it out for `jobs.timeout_seconds`"
                    .to_owned(),
            });
        }
        if queue.concurrency == Some(0) {
            found.push(useless("`concurrency(0)` would never start a job; to stop a queue, pause it"));
        }
        if queue.concurrency_overall == Some(0) {
            found
                .push(useless("`concurrency_overall(0)` would never start a job; to stop a queue, pause it"));
        }
        if queue.rate.is_some_and(|rate| rate.count == 0 || rate.per.is_zero()) {
            found.push(useless("a rate of no jobs, or in no time, means nothing; to stop a queue, pause it"));
        }
        let concurrency = queue.concurrency.map(|jobs| ("concurrency", format!("`concurrency({jobs})`")));
        let overall = queue
            .concurrency_overall
            .map(|jobs| ("concurrency_overall", format!("`concurrency_overall({jobs})`")));
        let rate = queue.rate.map(|rate| ("rate", format!("`rate({}, {:?})`", rate.count, rate.per)));
        for (setting, says) in [concurrency, overall, rate].into_iter().flatten() {
            let (first, before) = said.entry((&queue.name, setting)).or_insert_with(|| (name, says.clone()));
            if *before != says {
                found.push(Contradiction::QueueSettings {
                    queue: queue.name.clone(),
                    first: (*first).to_owned(),
                    said: before.clone(),
                    second: name.to_owned(),
                    other: says,
                });
            }
        }
    }
}

fn crons(module: &Module, now: Timestamp, found: &mut Vec<Contradiction>) {
    for cron in &module.crons {
        let full = format!("{}.{}", module.name, cron.name);
        if let Some(problem) = cron_problem(cron, now) {
            found.push(Contradiction::CronTimes {
                cron: full.clone(),
                expression: cron.expression.clone(),
                zone: cron.zone.clone(),
                problem,
            });
        }
        if module.jobs.iter().all(|job| job.route.name != cron.job) {
            found.push(Contradiction::CronOfUnknownJob {
                cron: full,
                job: cron.job.to_owned(),
                module: module.name.clone(),
            });
        }
    }
}
