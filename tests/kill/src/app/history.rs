//! One listener of two events, in one order per account.

use tidings::{Ctx, Module, Reads, Result, sql};

use crate::plan::Database;

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

#[derive(Reads)]
#[reads("balances.changed", versions = "1..=1")]
struct Changed {
    account: String,
    seq: i64,
}

pub(super) fn module(on: Database) -> Module {
    Module::new("history")
        .tables(["history_effects"])
        .migrations(migrations!(on, "migrations/history", "migrations/postgres/history"))
        .on_with("follow", (recorded, changed), |options| options.from_start())
}

async fn recorded(ctx: &mut Ctx, event: Recorded) -> Result<()> {
    write(ctx, "ledger.recorded", &event.account, event.seq).await
}

async fn changed(ctx: &mut Ctx, event: Changed) -> Result<()> {
    write(ctx, "balances.changed", &event.account, event.seq).await
}

async fn write(ctx: &mut Ctx, event: &str, account: &str, seq: i64) -> Result<()> {
    sql("INSERT INTO history_effects (event, account, seq) VALUES ($1, $2, $3)")
        .bind(event)
        .bind(account)
        .bind(seq)
        .execute(ctx.tx())
        .await?;
    super::fate::trouble(400)
}
