//! The kill suite.
#![allow(clippy::print_stderr, reason = "figures and skipped parts are for whoever reads the test's output")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed, and says where")]

mod harness;

mod abort;
mod fleet;
mod frozen;
mod full;
mod kill;
mod power;
mod shim;
mod twins;
mod two;
