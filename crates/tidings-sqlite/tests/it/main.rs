//! The store against real files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is not as it must be"
)]

mod basics;
mod borders;
mod contents;
mod groups;
mod inspector;
mod jobs;
mod modules;
mod opening;
mod outbox;
mod parking;
mod readers;
mod retention;
mod support;
mod traps;
