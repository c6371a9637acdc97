//! A listener that writes through sqlx.

use tidings::{Ctx, Module, Reads, Result};

use super::fate;
use crate::plan::Database;

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
}

pub(super) fn module(on: Database) -> Module {
    let mirror = Module::new("mirror").tables(["mirror_effects"]).migrations(migrations!(
        on,
        "migrations/mirror",
        "migrations/postgres/mirror"
    ));
    match on {
        Database::Sqlite => mirror.on_with("copy", sqlite::copy, |options| options.from_start()),
        Database::Postgres => mirror.on_with("copy", postgres::copy, |options| options.from_start()),
    }
}

for_each_driver! {
    pub(super) async fn copy(ctx: &mut Ctx<Db>, event: Recorded) -> Result<()> {
        sqlx::query("INSERT INTO mirror_effects (event, account, seq) VALUES ('ledger.recorded', $1, $2)")
            .bind(&event.account)
            .bind(event.seq)
            .execute(ctx.tx())
            .await?;
        fate::trouble(200)
    }
}
