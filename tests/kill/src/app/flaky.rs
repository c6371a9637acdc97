//! A listener that fails often, and on a poisoned event takes the process with it.

use tidings::{Ctx, Module, Reads, Result, sql};

use crate::plan::Database;

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

pub(super) fn module(on: Database) -> Module {
    Module::new("flaky")
        .tables(["flaky_effects"])
        .migrations(migrations!(on, "migrations/flaky", "migrations/postgres/flaky"))
        .on_with("note", note, |options| options.from_start())
}

async fn note(ctx: &mut Ctx, event: Recorded) -> Result<()> {
    sql("INSERT INTO flaky_effects (event, account, seq) VALUES ('ledger.recorded', $1, $2)")
        .bind(&event.account)
        .bind(event.seq)
        .execute(ctx.tx())
        .await?;
    super::fate::taste(&event.account, event.seq)?;
    super::fate::trouble(20)
}
