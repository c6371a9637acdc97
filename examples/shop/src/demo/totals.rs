//! What comes out the same whatever the store, the number of processes, and who was faster.

use std::collections::BTreeMap;

use tidings::store::{JobState, ParkedState};

use super::numbers::Numbers;
use super::report::show;
use crate::orders::State;

/// Whether a customer who changes their mind is in time is a race with their payment, so orders that are through and orders
/// that are cancelled are counted together.
pub(super) fn print(numbers: &Numbers) {
    let orders = |which: &dyn Fn(State) -> bool| {
        let of = || numbers.orders.iter().filter(|count| which(count.state));
        let cents: i64 = of().map(|count| count.total_cents).sum();
        (of().map(|count| count.orders as usize).sum(), format!("{:.2}", cents as f64 / 100.0))
    };
    let through = |state| matches!(state, State::Completed | State::Cancelled);
    let mut pieces: BTreeMap<&str, u32> = BTreeMap::new();
    let there = numbers.stock.iter().map(|line| (line.sku.as_str(), line.on_hand));
    let shipped = numbers.shipped_pieces.iter().map(|of| (of.sku.as_str(), of.pieces));
    there.chain(shipped).for_each(|(sku, of)| *pieces.entry(sku).or_default() += of);
    let placed = numbers.mails.iter().filter(|of| of.kind == "placed").map(|of| of.mails as usize).sum();
    let dead = numbers.parked.iter().filter(|row| row.state == ParkedState::Dead).count();
    let dead_jobs = numbers.jobs.iter().filter(|job| job.state == JobState::Dead).count();
    let row = |what: &str, (count, worth): (usize, String)| [what.to_owned(), count.to_string(), worth];
    let rows = [
        row("orders", orders(&|_| true)),
        row("orders completed or cancelled", orders(&through)),
        row("orders under way", orders(&|state| !through(state))),
        row("pieces there or shipped", (pieces.values().map(|of| *of as usize).sum(), String::new())),
        row("mails about placed orders", (placed, String::new())),
        row("dead messages", (dead, String::new())),
        row("dead jobs", (dead_jobs, String::new())),
    ];
    show("Totals", &["", "count", "worth"], rows.into_iter());
}
