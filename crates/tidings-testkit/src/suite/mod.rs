//! The conformance suites.
//!
//! A suite panics with the promise that is broken. It waits for states, never for time: the only sleeps are those
//! that give concurrent transactions a random length. Suites of the group [`log`] touch no table of a module, so
//! that a store can pass them before it can do SQL.

pub mod flow;
pub mod guard;
pub mod jobs;
pub mod lives;
pub mod log;
pub mod outcomes;
pub mod partitions;
pub mod read;
pub mod retention;
mod support;
pub mod tables;
pub mod work;

pub use support::{assert_catches, assert_catches_by_chance, within_patience};
