//! The store against real files.

mod basics;
mod borders;
mod groups;
mod modules;
mod opening;
mod outbox;
mod parking;
mod retention;
mod support;
mod traps;
