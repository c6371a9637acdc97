//! Handlers that get new names, lose them again, or go.

use serde::{Deserialize, Serialize};
use tidings::store::StoreError;
use tidings::{Command, CommandReply, Ctx, Module, Outcome, Result};

use crate::app::{
    Bump, Total, audit, bump, bump_answered, counters, counters_tables, do_bump, do_reset_all, reset_and,
};
use crate::support::{Harness, alter};

/// [`Bump`] under another name.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("counters.raise", output = i64)]
struct Raise {
    counter: String,
    by: i64,
}

async fn do_raise(ctx: &mut Ctx, cmd: Raise) -> Outcome<i64> {
    do_bump(ctx, Bump { counter: cmd.counter, by: cmd.by }).await
}

async fn raise_answered(ctx: &mut Ctx, reply: CommandReply<Raise>) -> Result<()> {
    bump_answered(ctx, CommandReply { command_id: reply.command_id, outcome: reply.outcome }).await
}

fn renamed() -> Module {
    counters_tables()
        .command(do_raise)
        .renamed("bump", "raise")
        .on_reply("raise-answered", raise_answered)
        .renamed("bump-answered", "raise-answered")
}

fn busy() -> StoreError {
    StoreError::Busy { context: "a test".to_owned(), source: None }
}

/// Commands stay in the log, not read.
async fn never_bump(_ctx: &mut Ctx, _cmd: Bump) -> Outcome<i64> {
    Err(busy().into())
}

/// Replies do.
async fn never_answered(_ctx: &mut Ctx, _reply: CommandReply<Bump>) -> Result<()> {
    Err(busy().into())
}

async fn has_lag(harness: &Harness, consumer: &str) -> bool {
    harness.consumer(consumer).await.lag == 1
}

async fn total(harness: &Harness) -> Option<i64> {
    harness.app.ask(Total { counter: "a".into() }).await.unwrap()
}

async fn answers(harness: &Harness) -> String {
    let error = harness.app.ask(Total { counter: "replies".into() }).await.unwrap_err();
    std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_under_the_old_name_is_carried_out() {
    let not_yet = counters_tables()
        .command(never_bump)
        .command(do_reset_all)
        .sends::<Bump>()
        .on_reply("bump-answered", bump_answered);
    let harness = Harness::with([not_yet, audit()]).await;
    harness.app.send(reset_and(bump("a", 4))).await.unwrap();
    harness.until("a command is pending", async |harness| has_lag(harness, "counters.bump").await).await;
    let harness = harness.restart_with([renamed(), audit()]).await.unwrap();
    harness.until("it is answered", async |harness| answers(harness).await == "total 4").await;
    assert_eq!(total(&harness).await, Some(4));
}

/// [`Bump`] as an incompatible type.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("counters.number", output = i64)]
struct Number {
    counter: i64,
}

async fn number(_ctx: &mut Ctx, cmd: Number) -> Outcome<i64> {
    Ok(cmd.counter)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_decode_keeps_its_values_to_itself() {
    let not_yet = counters_tables().command(never_bump).command(do_reset_all).sends::<Bump>();
    let not_yet = not_yet.on_reply("bump-answered", bump_answered);
    let harness = Harness::with([not_yet, audit()]).await;
    harness.app.send(reset_and(bump("alice@example.org", 4))).await.unwrap();
    harness.until("a command is pending", async |harness| has_lag(harness, "counters.bump").await).await;
    let incompatible = counters_tables().command(number).renamed("bump", "number");
    let harness = harness.restart_with([incompatible, audit()]).await.unwrap();
    harness.until_parked("counters.number", 0, 0, 1).await;
    let parked = harness.app.store().parked(Some("counters.number"), None, 1).await.unwrap().remove(0);
    assert!(parked.error.contains("field `counter`: invalid type: string, expected i64"), "{}", parked.error);
    let caller = tidings::Caller::default();
    let payload = br#"{"counter":"alice@example.org"}"#;
    let error = harness.app.send_json("counters.number", payload, caller).await.unwrap_err().to_string();
    assert!(error.contains("expected i64") && !error.contains("alice"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_under_the_old_name_arrive() {
    let not_yet = counters_tables()
        .command(do_bump)
        .command(do_reset_all)
        .sends::<Bump>()
        .on_reply("bump-answered", never_answered);
    let harness = Harness::with([not_yet, audit()]).await;
    harness.app.send(reset_and(bump("a", 4))).await.unwrap();
    harness
        .until("a reply is pending", async |harness| has_lag(harness, "counters.bump-answered").await)
        .await;
    let harness = harness.restart_with([renamed(), audit()]).await.unwrap();
    harness.until("it is answered", async |harness| answers(harness).await == "total 4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_is_rolled_back_repeats_nothing() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("a", 4))).await.unwrap();
    harness.until("it is answered", async |harness| answers(harness).await == "total 4").await;
    harness.settle().await;
    let harness = harness.restart_with([renamed(), audit()]).await.unwrap();
    let harness = harness.restart_with([counters(), audit()]).await.unwrap();
    harness.app.send(reset_and(bump("a", 1))).await.unwrap();
    harness.until("the next is answered", async |harness| answers(harness).await != "total 4").await;
    assert_eq!(answers(&harness).await, "total 4,total 1", "there was a reset in between, and nothing else");
    harness.until_parked("counters.bump", 0, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_an_outcome_on_record_is_passed_over() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("a", 4))).await.unwrap();
    harness.until("it is answered", async |harness| answers(harness).await == "total 4").await;
    harness.settle().await;
    harness.app.shutdown().await.unwrap();
    alter(&harness.path(), "UPDATE tidings_consumers SET cursor = 0 WHERE name = 'counters.bump'").await;
    let harness = harness.start_again_with([counters(), audit()]).await.unwrap();
    harness.settle().await;
    harness.until_parked("counters.bump", 0, 0, 0).await;
    assert_eq!(total(&harness).await, Some(4));
}
