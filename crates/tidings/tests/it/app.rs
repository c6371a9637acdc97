//! The application under test: `counters` counts, `audit` takes notes of it.
//!
//! A counter's name says how its events fare in the audit: `fail-3-x` fails three times, `garbage-x` permanently,
//! `panic-x` panics, `rollback-x` ends the whole transaction.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tidings::store::Migration;
use tidings::{
    Command, CommandReply, Ctx, Error, Module, Outcome, Query, QueryCtx, Reads, Result, reject, sql,
};

pub(crate) mod contracts {
    tidings::contracts!("tests/it/schemas");
}
use contracts::counters::{Bumped, Reset};

#[derive(Debug, Clone, Command, Serialize, Deserialize)]
#[command("counters.bump", output = i64)]
pub(crate) struct Bump {
    pub(crate) counter: String,
    pub(crate) by: i64,
}

pub(crate) fn bump(counter: &str, by: i64) -> Bump {
    Bump { counter: counter.to_owned(), by }
}

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("counters.reset-all", output = u32)]
pub(crate) struct ResetAll {
    #[serde(default)]
    pub(crate) send_bump: Option<Bump>,
    /// Sends it this often more, in the same transaction.
    #[serde(default)]
    pub(crate) more: u32,
}

/// A reset that sends a command.
pub(crate) fn reset_and(bump: Bump) -> ResetAll {
    ResetAll { send_bump: Some(bump), more: 0 }
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("counters.total", output = Option<i64>)]
pub(crate) struct Total {
    pub(crate) counter: String,
}

#[derive(Debug, Reads)]
#[reads("counters.bumped", versions = "1", schemas = "tests/it/schemas")]
pub(crate) struct SomeBumped {
    pub(crate) counter: String,
    pub(crate) total: i64,
}

#[derive(Debug, Reads)]
#[reads("counters.reset", versions = "1", schemas = "tests/it/schemas")]
pub(crate) struct SomeReset {
    pub(crate) counter: String,
}

const COUNTERS_SQL: &str = "CREATE TABLE counters (name TEXT PRIMARY KEY, total BIGINT NOT NULL);
    CREATE TABLE replies (text TEXT NOT NULL);";
const AUDIT_SQL: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, counter TEXT NOT NULL, what TEXT NOT NULL);";

pub(crate) fn counters() -> Module {
    counters_tables()
        .command(do_bump)
        .command(do_reset_all)
        .sends::<Bump>()
        .on_reply("bump-answered", bump_answered)
}

pub(crate) fn counters_tables() -> Module {
    Module::new("counters")
        .owns::<Bumped>()
        .owns::<Reset>()
        .tables(["counters", "replies"])
        .migrations(&[Migration { version: 1, name: "tables", sql: COUNTERS_SQL }])
        .query(total)
}

pub(crate) fn audit() -> Module {
    audit_tables().on("note", (note_bumped, note_reset))
}

pub(crate) fn audit_tables() -> Module {
    Module::new("audit").owns::<contracts::audit::Noted>().tables(["notes"]).migrations(&[Migration {
        version: 1,
        name: "tables",
        sql: AUDIT_SQL,
    }])
}

pub(crate) async fn do_bump(ctx: &mut Ctx, cmd: Bump) -> Outcome<i64> {
    if cmd.by == 0 {
        sql("INSERT INTO counters (name, total) VALUES ('never kept', 1)").execute(ctx.tx()).await?;
        return reject("zero", "a counter is bumped by at least one");
    }
    let total: i64 = sql("INSERT INTO counters (name, total) VALUES ($1, $2)
                          ON CONFLICT (name) DO UPDATE SET total = counters.total + $2 RETURNING total")
    .bind(&cmd.counter)
    .bind(cmd.by)
    .fetch_scalar(ctx.tx())
    .await?
    .unwrap_or_default();
    ctx.publish(Bumped { counter: cmd.counter, total: u32::try_from(total)?, owner: None }).await?;
    Ok(total)
}

pub(crate) async fn do_reset_all(ctx: &mut Ctx, cmd: ResetAll) -> Outcome<u32> {
    let counters: Vec<(String,)> =
        sql("UPDATE counters SET total = 0 RETURNING name").fetch_all(ctx.tx()).await?;
    let count = u32::try_from(counters.len())?;
    for (counter,) in counters {
        ctx.publish(Reset { counter }).await?;
    }
    for bump in cmd.send_bump.iter().cycle().take(1 + cmd.more as usize) {
        let bump = bump.clone();
        if bump.counter.starts_with("silent") {
            ctx.send(bump).await?;
        } else {
            ctx.send_with_reply(bump, "bump-answered").await?;
        }
    }
    Ok(count)
}

pub(crate) async fn bump_answered(ctx: &mut Ctx, reply: CommandReply<Bump>) -> Result<()> {
    let text = match reply.outcome {
        Ok(total) => format!("total {total}"),
        Err(rejection) => format!("rejected {}", rejection.code),
    };
    sql("INSERT INTO replies (text) VALUES ($1)").bind(text).execute(ctx.tx()).await?;
    Ok(())
}

async fn total(ctx: &mut QueryCtx, query: Total) -> Result<Option<i64>> {
    match query.counter.as_str() {
        "write" => {
            sql("DELETE FROM counters").execute(ctx.tx()).await?;
        }
        "replies" => {
            let replies: Vec<(String,)> = sql("SELECT text FROM replies").fetch_all(ctx.tx()).await?;
            return Err(Error::failed(replies.into_iter().map(|(text,)| text).collect::<Vec<_>>().join(",")));
        }
        _ => {}
    }
    sql("SELECT total FROM counters WHERE name = $1").bind(query.counter).fetch_scalar(ctx.tx()).await
}

static ATTEMPTS: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// Counts the attempts at a counter's events; tests use names of their own.
pub(crate) fn attempts(counter: &str) -> u32 {
    ATTEMPTS.lock().unwrap().get_or_insert_default().get(counter).copied().unwrap_or(0)
}

fn count_attempt(counter: &str) -> u32 {
    let mut attempts = ATTEMPTS.lock().unwrap();
    let count = attempts.get_or_insert_default().entry(counter.to_owned()).or_default();
    *count += 1;
    *count
}

pub(crate) async fn note_bumped(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    note(ctx, &event.counter, &format!("bumped to {}", event.total)).await
}

async fn note_reset(ctx: &mut Ctx, event: SomeReset) -> Result<()> {
    note(ctx, &event.counter, "reset").await
}

async fn note(ctx: &mut Ctx, counter: &str, what: &str) -> Result<()> {
    sql("INSERT INTO notes (counter, what) VALUES ($1, $2)")
        .bind(counter)
        .bind(what)
        .execute(ctx.tx())
        .await?;
    let attempt = count_attempt(counter);
    let mut parts = counter.split('-');
    match (parts.next(), parts.next().and_then(|n| n.parse::<u32>().ok())) {
        (Some("fail"), Some(times)) if attempt <= times => {
            Err(Error::failed(format!("attempt {attempt} fails")))
        }
        (Some("garbage"), _) => Err(Error::permanent("this can never be noted")),
        (Some("panic"), _) => panic!("a note too far"),
        (Some("rollback"), _) => {
            sql("INSERT OR ROLLBACK INTO notes (id, counter, what) SELECT id, counter, what FROM notes")
                .execute(ctx.tx())
                .await?;
            Ok(())
        }
        (Some("hang"), _) => std::future::pending().await,
        _ => Ok(()),
    }
}

/// What the audit has written about a counter, in order.
pub(crate) async fn notes(path: &std::path::Path, counter: &str) -> Vec<String> {
    use sqlx::Connection;
    let mut connection = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    sqlx::query_scalar("SELECT what FROM notes WHERE counter = $1 ORDER BY id")
        .bind(counter)
        .fetch_all(&mut connection)
        .await
        .unwrap()
}
