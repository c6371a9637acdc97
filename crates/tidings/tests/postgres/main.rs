//! Applications on PostgreSQL. They need a server: `TIDINGS_TEST_POSTGRES_URL` names a database whose user may create schemas.
//!
//! ```console
//! $ TIDINGS_TEST_POSTGRES_URL=postgres://localhost/test cargo test -p tidings --test postgres -- --ignored
//! ```

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod other_driver;
mod outbox;
mod pooled;
mod support;
mod typed;
