//! The runtime on a real SQLite file.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed, and says where")]

mod app;
mod borders;
mod careful;
mod commands;
mod deadlines;
mod durable_commands;
mod flow;
mod jobs;
mod listeners;
mod narrowing;
mod outbox;
mod refusals;
mod renamed;
mod spans;
mod support;
mod telling;
mod traps;
mod typed;
