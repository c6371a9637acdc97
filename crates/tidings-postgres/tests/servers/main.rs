//! The log on real servers, and what these do to it: writers under stress, transactions that stay open, dumps that are restored
//! elsewhere, crashes, and standbys that are promoted.
//!
//! They have to crash servers, or need two of them, so they start their own from the programs of the system's PostgreSQL. Where
//! there are none they say that they were not run, and fail under CI.

#[allow(dead_code, reason = "held against what SQL makes of the same")]
#[path = "../../src/cursor.rs"]
mod cursor;
mod foreign;
mod full;
mod jobs;
mod lives;
mod log;
mod proxy;
mod restore;
mod same_in_sql;
mod server;
#[path = "../../src/snapshot.rs"]
mod snapshot;
mod standby;
mod stress;
#[cfg(feature = "tls")]
mod tls;
