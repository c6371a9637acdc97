//! Models of the store's two algorithms, checked in every state that they can reach. No server is needed.
//!
//! `log.rs` is the reading of the log: transactions that commit in any order, and a reader whose cursor is the very code of
//! `src/cursor.rs`, taken in below. `leases.rs` is the fencing of those who move cursors. Each has twins with a planted
//! bug, which the checker must find.

mod checker;
#[allow(dead_code, reason = "the model takes the algorithm, and not what a store needs around it")]
#[path = "../../src/cursor.rs"]
mod cursor;
mod leases;
mod log;
mod log_twins;
#[path = "../../src/snapshot.rs"]
mod snapshot;
