//! What the queues have done.

use std::collections::BTreeMap;

use tidings::store::{JobRow, JobState};

use super::report::show;

#[derive(Default)]
struct Work {
    done: u32,
    /// Attempts beside the first.
    retries: u32,
    dead: u32,
    other: u32,
}

pub(super) fn print(jobs: &[JobRow]) {
    let mut work: BTreeMap<(&str, &str), Work> = BTreeMap::new();
    for job in jobs {
        let of = work.entry((&job.queue, &job.name)).or_default();
        of.retries += job.attempts.saturating_sub(1);
        match job.state {
            JobState::Completed => of.done += 1,
            JobState::Dead => of.dead += 1,
            _ => of.other += 1,
        }
    }
    let rows = work.iter().map(|((queue, job), of)| {
        let numbers = [of.done, of.retries, of.dead, of.other].map(|number| number.to_string());
        let [done, retries, dead, other] = numbers;
        [(*queue).to_owned(), (*job).to_owned(), done, retries, dead, other]
    });
    show("Jobs by queue", &["queue", "job", "done", "retries", "dead", "other"], rows);
    for job in jobs.iter().filter(|job| job.state == JobState::Dead) {
        println!(
            "Dead: {}, attempt {}: {}",
            job.name,
            job.attempts,
            job.error.as_deref().unwrap_or("no error is on record")
        );
    }
    println!();
}
