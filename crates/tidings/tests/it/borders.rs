//! What an application refuses to start with, or to do.

use std::sync::Arc;

use tidings::store::{Migration, Store};
use tidings::{App, BuildError, Command, Ctx, Module, Outcome, Reads, Result, sql};

use crate::app::contracts::{self, audit::Noted, counters::Bumped};
use tidings_sqlite::{SqliteConfig, SqliteStore};

use crate::app::{
    Bump, SomeBumped, audit, audit_tables, bump, counters, do_bump, note_bumped, notes, reset_and,
};
use crate::support::{Harness, alter, config};
use crate::telling::{listen, told};

async fn contradictions(modules: impl IntoIterator<Item = Module>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let built = App::builder().modules(modules).config(config(&dir)).build().await;
    let error = built.err().expect("the application must not start");
    assert!(matches!(error, BuildError::Contradictions(_)), "{error}");
    assert!(!crate::support::path(&dir).exists(), "a contradiction is found before anything is opened");
    error.to_string()
}

#[derive(Reads)]
#[reads("audit.noted", versions = "1", schemas = "tests/it/schemas")]
struct SomeNoted {
    #[allow(dead_code, reason = "only its declaration matters")]
    text: String,
}

async fn on_noted(_ctx: &mut Ctx, _event: SomeNoted) -> Result<()> {
    Ok(())
}

/// A reader of a version that a newer one breaks; written by hand, since the derive would not let it through.
struct OldReader;

impl Reads for OldReader {
    const EVENT: &'static str = "counters.bumped";
    const VERSIONS: &'static [u32] = &[7];
    const FIELDS: &'static [&'static str] = &["amount"];

    fn decode(json: &str) -> std::result::Result<Self, serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            #[allow(dead_code, reason = "only its presence matters")]
            amount: i64,
        }
        serde_json::from_str::<Fields>(json).map(|_| Self)
    }
}

async fn on_old(_ctx: &mut Ctx, _event: OldReader) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn contradictions_are_told() {
    let other = || Module::new("other");
    let cases = [
        (vec![counters(), counters()], "module `counters` is registered twice"),
        (vec![audit().on("note", note_bumped)], "listener `audit.note` is registered twice"),
        (vec![counters().command(do_bump)], "command `counters.bump` is registered twice"),
        (vec![other().command(do_bump)], "module `other` registers command `counters.bump`"),
        (
            vec![counters(), other().owns::<Bumped>()],
            "event `counters.bumped` is owned by both `counters` and `other`",
        ),
        (vec![other().owns::<Noted>()], "its contract says `x-owner: audit`"),
        (
            vec![counters(), other().tables(["Counters"])],
            "table `Counters` is owned by both `counters` and `other`",
        ),
        (
            vec![other().on("x", on_noted)],
            "listener `other.x` reads `audit.noted`, which no module here owns",
        ),
        (vec![counters(), other().on("x", on_old)], "missing field `amount`"),
        (vec![other().tables(["main.sales"])], "module `other` declares table `main.sales`"),
        (vec![other().tables(["\"sales\""])], "without quotes"),
        (
            vec![counters(), other().on("x", (note_bumped, note_bumped))],
            "has two handlers for `counters.bumped`",
        ),
        (vec![other().sends::<Bump>()], "which no module handles"),
        (vec![counters(), other().sends::<Bump>()], "between contexts only events travel"),
        (vec![Module::new("Other One")], "module `Other One`: names are lower-case"),
        (vec![counters(), audit().retired("note", "x")], "`audit.note` is declared retired, but a handler"),
        (vec![counters().renamed("bump", "reset-all")], "`counters.bump` is declared renamed, but a handler"),
        (vec![other().renamed("a", "b")], "`other.a` is declared renamed to `other.b`, but no handler"),
        (vec![other().renamed("a", "b").renamed("b", "a")], "`other.b` is declared renamed to `other.a`"),
        (
            vec![counters().renamed("a", "bump").renamed("a", "reset-all")],
            "renamed to both `counters.bump` and `counters.reset-all`",
        ),
        (vec![counters().renamed("a", "bump").retired("a", "x")], "renamed to `counters.bump` and retired"),
        (vec![other().retired("gone", " ")], "`other.gone` is declared retired without a reason"),
    ];
    for (modules, expected) in cases {
        let error = contradictions(modules).await;
        assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
    }
}

#[derive(Debug, Command, serde::Serialize, serde::Deserialize)]
#[command("other.try")]
struct Try {
    what: String,
}

async fn try_it(ctx: &mut Ctx, cmd: Try) -> Outcome<()> {
    match cmd.what.as_str() {
        "publish" => {
            ctx.publish(Bumped { counter: "a".into(), total: 1, owner: None }).await?;
        }
        "publish what is not here" => {
            ctx.publish(Noted { text: String::new() }).await?;
        }
        "send" => {
            ctx.send(bump("a", 1)).await?;
        }
        statement => {
            sql(statement).execute(ctx.tx()).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_keeps_to_what_is_its_own() {
    let other = Module::new("other").command(try_it).tables(["own"]).migrations(&[Migration {
        version: 1,
        name: "own",
        sql: "CREATE TABLE own (n BIGINT)",
    }]);
    let harness = Harness::with([counters(), audit(), other]).await;
    let cases = [
        ("publish", "module `other` may not publish `counters.bumped` v1: it is owned by module `counters`"),
        ("send", "module `other` may not send command `counters.bump`"),
        ("DELETE FROM counters", "module `other` may not touch table `counters`"),
        ("INSERT INTO own SELECT total FROM counters", "module `other` may not touch table `counters`"),
        ("DELETE FROM tidings_log", "module `other` may not touch table `tidings_log`"),
        ("CREATE TABLE mine (n BIGINT)", "module `other` may not touch"),
    ];
    for (what, expected) in cases {
        let error = harness.app.send(Try { what: what.to_owned() }).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains(expected), "expected: {expected}\nfound: {cause}");
    }
    harness.app.send(Try { what: "INSERT INTO own VALUES (1)".to_owned() }).await.unwrap();
}

async fn trespass(ctx: &mut Ctx, event: crate::app::SomeBumped) -> Result<()> {
    sql("UPDATE counters SET total = $1").bind(event.total).execute(ctx.tx()).await?;
    Ok(())
}

static CALLED: std::sync::OnceLock<App> = std::sync::OnceLock::new();

async fn call_back(_ctx: &mut Ctx, event: crate::app::SomeBumped) -> Result<()> {
    let Some(app) = CALLED.get() else { return Err(tidings::Error::failed("it comes too early")) };
    app.send(bump("b", event.total)).await?;
    Ok(())
}

/// It would do the same at the next attempt, and at every one.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_crosses_a_border_is_not_tried_again() {
    let other = Module::new("other").on("trespass", trespass).on("call-back", call_back);
    let harness = Harness::with([counters(), other]).await;
    CALLED.set(harness.app.clone()).ok().unwrap();
    harness.app.send(bump("a", 1)).await.unwrap();
    harness.until_parked("other.trespass", 0, 0, 1).await;
    harness.until_parked("other.call-back", 0, 0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_an_event_is_named_even_if_it_runs_elsewhere() {
    let harness = Harness::with([Module::new("other").command(try_it)]).await;
    let error = harness.app.send(Try { what: "publish what is not here".to_owned() }).await.unwrap_err();
    let chain = tidings::chain(&error);
    assert!(chain.contains("its contract says that module `audit` owns it"), "{chain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_a_transaction_has_a_size_too() {
    let harness = Harness::start().await;
    let large = bump(&"x".repeat(300_000), 1);
    let error = harness.app.send(reset_and(large)).await.unwrap_err();
    let chain = tidings::chain(&error);
    assert!(
        chain.contains("command `counters.bump` has") && chain.contains("commands.body_bytes_max"),
        "{chain}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn orphaned_work_is_not_stranded() {
    let harness = Harness::start().await;
    harness.app.send(bump("garbage-orphan", 1)).await.unwrap();
    harness.until_parked("audit.note", 0, 0, 1).await;
    let (dir, clock) = (harness.dir.clone(), harness.clock.clone());
    let refused = harness.restart_with([counters(), audit_tables()]).await.err().expect("must not start");
    assert!(
        refused.to_string().contains("listener `audit.note`: 0 messages not read, 1 parked or dead"),
        "{refused}"
    );

    let renamed = audit_tables().on("write-down", (note_bumped,)).renamed("note", "write-down");
    let app = crate::support::build(&dir, &clock, [counters(), renamed], config(&dir)).await.unwrap();
    let harness = Harness { app, clock: clock.clone(), dir: dir.clone() };
    assert_eq!(harness.consumer("audit.write-down").await.dead, 1, "the alias keeps what is parked");
    harness.app.send(bump("under a new name", 1)).await.unwrap();
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "under a new name").await, ["bumped to 1"]);

    let retired = audit_tables().retired("write-down", "nobody reads the book");
    let harness = harness.restart_with([counters(), retired]).await.unwrap();
    assert_eq!(harness.consumer("audit.write-down").await.retired.as_deref(), Some("nobody reads the book"));
}

#[derive(Debug, Command, serde::Serialize, serde::Deserialize)]
#[command("other.rest")]
struct Rest {}

async fn rest(_ctx: &mut Ctx, _cmd: Rest) -> Outcome<()> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_without_work_is_named() {
    listen();
    let harness = Harness::with([Module::new("other").command(rest)]).await;
    harness.restart_with([Module::new("other")]).await.unwrap();
    let warned =
        told(|line| line.contains("WARN") && line.contains("command handler `other.rest` has no handler"));
    assert_eq!(warned, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_gives_nothing_up() {
    let harness = Harness::start().await;
    harness.app.send(bump("garbage-kept", 1)).await.unwrap();
    harness.until_parked("audit.note", 0, 0, 1).await;
    harness.app.send(reset_and(bump("silent", 0))).await.unwrap();
    harness.settle().await;
    harness.app.shutdown().await.unwrap();
    alter(&harness.path(), "UPDATE tidings_consumers SET cursor = 0 WHERE name = 'counters.bump'").await;

    let retired = audit_tables().retired("note", "nobody reads the book");
    let (dir, clock) = (harness.dir.clone(), harness.clock.clone());
    let refused = harness.start_again_with([retired]).await.err().expect("must not start");
    assert!(refused.to_string().contains("command handler `counters.bump`"), "{refused}");
    let app = crate::support::build(&dir, &clock, [counters(), audit()], config(&dir)).await.unwrap();
    let harness = Harness { app, clock, dir };
    assert_eq!(harness.consumer("audit.note").await.dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_not_taken_over_is_an_orphan() {
    let harness = Harness::start().await;
    let both = audit().on("write-down", note_bumped);
    let harness = harness.restart_with([counters(), both]).await.unwrap();
    harness.app.send(bump("garbage-stranded", 1)).await.unwrap();
    harness.until_parked("audit.note", 0, 0, 1).await;
    let renamed = audit_tables().on("write-down", note_bumped).renamed("note", "write-down");
    let refused = harness.restart_with([counters(), renamed]).await.err().expect("must not start");
    assert!(refused.to_string().contains("listener `audit.note`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_given_stays_open_when_the_start_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = crate::support::path(&dir);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path)).await.unwrap());
    let broken = Module::new("broken").migrations(&[Migration { version: 1, name: "no", sql: "no SQL" }]);
    let built = App::builder().module(broken).config(config(&dir)).store(store.clone()).build().await;
    assert!(built.is_err());
    store.consumers().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_can_be_allowed() {
    let harness = Harness::start().await;
    harness.app.send(bump("garbage-allowed", 1)).await.unwrap();
    harness.until_parked("audit.note", 0, 0, 1).await;
    harness.app.shutdown().await.unwrap();
    let mut config = config(&harness.dir);
    config.start.allow_orphans = true;
    let modules = [counters(), audit_tables()];
    let app = crate::support::build(&harness.dir, &harness.clock, modules, config).await.unwrap();
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_runtime_on_the_file_names_the_holder() {
    let harness = Harness::start().await;
    let second = App::builder().modules([counters()]).config(config(&harness.dir)).build().await;
    let error = second.err().expect("must not start");
    let text = tidings_core::error::chain(&error);
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    harness.app.send(bump("a", 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_complete() {
    let harness = Harness::start().await;
    let manifest = serde_json::to_value(harness.app.manifest()).unwrap();
    let expected = serde_json::json!({
        "module": "audit", "context": "audit",
        "publishes": [{ "event": "audit.noted", "version": 1 }],
        "consumes": [
            { "event": "counters.bumped", "versions": [1], "fields": ["counter", "total"], "handler": "note" },
            { "event": "counters.reset", "versions": [1], "fields": ["counter"], "handler": "note" }
        ],
        "commands": [], "sends": [], "queries": [], "jobs": [], "crons": [], "tables": ["notes"]
    });
    assert_eq!(manifest["modules"][1], expected);
    assert_eq!(
        manifest["modules"][0]["commands"],
        serde_json::json!(["counters.bump", "counters.reset-all"])
    );
    let _ = (contracts::CONTRACTS, SomeBumped { counter: String::new(), total: 0 });
}
