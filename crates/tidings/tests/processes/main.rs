//! Several applications on one PostgreSQL database, as several processes would be: each has a store of its own.
//!
//! They run when `TIDINGS_TEST_POSTGRES_URL` names a server whose user may create schemas. Without it they say that they were
//! not run, and under CI they fail.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed, and says where")]

mod busy;
mod idle;
mod jobs;
mod plans;
mod serving;
mod sharing;
mod stopping;
mod support;
mod versions;
