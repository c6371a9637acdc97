//! Takes commands, and has what was entered delivered.

use serde::{Deserialize, Serialize};
use tidings::{Command, CommandReply, Ctx, Error, Module, Outcome, Result, reject, sql};

use crate::plan::Database;

use super::events;
use super::notary::{self, Notarize, is_sealed};
use super::post::Deliver;

/// Enters an amount into an account.
#[derive(Clone, Debug, Serialize, Deserialize, Command)]
#[command("ledger.record", output = Entry)]
pub struct Record {
    /// The account.
    pub account: String,
    /// Counted from 1 within the account.
    pub seq: i64,
    /// The amount.
    pub amount: i64,
}

/// The same, by a handler that uses sqlx.
#[derive(Clone, Debug, Serialize, Deserialize, Command)]
#[command("ledger.record-typed", output = Entry)]
pub struct RecordTyped(pub Record);

/// What the caller of [`Record`] gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The event that was published.
    pub event_id: String,
}

/// Whether the command of this number is rejected.
#[must_use]
pub fn is_rejected(seq: i64) -> bool {
    seq % 37 == 36
}

pub(super) fn module(on: Database) -> Module {
    let ledger = Module::new("ledger")
        .owns::<events::ledger::Recorded>()
        .tables(["entries", "ledger_effects", "slips", "seals"])
        .migrations(migrations!(on, "migrations/ledger", "migrations/postgres/ledger"))
        .command(record)
        .sends::<Deliver>()
        .on_reply("posted", posted);
    let ledger = match on {
        Database::Sqlite => ledger.command(sqlite::record_typed),
        Database::Postgres => ledger.command(postgres::record_typed),
    };
    notary::add_to(ledger, on)
}

async fn record(ctx: &mut Ctx, command: Record) -> Outcome<Entry> {
    let Record { account, seq, amount } = command;
    let event = events::ledger::Recorded { account: account.clone(), seq, amount };
    let event_id = ctx.publish(event).await?.to_string();
    sql("INSERT INTO entries (account, seq, amount, event_id) VALUES ($1, $2, $3, $4)")
        .bind(&account)
        .bind(seq)
        .bind(amount)
        .bind(&event_id)
        .execute(ctx.tx())
        .await?;
    if is_sealed(seq) {
        ctx.enqueue(Notarize::of(&account, seq)).await?;
    }
    // Rejected this late, so that there is something to undo.
    if is_rejected(seq) {
        return reject("unlucky", "every thirty-seventh entry is refused");
    }
    let command_id = ctx.send_with_reply(Deliver { account: account.clone(), seq }, "posted").await?;
    sql("INSERT INTO slips (command_id, account, seq) VALUES ($1, $2, $3)")
        .bind(command_id.to_string())
        .bind(&account)
        .bind(seq)
        .execute(ctx.tx())
        .await?;
    Ok(Entry { event_id })
}

for_each_driver! {
    pub(super) async fn record_typed(ctx: &mut Ctx<Db>, RecordTyped(command): RecordTyped) -> Outcome<Entry> {
        let Record { account, seq, amount } = command;
        let event = events::ledger::Recorded { account: account.clone(), seq, amount };
        let event_id = ctx.publish(event).await?.to_string();
        sqlx::query("INSERT INTO entries (account, seq, amount, event_id) VALUES ($1, $2, $3, $4)")
            .bind(&account)
            .bind(seq)
            .bind(amount)
            .bind(&event_id)
            .execute(ctx.tx())
            .await?;
        if is_sealed(seq) {
            ctx.enqueue(Notarize::of(&account, seq)).await?;
        }
        if is_rejected(seq) {
            return reject("unlucky", "every thirty-seventh entry is refused");
        }
        let command_id = ctx.send_with_reply(Deliver { account: account.clone(), seq }, "posted").await?;
        sqlx::query("INSERT INTO slips (command_id, account, seq) VALUES ($1, $2, $3)")
            .bind(command_id.to_string())
            .bind(&account)
            .bind(seq)
            .execute(ctx.tx())
            .await?;
        Ok(Entry { event_id })
    }
}

async fn posted(ctx: &mut Ctx, reply: CommandReply<Deliver>) -> Result<()> {
    super::fate::trouble(200)?;
    let event = if reply.outcome.is_ok() { "delivered" } else { "refused" };
    let written = sql(
        "INSERT INTO ledger_effects (event, account, seq) SELECT $1, account, seq FROM slips WHERE command_id = $2",
    )
    .bind(event)
    .bind(reply.command_id.to_string())
    .execute(ctx.tx())
    .await?;
    if written == 1 { Ok(()) } else { Err(Error::permanent(format!("the reply found {written} slips"))) }
}
