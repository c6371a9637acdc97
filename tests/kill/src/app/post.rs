//! Carries out durable commands.

use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Module, Outcome, reject, sql};

use crate::plan::Database;

/// Delivers an entry.
#[derive(Clone, Debug, Serialize, Deserialize, Command)]
#[command("post.deliver", output = bool)]
pub(super) struct Deliver {
    /// The account.
    pub account: String,
    /// The entry.
    pub seq: i64,
}

/// Whether the delivery of this entry is rejected.
#[must_use]
pub fn is_refused(seq: i64) -> bool {
    seq % 11 == 10
}

pub(super) fn module(on: Database) -> Module {
    Module::new("post")
        .tables(["post_effects"])
        .migrations(migrations!(on, "migrations/post", "migrations/postgres/post"))
        .command(deliver)
}

async fn deliver(ctx: &mut Ctx, command: Deliver) -> Outcome<bool> {
    super::fate::trouble(200)?;
    sql("INSERT INTO post_effects (event, account, seq) VALUES ('post.deliver', $1, $2)")
        .bind(&command.account)
        .bind(command.seq)
        .execute(ctx.tx())
        .await?;
    // Rejected this late, so that there is something to undo.
    if is_refused(command.seq) {
        return reject("moved", "every eleventh recipient has moved");
    }
    Ok(true)
}
