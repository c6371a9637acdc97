//! A listener that writes through sqlx.

use sqlx::Sqlite;
use tidings::{Ctx, Module, Reads, Result};

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

pub(super) fn module() -> Module {
    Module::new("mirror")
        .tables(["mirror_effects"])
        .migrations(tidings::migrations!("migrations/mirror"))
        .on_with("copy", copy, |options| options.from_start())
}

async fn copy(ctx: &mut Ctx<Sqlite>, event: Recorded) -> Result<()> {
    sqlx::query("INSERT INTO mirror_effects (event, account, seq) VALUES ('ledger.recorded', $1, $2)")
        .bind(&event.account)
        .bind(event.seq)
        .execute(ctx.tx())
        .await?;
    super::fate::trouble(200)
}
