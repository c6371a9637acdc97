//! A listener that takes batches.

use tidings::{Ctx, Module, Reads, Result, sql};

use crate::plan::Database;

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

pub(super) fn module(on: Database) -> Module {
    Module::new("archive")
        .tables(["archive_effects"])
        .migrations(migrations!(on, "migrations/archive", "migrations/postgres/archive"))
        .on_with("keep", tidings::batch(keep), |options| options.from_start())
}

async fn keep(ctx: &mut Ctx, events: Vec<Recorded>) -> Result<()> {
    for Recorded { account, seq } in events {
        sql("INSERT INTO archive_effects (event, account, seq) VALUES ('ledger.recorded', $1, $2)")
            .bind(account)
            .bind(seq)
            .execute(ctx.tx())
            .await?;
        super::fate::trouble(400)?;
    }
    Ok(())
}
