//! Handlers that use sqlx.

use sqlx::Sqlite;
use tidings::{BuildError, Command, Ctx, Module, Outcome};

use crate::app::{Bump, BumpTyped, Then, Total, WriteInQuery, audit, counters};
use crate::support::{Harness, build, config, new_schema, url};

fn typed(counter: &str, by: i64, then: Then) -> BumpTyped {
    BumpTyped { counter: counter.to_owned(), by, then }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn portable_and_typed_handlers_live_in_one_application() {
    let harness = Harness::with([counters(), audit()]).await;
    assert_eq!(harness.app.send(Bump { counter: "a".to_owned(), by: 2 }).await.unwrap(), 2);
    assert_eq!(harness.app.send(typed("a", 3, Then::Nothing)).await.unwrap(), 5);
    let error = harness.app.send(typed("a", -1, Then::Nothing)).await.unwrap_err();
    assert!(error.rejection().is_some(), "{error}");
    assert_eq!(harness.app.ask(Total { counter: "a".to_owned() }).await.unwrap(), Some(5));
    harness.until_noted("a", &["bumped to 2", "bumped to 5"]).await;

    harness.app.send(typed("job-a", 1, Then::Nothing)).await.unwrap();
    harness.until_noted("job-a", &["bumped to 1", "counted"]).await;

    let error = harness.app.ask(WriteInQuery {}).await.unwrap_err();
    assert!(tidings::chain(&error).contains("read-only"), "{}", tidings::chain(&error));
    harness.end().await;
}

/// PostgreSQL answers COMMIT with a rollback and no error when a statement has failed before. A command that was told to
/// have been carried out would be lost.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_failure_that_a_handler_swallows_is_noticed() {
    let harness = Harness::with([counters(), audit()]).await;
    for then in [Then::SwallowAnError, Then::SwallowOnConnection, Then::StopReading] {
        let what = format!("{then:?}");
        let error = harness.app.send(typed("lost", 1, then)).await.unwrap_err();
        let told = tidings::chain(&error);
        // What was not read to its end fails the statement after it.
        assert!(told.contains("transaction") || told.contains("division by zero"), "{what}: {told}");
        assert_eq!(harness.app.ask(Total { counter: "lost".to_owned() }).await.unwrap(), None, "{what}");
    }
    assert_eq!(harness.app.send(typed("mended", 1, Then::MendAnError)).await.unwrap(), 1);
    harness.until_noted("mended", &["bumped to 1"]).await;
    harness.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_handler_that_commits_by_itself_is_noticed() {
    let harness = Harness::with([counters(), audit()]).await;
    let error = harness.app.send(typed("own", 1, Then::Commit)).await.unwrap_err();
    let told = tidings::chain(&error);
    assert!(told.contains("module `counters`: `COMMIT` is refused"), "{told}");
    assert_eq!(harness.app.ask(Total { counter: "own".to_owned() }).await.unwrap(), None);
    let error = harness.app.send(typed("own", 1, Then::CommitOnConnection)).await.unwrap_err();
    let told = tidings::chain(&error);
    assert!(told.contains("failed or ended it"), "{told}");
    harness.end().await;
}

#[derive(Debug, serde::Serialize, serde::Deserialize, Command)]
#[command("other.do")]
struct Do {}

async fn on_sqlite(_ctx: &mut Ctx<Sqlite>, _cmd: Do) -> Outcome<()> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn handlers_of_another_database_are_named() {
    let refused = build([Module::new("other").command(on_sqlite)], config(&new_schema())).await;
    let Err(BuildError::Contradictions(found)) = refused else { panic!("it must not start") };
    let told = found.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "command `other.do` takes a context of `sqlx::Sqlite`, which the store `sqlite` has, but the store is `postgres`"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn no_password_is_told() {
    let mut wrong = config(&new_schema());
    let host = url().split_once("://").unwrap().1.rsplit('@').next().unwrap().to_owned();
    for (url, told) in [
        (format!("postgres://nobody:s3cret@{host}"), "nobody"),
        ("postgres://u:s3cret@127.0.0.1:1/d".to_owned(), "PostgreSQL"),
        ("postgres://u:s3cret@127.0.0.1:notaport/d".to_owned(), ""),
    ] {
        wrong.store.url = url.as_str().into();
        let error = build([counters()], wrong.clone()).await.err().expect("nobody is there");
        let shown = format!("{error:?} {error} {wrong:?}");
        assert!(!shown.contains("s3cret") && shown.contains(told), "{shown}");
    }
}
