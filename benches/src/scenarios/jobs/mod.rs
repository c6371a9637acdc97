//! Jobs: enqueued in bulk, enqueued beside a row, worked off, and how soon one starts.

pub(super) mod drain;
pub(super) mod enqueue;
pub(super) mod latency;

/// A figure of ours beside a peer's, with the peer's name.
#[cfg(feature = "peers")]
fn beside_apalis(
    name: &str,
    unit: &'static str,
    ours: Vec<f64>,
    peer: Vec<f64>,
    note: &'static str,
) -> crate::measure::Figure {
    let name = format!("  {name}, beside apalis-sqlite");
    crate::measure::Figure { name, unit, aim: crate::measure::Aim::None, ours, floor: peer, note }
}
