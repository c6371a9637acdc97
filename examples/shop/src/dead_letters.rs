//! `shop dead-letters`.

use std::time::Duration;

use tidings::store::{JobFilter, JobRow, JobState, ParkedRow, ParkedState};
use tidings::{App, Config, Result};

use crate::cli::DeadLettersOptions;
use crate::place;
use crate::settle::settle;
use crate::shop::Shop;

/// More than a person would read.
const LISTED_MAX: usize = 1_000;
/// How long what waits behind a discarded letter may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lists what is dead, messages and jobs, and does with it what the options say. The shop runs meanwhile, because only a
/// running listener may settle its own letters.
pub(crate) async fn run(options: DeadLettersOptions) -> Result<()> {
    let mut config = Config::load()?;
    options.store.apply(&mut config);
    place::refuse_none(&config).await?;
    let shop = Shop::open(config, &options.provider).await?;
    let done = settle_each(&shop.app, &options).await;
    shop.app.shutdown().await?;
    done
}

async fn settle_each(app: &App, options: &DeadLettersOptions) -> Result<()> {
    let letters = app.dead_letters().list(None, LISTED_MAX).await?;
    let jobs = app.jobs().list(&dead(), LISTED_MAX).await?;
    if letters.is_empty() && jobs.is_empty() {
        println!("no dead letters");
        return Ok(());
    }
    for letter in &letters {
        describe(app, letter).await?;
        let (consumer, position) = (&letter.consumer, letter.message.position);
        if let Some(reason) = &options.discard {
            app.dead_letters().discard(consumer, position, reason).await?;
            println!("  discarded: {reason}");
        } else if options.retry {
            app.dead_letters().retry(consumer, position).await?;
            println!("  will be tried again");
        }
    }
    for job in &jobs {
        describe_job(job);
        if let Some(reason) = &options.discard {
            app.jobs().discard(job.id, reason).await?;
            println!("  discarded: {reason}");
        } else if options.retry {
            app.jobs().retry(job.id).await?;
            println!("  will be tried again");
        }
    }
    if options.discard.is_some() {
        settle(app, PATIENCE).await?;
        println!("what waited behind them has been handled");
    }
    Ok(())
}

fn dead() -> JobFilter {
    JobFilter { state: Some(JobState::Dead), ..JobFilter::default() }
}

async fn describe(app: &App, letter: &ParkedRow) -> Result<()> {
    let key = letter.key.as_ref().map_or("no key", |key| key.as_str());
    println!("{} of {key}", letter.message.envelope.name);
    println!("  `{}` failed {} times: {}", letter.consumer, letter.attempts, letter.error);
    let behind = app.store().parked(Some(&letter.consumer), Some(ParkedState::Behind), LISTED_MAX).await?;
    for waits in behind.iter().filter(|waits| waits.key.is_some() && waits.key == letter.key) {
        println!("  behind it waits {}", waits.message.envelope.name);
    }
    Ok(())
}

/// What was to be done is personal in part, and so is not printed.
fn describe_job(job: &JobRow) {
    let key = job.key.as_ref().map_or("no key", |key| key.as_str());
    println!("job {} of {key}", job.name);
    let death = job.death.map_or("dead", |death| death.as_str());
    let error = job.error.as_deref().unwrap_or("no error is on record");
    println!("  in queue `{}`, {death} after {} attempts: {error}", job.queue, job.attempts);
}
