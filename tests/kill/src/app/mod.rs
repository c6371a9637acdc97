//! The application that is killed: a ledger, and modules that follow it.
//!
//! `ledger.record` enters an amount, publishes `ledger.recorded` and sends the durable command `post.deliver`, whose
//! outcome comes back to `ledger.posted`. Of the listeners `balances.tally` publishes a follow-up, `history.follow` reads
//! both events, `archive.keep` takes batches, and `flaky.note` fails often.

mod archive;
mod balances;
mod fate;
mod flaky;
mod history;
mod ledger;
mod post;

use tidings::Module;

pub use fate::Fate;
pub use ledger::{Entry, Record, is_rejected};
pub use post::is_refused;

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
        ("flaky", flaky::module()),
        ("post", post::module()),
    ];
    modules.into_iter().map(|(name, module)| (name, module.context("books"))).collect()
}
