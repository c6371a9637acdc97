//! Keeps totals, and publishes a follow-up.

use tidings::{Ctx, Module, Reads, Result, sql};

use crate::plan::Database;

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
    amount: i64,
}

pub(super) fn module(on: Database) -> Module {
    Module::new("balances")
        .owns::<super::events::balances::Changed>()
        .tables(["balances_effects", "totals"])
        .migrations(migrations!(on, "migrations/balances", "migrations/postgres/balances"))
        .on_with("tally", tally, |options| options.from_start())
}

async fn tally(ctx: &mut Ctx, event: Recorded) -> Result<()> {
    let Recorded { account, seq, amount } = event;
    super::fate::trouble(200)?;
    // Read, then written: an effect that happens twice, or not, is seen in the total as well.
    let before: Option<i64> =
        sql("SELECT total FROM totals WHERE account = $1").bind(&account).fetch_scalar(ctx.tx()).await?;
    let total = before.unwrap_or(0) + amount;
    sql("INSERT INTO totals (account, total) VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET total = $2")
        .bind(&account)
        .bind(total)
        .execute(ctx.tx())
        .await?;
    sql("INSERT INTO balances_effects (event, account, seq) VALUES ('ledger.recorded', $1, $2)")
        .bind(&account)
        .bind(seq)
        .execute(ctx.tx())
        .await?;
    ctx.publish(super::events::balances::Changed { account, seq, total }).await?;
    // Failing this late leaves something to undo.
    super::fate::trouble(400)
}
