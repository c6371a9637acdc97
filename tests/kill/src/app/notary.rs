//! A job of the ledger that finishes through sqlx, in a queue with a limited rate.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{Job, JobCtx, Module, Queue, Result};

use super::fate;
use super::provider::{self, Bill};
use crate::plan::Database;

/// Has an entry sealed.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job("ledger.notarize")]
pub(super) struct Notarize {
    account: String,
    seq: i64,
}

impl Notarize {
    pub(super) fn of(account: &str, seq: i64) -> Self {
        Self { account: account.to_owned(), seq }
    }
}

/// How many entries may begin to be sealed in [`NOTARY_PERIOD`].
pub const NOTARY_RATE: u32 = 20;

/// See [`NOTARY_RATE`].
pub const NOTARY_PERIOD: Duration = Duration::from_millis(40);

/// Whether this entry is to be sealed.
#[must_use]
pub fn is_sealed(seq: i64) -> bool {
    seq % 3 == 1
}

pub(super) fn add_to(ledger: Module, on: Database) -> Module {
    let queue = Queue::named("notary").concurrency(4).rate(NOTARY_RATE, NOTARY_PERIOD);
    match on {
        Database::Sqlite => ledger.job(queue, sqlite::notarize),
        Database::Postgres => ledger.job(queue, postgres::notarize),
    }
}

for_each_driver! {
    pub(super) async fn notarize(ctx: &mut JobCtx<Db>, Notarize { account, seq }: Notarize) -> Result<()> {
        let receipt = provider::book(ctx, "seals", &Bill { account: account.clone(), seq, amount: 0 }).await?;
        let job_id = ctx.id().to_string();
        let mut done = ctx.finish().await?;
        sqlx::query("INSERT INTO seals (account, seq, job_id, receipt) VALUES ($1, $2, $3, $4)")
            .bind(&account)
            .bind(seq)
            .bind(job_id)
            .bind(receipt)
            .execute(done.tx())
            .await?;
        // Failing this late leaves something to undo.
        fate::trouble(50)?;
        done.commit().await
    }
}
