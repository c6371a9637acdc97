//! Recurring jobs: enqueued when their time comes.
//!
//! One task waits for the next time of all. When it has come, one transaction moves that recurring job on to its next time
//! and enqueues the job: whichever process is first has moved it, and the others find it moved.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;

use croner::errors::CronError;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use tidings_core::clock::LAST;
use tidings_core::error::{Error, Result};
use tidings_core::store::{CronSpec, CronTick, Enqueued, NewJob, StoreError};
use tidings_core::trace::TraceContext;
use tokio::sync::watch;

use super::{IntoEnqueue, wish};
use crate::app::Shared;
use crate::ctx::Origin;
use crate::module::ModuleFacts;
use crate::patience::{Patience, is_closed};
use crate::unit::{self, Access, Unit, panicked};

/// A search that fails goes on beyond so many changes of a zone's clocks: the next one is behind what it fails at.
const CHANGES_PASSED: usize = 2;
/// How long it takes until a recurring job is looked at again whose next time could not be told.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Makes the job of one time, after all checks.
type Make = Arc<dyn Fn(&Shared, &ModuleFacts, Timestamp) -> Result<NewJob> + Send + Sync>;

/// A recurring job as a module declares it.
pub(crate) struct CronDeclaration {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) zone: String,
    /// The job that it enqueues.
    pub(crate) job: &'static str,
    make: Make,
}

impl CronDeclaration {
    pub(crate) fn new<T: IntoEnqueue>(
        name: &str,
        expression: &str,
        zone: &str,
        make: impl Fn(Timestamp) -> T + Send + Sync + 'static,
    ) -> Self {
        use tidings_core::contract::Job;
        let make = move |shared: &Shared, module: &ModuleFacts, tick: Timestamp| {
            let origin = Origin::nobody(TraceContext::root());
            wish::new_job(shared, module, &origin, &make(tick).into_enqueue())
        };
        Self {
            name: name.to_owned(),
            expression: expression.to_owned(),
            zone: zone.to_owned(),
            job: T::Job::NAME,
            make: Arc::new(make),
        }
    }
}

/// When a recurring job runs.
struct Schedule {
    times: croner::Cron,
    zone: TimeZone,
    /// It names hours of the day, which are gone through as the clock on the wall shows them; else it is an interval, that
    /// goes on by the time that has passed.
    names_hours: bool,
}

impl Schedule {
    fn parse(expression: &str, zone: &str) -> Result<Self, String> {
        let fields = expression.split_whitespace().count();
        if fields > 6 {
            return Err(format!(
                "it has {fields} fields; there are five, or six with seconds first, and no year"
            ));
        }
        let times = croner::Cron::from_str(expression).map_err(|error| error.to_string())?;
        let zone = TimeZone::get(zone).map_err(|error| error.to_string())?;
        Ok(Self { times, zone, names_hours: names_hours(expression) })
    }

    /// The next time after this one; `None` if there is none any more.
    fn next_after(&self, time: Timestamp) -> Result<Option<Timestamp>, String> {
        if self.names_hours { self.next_named(time) } else { self.next_of_interval(time) }
    }

    fn next_named(&self, time: Timestamp) -> Result<Option<Timestamp>, String> {
        let there = time.to_zoned(self.zone.clone());
        let Some(mut wall) = whole_seconds(there.datetime()) else { return Ok(None) };
        loop {
            wall = match self.times.find_next_occurrence(&wall, false) {
                Ok(next) => next,
                Err(CronError::TimeSearchLimitExceeded) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            };
            // What is shown for the second time was there before.
            if let Some(next) = self.first_shown(wall).filter(|next| *next > time) {
                return Ok(Some(next));
            }
        }
    }

    fn next_of_interval(&self, time: Timestamp) -> Result<Option<Timestamp>, String> {
        let first = match self.search(time, false) {
            Ok(next) => return Ok(Some(next)),
            Err(error) => error,
        };
        // The search stops short before a local day that a zone skips altogether (Pacific/Apia, 30 December 2011). There is
        // nothing between the last time before such a change of the clocks and the change itself, so it goes on from there.
        for change in self.zone.following(time).take(CHANGES_PASSED) {
            if let Ok(next) = self.search(change.timestamp(), true) {
                return Ok(Some(next));
            }
        }
        match first {
            CronError::TimeSearchLimitExceeded => Ok(None),
            error => Err(error.to_string()),
        }
    }

    fn search(&self, from: Timestamp, inclusive: bool) -> Result<Timestamp, CronError> {
        let next = self.times.find_next_occurrence(&from.to_zoned(self.zone.clone()), inclusive)?;
        Ok(next.timestamp())
    }

    /// The last time that is not after this one.
    fn last_until(&self, time: Timestamp) -> Option<Timestamp> {
        let there = time.to_zoned(self.zone.clone());
        if !self.names_hours {
            return self.times.find_previous_occurrence(&there, true).ok().map(|last| last.timestamp());
        }
        let mut wall = whole_seconds(there.datetime())?;
        if let AmbiguousOffset::Fold { before, after } = self.zone.to_ambiguous_timestamp(wall).offset() {
            // Later times of the wall may have been there before, too.
            wall = wall
                .checked_add(SignedDuration::from_secs((before.seconds() - after.seconds()).into()))
                .ok()?;
        }
        let mut last = self.times.find_previous_occurrence(&wall, true).ok()?;
        loop {
            if let Some(shown) = self.first_shown(last).filter(|shown| *shown <= time) {
                return Some(shown);
            }
            last = self.times.find_previous_occurrence(&last, false).ok()?;
        }
    }

    /// When the clock on the wall shows a time first; right after the gap, if it skips it.
    fn first_shown(&self, wall: DateTime) -> Option<Timestamp> {
        let offset = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset,
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(wall).ok()?;
                return self.zone.following(before_the_gap).next().map(|change| change.timestamp());
            }
        };
        offset.to_timestamp(wall).ok()
    }
}

/// Whether a line says at which hours: neither at all, nor at every so many.
fn names_hours(expression: &str) -> bool {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let hours = match fields[..] {
        [nickname] => return !nickname.eq_ignore_ascii_case("@hourly"),
        [_, hours, _, _, _] | [_, _, hours, _, _, _] => hours,
        _ => return false,
    };
    let is_every = |part: &str| ["*", "?", "0-23", "0/"].iter().any(|every| part.starts_with(every));
    !hours.split(',').any(is_every)
}

fn whole_seconds(wall: DateTime) -> Option<DateTime> {
    wall.with().subsec_nanosecond(0).build().ok()
}

/// What is wrong with the times of a recurring job, if anything is.
pub(crate) fn cron_problem(declared: &CronDeclaration, now: Timestamp) -> Option<String> {
    match Schedule::parse(&declared.expression, &declared.zone) {
        Ok(schedule) => match schedule.next_after(now) {
            Ok(Some(_)) => None,
            Ok(None) => Some("it never comes".to_owned()),
            Err(problem) => Some(problem),
        },
        Err(problem) => Some(problem),
    }
}

/// A recurring job.
pub(crate) struct Cron {
    name: Arc<str>,
    /// The expression with its time zone.
    expression: String,
    schedule: Schedule,
    module: Arc<ModuleFacts>,
    make: Make,
}

impl Cron {
    /// `None` if its times cannot be read, which the application's start has refused.
    pub(super) fn of(declared: CronDeclaration, module: &Arc<ModuleFacts>) -> Option<Self> {
        Some(Self {
            name: format!("{}.{}", module.name, declared.name).into(),
            schedule: Schedule::parse(&declared.expression, &declared.zone).ok()?,
            expression: format!("{} {}", declared.expression, declared.zone),
            module: module.clone(),
            make: declared.make,
        })
    }

    fn spec(&self, now: Timestamp) -> CronSpec {
        let after = |time| self.schedule.next_after(time);
        let (next, latest) = match after(now) {
            // A clock that was set back by less than it takes for two times repeats none.
            Ok(Some(next)) => (next, after(next).ok().flatten().unwrap_or(next)),
            Ok(None) => (LAST, LAST),
            Err(problem) => {
                tracing::error!(cron = %self.name, problem, "its next time is not known; it keeps the one it has");
                (LAST, LAST)
            }
        };
        CronSpec { name: self.name.clone(), expression: self.expression.clone(), next, latest }
    }

    /// The job of a time; of several that were missed, the last. `None` if it cannot be made, which is told: the next one
    /// may be.
    fn job(&self, shared: &Shared, due: Timestamp, now: Timestamp) -> Option<NewJob> {
        let tick = self.schedule.last_until(now).filter(|last| *last > due).unwrap_or(due);
        let made = catch_unwind(AssertUnwindSafe(|| (self.make)(shared, &self.module, tick)));
        let made = made.unwrap_or_else(|panic| {
            let name = format!("recurring job `{}`", self.name);
            Err(Error::failed(panicked(&name, panic.as_ref())))
        });
        made.inspect_err(
            |error| tracing::error!(cron = %self.name, %tick, error = %error, "nothing is enqueued for this time"),
        )
        .ok()
    }
}

/// Enters the recurring jobs of the application, and drops those on record that are not among them any more.
pub(crate) async fn register(shared: &Shared) -> Result<Vec<CronTick>, StoreError> {
    let now = shared.clock.now();
    let specs: Vec<CronSpec> = (shared.jobs.crons.iter()).map(|cron| cron.spec(now)).collect();
    shared.store.register_crons(&specs, now).await
}

/// A recurring job in line for its time.
struct Waiting {
    tick: CronTick,
    /// Later than it is due where the time after that could not be told.
    look_at: Timestamp,
}

fn waiting(ticks: Vec<CronTick>) -> Vec<Waiting> {
    ticks.into_iter().map(|tick| Waiting { look_at: tick.due, tick }).collect()
}

/// Enqueues recurring jobs until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, ticks: Vec<CronTick>, mut stop: watch::Receiver<bool>) {
    let mut patience = Patience::default();
    let mut line = waiting(ticks);
    while let Some(due) = line.iter().map(|waiting| waiting.look_at).min() {
        tokio::select! {
            () = shared.clock.sleep_until(due) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match fire_due(&shared, &mut line).await {
            Ok(()) => patience = Patience::default(),
            Err(error) if is_closed(&error) => return,
            Err(error) => tokio::select! {
                () = tokio::time::sleep(patience.pause("recurring jobs", &error)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            },
        }
    }
}

async fn fire_due(shared: &Arc<Shared>, line: &mut Vec<Waiting>) -> Result<()> {
    let mut is_stale = false;
    let now = shared.clock.now();
    for Waiting { tick, look_at } in line.iter_mut().filter(|waiting| waiting.look_at <= now) {
        let cron = shared.jobs.crons.iter().find(|cron| cron.name == tick.name);
        let next = match cron.map_or(Ok(None), |cron| cron.schedule.next_after(now)) {
            Ok(next) => next.unwrap_or(LAST),
            Err(problem) => {
                // It stays due, so that nothing is lost: its job comes when the time after it can be told.
                *look_at = now.saturating_add(LOOK_AGAIN).unwrap_or(LAST);
                tracing::error!(cron = %tick.name, problem, again_at = %look_at, "its next time is not known; tried again");
                continue;
            }
        };
        let job = cron.and_then(|cron| cron.job(shared, tick.due, now));
        if fire(shared, tick, next, job).await? {
            (tick.due, *look_at) = (next, next);
        } else {
            is_stale = true;
        }
    }
    if is_stale {
        // Another process was faster; it has the times as they are now.
        *line = waiting(register(shared).await?);
    }
    Ok(())
}

/// Moves a recurring job on and enqueues its job; false if somebody else has moved it.
async fn fire(shared: &Shared, tick: &CronTick, next: Timestamp, job: Option<NewJob>) -> Result<bool> {
    let (name, due) = (&tick.name, tick.due);
    let (tick, job) = (tick.clone(), Arc::new(job));
    let unit = Unit {
        name: format!("recurring job `{}`", tick.name).into(),
        driver: "native",
        start: Box::new(move |slot| {
            let (tick, job) = (tick.clone(), job.clone());
            Box::pin(async move {
                let mut tx = slot.take().await;
                let fired = async {
                    let is_first = tx.move_cron(&tick.name, tick.due, next).await?;
                    let enqueued = match &*job {
                        Some(job) if is_first => tx.enqueue(std::slice::from_ref(job)).await?,
                        _ => Vec::new(),
                    };
                    Ok((is_first, enqueued))
                }
                .await;
                (Some(tx), fired)
            })
        }),
    };
    let (is_first, enqueued) = unit::run(shared, unit, shared.config.limits(), Access::Own).await?;
    // A unique key may be taken, and then this is all that is heard of the time.
    match enqueued.first() {
        Some(Enqueued::Conflict(id)) => {
            tracing::error!(cron = %name, tick = %due, %id, "nothing is enqueued for this time: a job with its unique key and another payload is there");
        }
        Some(Enqueued::Existing(id)) => {
            tracing::info!(cron = %name, tick = %due, %id, "nothing is enqueued for this time: its job is there already");
        }
        Some(Enqueued::New) | None => {}
    }
    Ok(is_first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(expression: &str, zone: &str) -> CronDeclaration {
        let make = |_: &Shared, _: &ModuleFacts, _: Timestamp| Err(Error::failed("not asked for"));
        let (name, expression, zone) = ("n".to_owned(), expression.to_owned(), zone.to_owned());
        CronDeclaration { name, expression, zone, job: "m.j", make: Arc::new(make) }
    }

    #[test]
    fn what_cannot_come_is_told() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        for (expression, zone, problem) in [
            ("0 3 * * *", "Europe/Berlin", None),
            ("*/5 * * * * *", "UTC", None),
            ("0 0 29 2 *", "UTC", None),
            ("0 0 31 2 *", "UTC", Some("it never comes")),
            (
                "0 0 1 1 * * 2020",
                "UTC",
                Some("it has 7 fields; there are five, or six with seconds first, and no year"),
            ),
            ("0 0 1 1 * * 2099", "UTC", Some("it has 7 fields")),
            ("@daily", "UTC", None),
            ("@hourly", "UTC", None),
            ("@weekly", "UTC", None),
            ("@monthly", "UTC", None),
            ("@yearly", "UTC", None),
            ("0 25 * * *", "UTC", Some("Component error")),
            ("every day", "UTC", Some("")),
            ("0 3 * * *", "Europe/Atlantis", Some("Europe/Atlantis")),
        ] {
            let found = cron_problem(&declared(expression, zone), now);
            let fits = match (&found, problem) {
                (Some(found), Some(problem)) => found.contains(problem),
                (found, problem) => found.is_none() == problem.is_none(),
            };
            assert!(fits, "`{expression}` {zone}: {found:?}");
        }
    }

    #[test]
    fn a_day_that_a_zone_skips_stops_nothing() {
        let next = |expression: &str, after: &str| {
            let schedule = Schedule::parse(expression, "Pacific/Apia").unwrap();
            schedule.next_after(after.parse().unwrap()).unwrap().unwrap().to_string()
        };
        // Samoa went from 29 December 2011, 24:00 (UTC-10), to 31 December, 00:00 (UTC+14), at 10:00 UTC.
        assert_eq!(next("0 3 * * *", "2011-12-29T09:00:00Z"), "2011-12-29T13:00:00Z");
        // The time of the day that never was comes right after the gap, as that of a skipped hour does.
        assert_eq!(next("0 3 * * *", "2011-12-29T23:00:00Z"), "2011-12-30T10:00:00Z");
        assert_eq!(next("0 3 * * *", "2011-12-30T10:00:00Z"), "2011-12-30T13:00:00Z");
        assert_eq!(next("0 0 31 12 *", "2011-06-01T00:00:00Z"), "2011-12-30T10:00:00Z");
        assert_eq!(next("*/10 * * * *", "2011-12-30T09:55:00Z"), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn clocks_that_change_skip_nothing_and_repeat_nothing() {
        let days = |expression: &str, from: &str, count: usize| {
            let schedule = Schedule::parse(expression, "Europe/Berlin").unwrap();
            let mut time: Timestamp = from.parse().unwrap();
            let mut times = Vec::new();
            for _ in 0..count {
                time = schedule.next_after(time).unwrap().unwrap();
                times.push(time.to_string());
            }
            times
        };
        // 02:30 does not come on 29 March: it runs right after the gap, and on 30 March at 02:30 again.
        assert_eq!(
            days("30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // 02:30 comes twice on 25 October, and runs once.
        assert_eq!(
            days("30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // An interval goes on by the time that has passed.
        let half_hours = ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
        assert_eq!(days("*/30 * * * *", "2026-10-25T00:00:00Z", 3), half_hours);
        let over_the_gap = ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"];
        assert_eq!(days("*/30 * * * *", "2026-03-29T00:00:00Z", 3), over_the_gap);
    }

    /// All times of a day on which the clocks change, and after each minute of that day the last one.
    #[test]
    fn hours_that_are_named_run_once_whatever_the_clocks_do() {
        /// Lines with the times of the day at which they run.
        type Lines = &'static [(&'static str, &'static [&'static str])];
        const DAYS: &[(&str, &str, &str, Lines)] = &[
            (
                "America/New_York",
                "2026-03-08T04:59:59Z",
                "2026-03-09T03:59:59Z",
                &[
                    ("30 2 * * *", &["08T07:00"]),
                    ("30 2,14 * * *", &["08T07:00", "08T18:30"]),
                    ("15,45 2 * * *", &["08T07:00"]),
                    ("30 1-3 * * *", &["08T06:30", "08T07:00", "08T07:30"]),
                    ("0 2,3 * * *", &["08T07:00"]),
                    ("0 0-6/2 * * *", &["08T05:00", "08T07:00", "08T08:00", "08T10:00"]),
                    ("*/30 1-3 * * *", &["08T06:00", "08T06:30", "08T07:00", "08T07:30"]),
                    ("0 30 2,14 * * *", &["08T07:00", "08T18:30"]),
                    ("@daily", &["08T05:00"]),
                ],
            ),
            (
                "America/New_York",
                "2026-11-01T03:59:59Z",
                "2026-11-02T04:59:59Z",
                &[
                    ("30 1 * * *", &["01T05:30"]),
                    ("30 1,13 * * *", &["01T05:30", "01T18:30"]),
                    ("0,30 1 * * *", &["01T05:00", "01T05:30"]),
                    ("30 0-2 * * *", &["01T04:30", "01T05:30", "01T07:30"]),
                    ("0 1-23/11 * * *", &["01T05:00", "01T17:00", "02T04:00"]),
                ],
            ),
            (
                "Europe/Berlin",
                "2026-03-28T22:59:59Z",
                "2026-03-29T21:59:59Z",
                &[
                    ("15,45 2,12 * * *", &["29T01:00", "29T10:15", "29T10:45"]),
                    ("0 2-4 * * *", &["29T01:00", "29T02:00"]),
                ],
            ),
            (
                "Europe/Berlin",
                "2026-10-24T21:59:59Z",
                "2026-10-25T22:59:59Z",
                &[
                    ("15,45 2 * * *", &["25T00:15", "25T00:45"]),
                    ("30 1-3 * * *", &["24T23:30", "25T00:30", "25T02:30"]),
                ],
            ),
            (
                "Australia/Lord_Howe",
                "2026-10-03T13:29:59Z",
                "2026-10-04T12:59:59Z",
                &[
                    ("15 2 * * *", &["03T15:30"]),
                    ("0,15,45 2 * * *", &["03T15:30", "03T15:45"]),
                    ("0 2,3 * * *", &["03T15:30", "03T16:00"]),
                ],
            ),
            (
                "Australia/Lord_Howe",
                "2026-04-04T12:59:59Z",
                "2026-04-05T13:29:59Z",
                &[
                    ("45 1 * * *", &["04T14:45"]),
                    ("15,45 1,2 * * *", &["04T14:15", "04T14:45", "04T15:45", "04T16:15"]),
                ],
            ),
        ];
        for (zone, from, to, lines) in DAYS {
            let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
            for (expression, expected) in *lines {
                let schedule = Schedule::parse(expression, zone).unwrap();
                let mut found = Vec::new();
                let mut time = from;
                while let Some(next) = schedule.next_after(time).unwrap().filter(|next| *next <= to) {
                    found.push(next);
                    time = next;
                }
                let shown: Vec<_> = found.iter().map(|time| time.strftime("%dT%H:%M").to_string()).collect();
                assert_eq!(shown, *expected, "`{expression}` in {zone}");
                let mut now = found[0];
                while now <= to {
                    let last = found.iter().rfind(|time| **time <= now);
                    assert_eq!(
                        schedule.last_until(now).as_ref(),
                        last,
                        "`{expression}` in {zone}, the last until {now}"
                    );
                    now += SignedDuration::from_millis(60_500);
                }
            }
        }
    }
}
