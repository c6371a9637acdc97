//! What each program of `benches/peers` answers to; here for those that are written in Rust. The words are the same in
//! every language, and are explained in the README of `benches/peers`.
//!
//! A program is `run::<P>()` for a [`Peer`] `P`.

// Its answers are lines on standard output.
#![allow(clippy::print_stdout)]

mod arguments;
mod callers;
mod peer;
mod programs;
mod seen;
mod signals;

pub use arguments::{Arguments, variant};
pub use peer::{About, INSERT_COPY, INSERT_ORDER, Job, NOTE, Peer, TABLES};
pub use programs::run;
pub use seen::{Seen, now_us};
pub use signals::Stop;

/// Whatever went wrong: a benchmark only has to say so.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What everything here answers with.
pub type Result<T> = std::result::Result<T, Error>;
