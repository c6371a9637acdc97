//! The kill suite.
#![allow(clippy::print_stderr, reason = "figures and skipped parts are for whoever reads the test's output")]

mod harness;

mod abort;
mod full;
mod kill;
mod power;
mod shim;
mod twins;
mod two;
