//! Chain tests, tested: each assertion holds where it should, and fails where it should, with the tree.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed, and says where")]

mod events;
mod failing;
mod flows;
mod kinds;
mod lives;
mod readers;
mod redelivering;
mod settling;
mod shop;
mod time;
