//! The application that is killed: a ledger, and modules that follow it.
//!
//! `ledger.record` enters an amount, publishes `ledger.recorded` and sends the durable command `post.deliver`, whose
//! outcome comes back to `ledger.posted`. Entries are also written in transactions of the caller's own; see [`Way`]. Of the
//! listeners `balances.tally` publishes a follow-up, `history.follow` reads both events, `archive.keep` takes batches,
//! `mirror.copy` writes through sqlx, and `flaky.note` fails often. `payments` has the provider charge for orders by jobs,
//! and `ledger` has it seal entries.

#[macro_use]
mod each;

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

use crate::plan::Database;

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

/// Every module, for one kind of database: what is written through sqlx is written for its driver, and tables are made by
/// its own SQL.
#[must_use]
pub fn modules(on: Database) -> Vec<(&'static str, Module)> {
    let modules = [
        ("ledger", ledger::module(on)),
        ("balances", balances::module(on)),
        ("history", history::module(on)),
        ("archive", archive::module(on)),
        ("mirror", mirror::module(on)),
        ("flaky", flaky::module(on)),
        ("post", post::module(on)),
        ("payments", payments::module(on)),
    ];
    modules.into_iter().map(|(name, module)| (name, module.context("books"))).collect()
}
