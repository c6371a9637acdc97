//! The application that is killed: a ledger, and modules that follow it.
//!
//! `ledger.record` enters an amount, publishes `ledger.recorded` and sends the durable command `post.deliver`, whose
//! outcome comes back to `ledger.posted`. Entries are also written in transactions of the caller's own; see [`Way`]. Of the
//! listeners `balances.tally` publishes a follow-up, `history.follow` reads both events, `archive.keep` takes batches,
//! `mirror.copy` writes through sqlx, and `flaky.note` fails often. `payments` has the provider charge for orders by jobs,
//! and `ledger` has it seal entries.

mod archive;
mod balances;
mod fate;
mod flaky;
mod history;
mod ledger;
mod mirror;
mod notary;
mod payments;
mod post;
mod provider;
mod way;

use tidings::Module;

pub use fate::Fate;
pub use ledger::{Entry, Record, RecordTyped, is_rejected};
pub use notary::{NOTARY_PERIOD, NOTARY_RATE, is_sealed};
pub use payments::{is_declined, is_ordered, is_ordered_by_account};
pub use post::is_refused;
pub use provider::{Bill, Provider, Receipt};
pub use way::{Hand, Way};

/// The contracts, as types.
mod events {
    tidings::contracts!("schemas");
}

/// Every module.
#[must_use]
pub fn modules() -> Vec<(&'static str, Module)> {
    let modules = [
        ("ledger", ledger::module()),
        ("balances", balances::module()),
        ("history", history::module()),
        ("archive", archive::module()),
        ("mirror", mirror::module()),
        ("flaky", flaky::module()),
        ("post", post::module()),
        ("payments", payments::module()),
    ];
    modules.into_iter().map(|(name, module)| (name, module.context("books"))).collect()
}
