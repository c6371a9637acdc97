//! The job `analytics.report`: writes down how a day went. Due every night; `analytics.make-report` asks for one now.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Job, JobCtx, Outcome, Result, reject, sql};

use super::days::{day_of, time_zone};

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("analytics.report")]
pub(super) struct Report {
    day: Date,
}

/// The report of a day is wanted now.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("analytics.make-report")]
pub(crate) struct MakeReport {
    day: Date,
}

/// What is due at a tick: the day that ended before it. A tick that was missed comes late and is still about its own day.
pub(super) fn of_the_day_before(tick: Timestamp) -> Report {
    let today = time_zone()
        .map_or_else(|_| tick.to_zoned(jiff::tz::TimeZone::UTC).date(), |zone| day_of(tick, &zone));
    Report { day: today.yesterday().unwrap_or(today) }
}

pub(super) async fn make_report(ctx: &mut Ctx, wanted: MakeReport) -> Outcome<()> {
    let today = day_of(ctx.now(), &time_zone()?);
    if wanted.day > today {
        return reject("too_early", format!("{} has not begun", wanted.day));
    }
    ctx.enqueue(Report { day: wanted.day }).unique(&wanted.day.to_string()).await?;
    Ok(())
}

pub(super) async fn report(ctx: &mut JobCtx, job: Report) -> Result<()> {
    let day = job.day.to_string();
    let mut done = ctx.finish().await?;
    let now = done.now();
    // A day without orders has a report too: it says so.
    sql("INSERT INTO daily_totals (day) VALUES ($1) ON CONFLICT (day) DO NOTHING")
        .bind(&day)
        .execute(done.tx())
        .await?;
    sql("INSERT INTO daily_reports (day, placed, cents, shipped, made_at)
         SELECT day, placed, cents, shipped, $1 FROM daily_totals WHERE day = $2
         ON CONFLICT (day) DO UPDATE
         SET placed = excluded.placed, cents = excluded.cents, shipped = excluded.shipped, made_at = excluded.made_at")
    .bind(now)
    .bind(&day)
    .execute(done.tx())
    .await?;
    done.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_about_the_day_before() {
        let tick = |time: &str| of_the_day_before(time.parse().unwrap()).day.to_string();
        assert_eq!(tick("2026-03-02T02:00:00Z"), "2026-03-01");
        assert_eq!(tick("2026-01-01T02:00:00Z"), "2025-12-31");
    }
}
