//! A listener that fails often, and on a poisoned event takes the process with it.

use tidings::{Ctx, Module, Reads, Result, sql};

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

pub(super) fn module() -> Module {
    Module::new("flaky")
        .tables(["flaky_effects"])
        .migrations(tidings::migrations!("migrations/flaky"))
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
