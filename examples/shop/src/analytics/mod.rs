//! Analytics: how the days go. Context `insight`; it reads, and nobody reads it.

mod count;
mod days;
mod queries;
mod report;

use tidings::{Module, Queue, batch, migrations};

pub(crate) use queries::{Day, Days};

pub(crate) fn module() -> Module {
    Module::new("analytics")
        .context("insight")
        .tables(["daily_totals", "daily_reports"])
        .migrations(migrations!("migrations/analytics"))
        .query(queries::days)
        .query(queries::reports)
        .command(report::make_report)
        // In batches: a day's row is written once for many orders.
        .on("count", (batch(count::placed), batch(count::shipped)))
        .job(Queue::named("reports").concurrency(1), report::report)
        .cron("daily-report", "0 3 * * *", days::TIME_ZONE, report::of_the_day_before)
}
