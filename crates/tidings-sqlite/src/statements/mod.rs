//! The store's own statements inside a work's transaction: one implementation for both drivers.

mod consumers;
pub(crate) mod jobs;
mod log;
mod outcomes;
mod parked;

pub(crate) use consumers::{advance, begin_batch, cursor_position};
pub(crate) use log::{APPEND, APPEND_MANY, APPEND_PARAMS, append_params, many_as_json};
pub(crate) use outcomes::{OUTCOME_INSERT, OUTCOME_PARAMS, conclude};
pub(crate) use parked::{park, settle};

use tidings_core::store::{Lease, StoreError};

use crate::exec::{Param, Statements};

/// Fails unless the lease is the newest of its consumer. Within the one write transaction nothing can change that.
async fn check_fence<E: Statements>(exec: &mut E, lease: &Lease) -> Result<(), StoreError> {
    let rows = exec.query(include_str!("../../queries/fence_check.sql"), &lease_params(lease)).await?;
    if rows.is_empty() { Err(fenced(lease)) } else { Ok(()) }
}

fn lease_params(lease: &Lease) -> [Param<'_>; 2] {
    [Param::Text(&lease.consumer), Param::Int(lease.fence)]
}

fn fenced(lease: &Lease) -> StoreError {
    StoreError::Fenced { consumer: lease.consumer.to_string() }
}

/// One row changed, or the fence did not match.
fn fenced_unless(changed: u64, lease: &Lease) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(fenced(lease)) }
}
