//! Payments: the money for each order. Context `billing`.
//!
//! The money is with a provider, outside of the database, so taking it and giving it back are jobs.

mod charge;
mod follow;
mod queries;
mod refund;

use std::time::Duration;

use tidings::{Module, Queue, migrations, with};

pub(crate) use queries::{ByStatus, StatusCount};

use crate::contracts::payments::{Authorised, Declined, Initiated};
use crate::provider_client::ProviderClient;

const INITIATED: &str = "initiated";
const AUTHORISED: &str = "authorised";
const DECLINED: &str = "declined";
const VOIDED: &str = "voided";

/// An attempt that takes longer has failed. The client loses patience earlier; this is for all else.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn module(provider: &ProviderClient) -> Module {
    let queue = || Queue::named("payments").concurrency(16);
    Module::new("payments")
        .context("billing")
        .owns::<Initiated>()
        .owns::<Authorised>()
        .owns::<Declined>()
        .tables(["payments"])
        .migrations(migrations!("migrations/payments"))
        .query(queries::by_status)
        // One listener for both, so that no order's cancellation overtakes the order itself.
        .on("follow-orders", (follow::initiate, follow::void))
        .job_with(queue(), with(provider.clone(), charge::charge), |o| o.timeout(ATTEMPT_TIMEOUT))
        // What is owed to customers comes before what they owe.
        .job_with(queue(), with(provider.clone(), refund::refund), |o| {
            o.timeout(ATTEMPT_TIMEOUT).priority(-1)
        })
        .on("give-up", charge::give_up)
}
