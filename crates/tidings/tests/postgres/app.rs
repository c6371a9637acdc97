//! The application under test: `counters` counts in portable and in typed handlers, `audit` takes notes of it.

use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use tidings::store::Migration;
use tidings::{
    Command, Ctx, Job, JobCtx, Module, Outcome, Query, QueryCtx, Queue, Reads, Result, reject, sql,
};

pub(crate) mod contracts {
    tidings::contracts!("tests/it/schemas");
}
use contracts::counters::Bumped;

pub(crate) fn bumped(counter: &str, total: u32) -> Bumped {
    Bumped { counter: counter.to_owned(), total, owner: None }
}

/// Carried out by a portable handler.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("counters.bump", output = i64)]
pub(crate) struct Bump {
    pub(crate) counter: String,
    pub(crate) by: i64,
}

/// The same by a typed one.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("counters.bump-typed", output = i64)]
pub(crate) struct BumpTyped {
    pub(crate) counter: String,
    pub(crate) by: i64,
    #[serde(default)]
    pub(crate) then: Then,
}

/// What a typed handler does after it has counted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) enum Then {
    #[default]
    Nothing,
    /// A statement fails, and the handler goes on as if it had not.
    SwallowAnError,
    /// The same on the connection that it was given.
    SwallowOnConnection,
    /// The same, but within a savepoint that it goes back to.
    MendAnError,
    /// The rows of a statement that fails at the second are not read to their end.
    StopReading,
    /// It commits by itself, which is refused ...
    Commit,
    /// ... unless it does so where nobody looks.
    CommitOnConnection,
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("counters.total", output = Option<i64>)]
pub(crate) struct Total {
    pub(crate) counter: String,
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("counters.write-in-query", output = ())]
pub(crate) struct WriteInQuery {}

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("audit.count")]
pub(crate) struct Count {
    pub(crate) counter: String,
}

#[derive(Debug, Reads)]
#[reads("counters.bumped", versions = "1", schemas = "tests/it/schemas")]
struct SomeBumped {
    counter: String,
    total: i64,
}

const COUNTERS: &str = "CREATE TABLE counters (name text PRIMARY KEY, total bigint NOT NULL)";
const NOTES: &str =
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, counter text NOT NULL, what text NOT NULL)";

pub(crate) fn counters() -> Module {
    Module::new("counters")
        .owns::<Bumped>()
        .tables(["counters"])
        .migrations(&[Migration { version: 1, name: "counters", sql: COUNTERS }])
        .command(bump)
        .command(bump_typed)
        .query(total)
        .query(write_in_query)
}

pub(crate) fn audit() -> Module {
    Module::new("audit")
        .tables(["notes"])
        .migrations(&[Migration { version: 1, name: "notes", sql: NOTES }])
        .on("note", note)
        .job(Queue::named("counts"), count)
}

async fn bump(ctx: &mut Ctx, cmd: Bump) -> Outcome<i64> {
    let (total,): (i64,) = sql("INSERT INTO counters VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET total = counters.total + excluded.total RETURNING total")
    .bind(&cmd.counter)
    .bind(cmd.by)
    .fetch_one(ctx.tx())
    .await?;
    ctx.publish(bumped(&cmd.counter, u32::try_from(total).unwrap())).await?;
    Ok(total)
}

async fn bump_typed(ctx: &mut Ctx<Postgres>, cmd: BumpTyped) -> Outcome<i64> {
    let total: i64 = sqlx::query_scalar(
        "INSERT INTO counters VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET total = counters.total + excluded.total RETURNING total",
    )
    .bind(&cmd.counter)
    .bind(cmd.by)
    .fetch_one(ctx.tx())
    .await?;
    if cmd.by < 0 {
        return reject("negative", "only more");
    }
    match cmd.then {
        Then::Nothing => {}
        Then::SwallowAnError => {
            sqlx::query("SELECT 1 / 0").execute(ctx.tx()).await.unwrap_err();
        }
        Then::SwallowOnConnection => {
            let connection = ctx.tx().connection().await?;
            sqlx::query("SELECT 1 / 0").execute(connection).await.unwrap_err();
        }
        Then::MendAnError => {
            let before = ctx.savepoint().await?;
            sqlx::query("SELECT 1 / 0").execute(ctx.tx()).await.unwrap_err();
            ctx.rollback_to(before).await?;
        }
        Then::StopReading => {
            use futures_util::StreamExt;
            let mut rows = sqlx::query("SELECT 1 / (2 - n) FROM generate_series(1, 2) AS n").fetch(ctx.tx());
            assert!(rows.next().await.is_some());
        }
        Then::Commit => {
            sqlx::query("COMMIT").execute(ctx.tx()).await?;
        }
        Then::CommitOnConnection => {
            sqlx::query("COMMIT").execute(ctx.tx().connection().await?).await?;
        }
    }
    ctx.publish(bumped(&cmd.counter, u32::try_from(total).unwrap())).await?;
    Ok(total)
}

async fn total(ctx: &mut QueryCtx<Postgres>, query: Total) -> Result<Option<i64>> {
    let total = sqlx::query_scalar("SELECT total FROM counters WHERE name = $1").bind(query.counter);
    Ok(total.fetch_optional(ctx.tx()).await?)
}

async fn write_in_query(ctx: &mut QueryCtx<Postgres>, _query: WriteInQuery) -> Result<()> {
    sqlx::query("DELETE FROM counters").execute(ctx.tx()).await?;
    Ok(())
}

async fn note(ctx: &mut Ctx<Postgres>, event: SomeBumped) -> Result<()> {
    sqlx::query("INSERT INTO notes (counter, what) VALUES ($1, $2)")
        .bind(&event.counter)
        .bind(format!("bumped to {}", event.total))
        .execute(ctx.tx())
        .await?;
    if event.counter.starts_with("job-") {
        ctx.enqueue(Count { counter: event.counter }).await?;
    }
    Ok(())
}

async fn count(ctx: &mut JobCtx<Postgres>, job: Count) -> Result<()> {
    let mut done = ctx.finish().await?;
    sqlx::query("INSERT INTO notes (counter, what) VALUES ($1, 'counted')")
        .bind(job.counter)
        .execute(done.tx())
        .await?;
    done.commit().await
}
