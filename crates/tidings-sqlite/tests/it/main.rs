//! The store against real files.

mod basics;
mod borders;
mod groups;
mod opening;
mod outbox;
mod support;
mod traps;
