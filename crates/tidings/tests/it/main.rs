//! The runtime on a real SQLite file.

mod app;
mod borders;
mod commands;
mod durable_commands;
mod listeners;
mod outbox;
mod support;
mod traps;
mod typed;
