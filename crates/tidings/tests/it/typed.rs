//! Handlers that use sqlx.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use tidings::store::Migration;
use tidings::{App, Command, Ctx, Module, Outcome, Query, QueryCtx, Result, reject, sql};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualClock;

use crate::app::{SomeBumped, audit, bump, contracts, counters};
use crate::support::{Harness, config, path};

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("tallies.add", output = i64)]
struct Add {
    n: i64,
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("tallies.sum", output = i64)]
struct Sum {}

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("tallies.meddle")]
struct Meddle {}

fn tallies() -> Module {
    let sql = include_str!("../typed-schema.sql");
    Module::new("tallies")
        .tables(["tallies"])
        .migrations(&[Migration { version: 1, name: "tallies", sql }])
        .command(add)
        .command(meddle)
        .query(sum)
        .on("count", count)
}

async fn add(ctx: &mut Ctx<Sqlite>, cmd: Add) -> Outcome<i64> {
    sqlx::query!("INSERT INTO tallies (n) VALUES ($1)", cmd.n).execute(ctx.tx()).await?;
    if cmd.n < 0 {
        return reject("negative", "only more");
    }
    let row = sqlx::query!(r#"SELECT SUM(n) AS "sum!: i64" FROM tallies"#).fetch_one(ctx.tx()).await?;
    Ok(row.sum)
}

async fn sum(ctx: &mut QueryCtx<Sqlite>, _query: Sum) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"SELECT SUM(n) AS "sum!: i64" FROM tallies"#).fetch_one(ctx.tx()).await?)
}

async fn count(ctx: &mut Ctx<Sqlite>, event: SomeBumped) -> Result<()> {
    sqlx::query!("INSERT INTO tallies (n) VALUES ($1)", event.total).execute(ctx.tx()).await?;
    Ok(())
}

async fn meddle(ctx: &mut Ctx<Sqlite>, _cmd: Meddle) -> Outcome<()> {
    sqlx::query("DELETE FROM counters").execute(ctx.tx()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checked_queries_in_a_typed_handler() {
    let harness = Harness::with([counters(), audit(), tallies()]).await;
    assert_eq!(harness.app.send(Add { n: 2 }).await.unwrap(), 2);
    assert_eq!(harness.app.send(Add { n: 3 }).await.unwrap(), 5);
    let error = harness.app.send(Add { n: -1 }).await.unwrap_err();
    assert!(error.rejection().is_some(), "{error}");
    assert_eq!(harness.app.ask(Sum {}).await.unwrap(), 5, "what was rejected is undone");
    harness.app.send(bump("a", 7)).await.unwrap();
    harness
        .until("the listener has counted", async |harness| harness.app.ask(Sum {}).await.unwrap() == 12)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_statements_are_guarded_too() {
    let harness = Harness::with([counters(), audit(), tallies()]).await;
    let error = harness.app.send(Meddle {}).await.unwrap_err();
    let chain = tidings_core::error::chain(&error);
    assert!(chain.contains("module `tallies` may not touch table `counters`"), "{chain}");
    let _ = sql;
}

#[tokio::test(flavor = "multi_thread")]
async fn also_on_a_store_that_was_given() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::new("2026-01-31T09:30:00Z".parse().unwrap()));
    let mut guarded = SqliteConfig::new(path(&dir));
    guarded.guard_tables = true;
    let store = Arc::new(SqliteStore::open(guarded).await.unwrap());
    let modules = [counters(), audit(), tallies()];
    let app = App::builder().modules(modules).contracts(contracts::CONTRACTS).config(config(&dir));
    let app = app.clock(clock.clone()).store(store).build().await.unwrap();
    let error = tidings::chain(&app.send(Meddle {}).await.unwrap_err());
    assert!(error.contains("module `tallies` may not touch table `counters`"), "{error}");
}
