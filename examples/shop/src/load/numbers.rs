//! What a load has shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::arrivals::Arrivals;
use crate::cli::LoadOptions;
use crate::orders::LeadTimes;
use crate::percentile::percentile;

#[derive(Serialize)]
pub(super) struct Numbers {
    rate_per_second: u32,
    /// Orders that were placed.
    placed: usize,
    /// Orders that were not, by the code of the refusal.
    refused: BTreeMap<String, u32>,
    /// From the first order sent to the last one answered.
    placing_seconds: f64,
    placed_per_second: f64,
    /// From the time an order was meant to be sent to its answer.
    command_ms: Percentiles,
    /// From the last answer until no order was under way any more.
    settled_after_seconds: f64,
    /// Orders still under way when patience ended.
    unsettled: u32,
    /// Mails still in their queue then, whose rate is limited.
    mails_queued: u32,
    completed: usize,
    /// From the first order sent until no order was under way any more.
    completed_per_second: f64,
    /// From an order's placing to its completion, its parcel's way included.
    placed_to_completed_ms: Percentiles,
}

/// How it was when no order was under way any more, or patience had ended.
pub(super) struct Settled {
    /// After the start.
    pub(super) after: Duration,
    pub(super) unsettled: u32,
    pub(super) mails_queued: u32,
}

#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Numbers {
    pub(super) fn of(
        options: &LoadOptions,
        arrivals: Arrivals,
        sent: Duration,
        settled: Settled,
        lead_times: LeadTimes,
    ) -> Self {
        let at = |percent| percentile(&arrivals.latencies, percent).as_secs_f64() * 1_000.0;
        let placed = arrivals.latencies.len();
        Self {
            rate_per_second: options.rate,
            placed,
            placing_seconds: arrivals.took.as_secs_f64(),
            placed_per_second: placed as f64 / arrivals.took.as_secs_f64(),
            command_ms: Percentiles { p50: at(50), p99: at(99), max: at(100) },
            settled_after_seconds: settled.after.saturating_sub(sent).as_secs_f64(),
            unsettled: settled.unsettled,
            mails_queued: settled.mails_queued,
            completed: lead_times.orders,
            completed_per_second: lead_times.orders as f64 / settled.after.as_secs_f64(),
            placed_to_completed_ms: Percentiles {
                p50: lead_times.p50_ms as f64,
                p99: lead_times.p99_ms as f64,
                max: lead_times.max_ms as f64,
            },
            refused: arrivals.refused,
        }
    }

    /// Every order was taken, and none is under way.
    pub(super) fn is_well(&self) -> bool {
        self.refused.is_empty() && self.unsettled == 0
    }

    pub(super) fn print(&self) {
        let Self { rate_per_second, placed, placing_seconds, placed_per_second, .. } = self;
        println!(
            "{placed} orders placed in {placing_seconds:.1} s: {placed_per_second:.0} a second of {rate_per_second} wanted"
        );
        println!("command orders.place          {}", self.command_ms);
        for (code, orders) in &self.refused {
            println!("refused                       {orders}: {code}");
        }
        println!("settled                       {:.1} s after the last answer", self.settled_after_seconds);
        if self.unsettled > 0 {
            println!("not settled                   {} orders are still under way", self.unsettled);
        }
        println!(
            "completed                     {}, {:.0} a second",
            self.completed, self.completed_per_second
        );
        println!("placed to completed           {}", self.placed_to_completed_ms);
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", self.p50, self.p99, self.max)
    }
}
