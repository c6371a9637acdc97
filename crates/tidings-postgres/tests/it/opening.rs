//! What keeps a store from opening, and what it says then.

use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Inspect as _, Store as _, StoreError};
use tidings_postgres::{PostgresConfig, PostgresStore, migrate, status};
use tidings_testkit::script::query;

use crate::support::*;

async fn refused(config: PostgresConfig) -> (StoreError, String) {
    let error = PostgresStore::open(config).await.err().expect("it does not open");
    let text = told(&error);
    assert!(!text.contains("s3cret"), "no error shows the password: {text}");
    (error, text)
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "it says `{word}`: {text}");
    }
}

#[tokio::test]
async fn a_url_that_does_not_parse_is_told_without_being_shown() {
    for url in ["postgres://tidings:s3cret@host:port/db", "postgres://tidings:s3cret#1@host/db", "not a url"]
    {
        let (error, text) = refused(PostgresConfig::new(url)).await;
        assert!(matches!(error, StoreError::Unusable { .. }), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let (_, text) = refused(PostgresConfig::new("postgres://tidings:s3cret@127.0.0.1:1/shop")).await;
    assert_says(&text, &["tidings@127.0.0.1:1/shop", "nobody listens there"]);
    // Somebody who listens and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://tidings:s3cret@{}/shop", silent.local_addr().expect("an address"));
    let config = PostgresConfig { acquire_timeout: Duration::from_millis(200), ..PostgresConfig::new(url) };
    let (_, text) = refused(config).await;
    assert_says(&text, &["has not answered within 200ms"]);
}

/// A program without the feature `tls` goes nowhere in the clear where encryption is asked for.
#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn encryption_that_was_not_built_in_is_told() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let url = format!("postgres://tidings:s3cret@{address}/shop?sslmode=verify-full");
    let (_, text) = refused(PostgresConfig::new(url)).await;
    assert_says(&text, &["built without encrypted connections", "feature `tls`"]);
}

/// Whatever a server says when it lets nobody in, the remedy is told.
#[tokio::test]
async fn why_a_server_lets_nobody_in_is_told_with_the_remedy() {
    for (code, words) in [
        ("28P01", ["password of role `tidings` is wrong", "PGPASSWORD"]),
        ("28000", ["may not log in from here", "pg_hba.conf"]),
        ("3D000", ["does not exist", "createdb"]),
        ("42501", ["may not connect", "GRANT CONNECT"]),
        ("53300", ["no connection left", "connections_max"]),
        ("57P03", ["starting up", "in a moment"]),
        ("XX000", ["did not accept", "the server says no"]),
    ] {
        let address = crate::impostor::refusing(code).await;
        let (error, text) =
            refused(PostgresConfig::new(format!("postgres://tidings:s3cret@{address}/shop"))).await;
        assert!(matches!(error, StoreError::Unusable { .. }), "{text}");
        assert_says(&text, &words);
        assert_says(&text, &["the server says no", &format!("tidings@{address}/shop")]);
    }
    let address = crate::impostor::stranger().await;
    let (_, text) = refused(PostgresConfig::new(format!("postgres://tidings:s3cret@{address}/shop"))).await;
    assert_says(&text, &["check the port"]);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let Some(url) = url() else { return };
    let (before, _) = url.rsplit_once('/').expect("a database");
    let (_, text) = refused(PostgresConfig::new(format!("{before}/there_is_no_such_database"))).await;
    assert_says(&text, &["there_is_no_such_database", "createdb"]);
}

#[tokio::test]
async fn a_schema_that_is_newer_is_told_and_left_alone() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let store = open(&config).await;
    store.close().await.expect("a store closes");
    let newer = open(&config).await;
    let sql = "INSERT INTO tidings_migrations VALUES ('tidings', 999, 'of the future', '\\x00', 0)";
    tidings_testkit::script::run(newer.as_ref(), [execute(sql)]).await.expect("a row is written");
    let (error, text) = refused(config.clone()).await;
    assert!(matches!(error, StoreError::NewerSchema { found: 999, .. }), "{text}");
    assert!(matches!(migrate(&config).await, Err(StoreError::NewerSchema { .. })), "nor is it migrated");
    let told = status(&config).await.expect("the status of a newer schema is told");
    assert_eq!((told.version, told.missing.len()), (999, 0));
    newer.consumers().await.expect("who has it open goes on");
}

/// Nothing is made where it is not to be made; what is missing is named, and the command that makes it.
#[tokio::test]
async fn what_is_missing_is_told_where_it_may_not_be_made() {
    let Some(url) = url() else { return };
    let config = PostgresConfig { auto_migrate: false, ..fresh(&url) };
    let (error, text) = refused(config.clone()).await;
    assert!(matches!(error, StoreError::NotMigrated { found: 0, .. }), "{text}");
    let schema = config.schema.clone().expect("a schema");
    assert_says(&text, &[&schema, "tidings db migrate"]);
    let before = status(&config).await.expect("a status is told");
    assert_eq!((before.version, before.applied.len()), (0, 0));
    assert_eq!(
        before.missing.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        (1..=before.known).collect::<Vec<_>>()
    );

    let after = migrate(&config).await.expect("it is brought up to date");
    assert_eq!(after.version, after.known);
    assert!(after.missing.is_empty() && after.applied.iter().all(|one| one.module == "tidings"));
    assert_eq!(migrate(&config).await.expect("a second time changes nothing"), after);
    PostgresStore::open(config).await.expect("now it opens");
}

/// Many who find nothing at the same time make it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_that_start_at_once_make_the_tables_once() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let opening: Vec<_> = (0..8).map(|_| tokio::spawn(PostgresStore::open(config.clone()))).collect();
    for store in opening {
        store.await.expect("a task ends").expect("everybody opens");
    }
    let told = status(&config).await.expect("a status is told");
    assert_eq!(told.applied.len() as i64, told.known, "each migration is applied once");
}

#[tokio::test]
async fn a_strange_name_of_a_schema_is_no_obstacle() {
    let Some(url) = url() else { return };
    let schema = format!("It is \"odd\" \\ {}", MessageId::new().0.simple());
    let config = PostgresConfig { schema: Some(schema.clone()), ..fresh(&url) };
    let store = open(&config).await;
    let rows = query(store.as_ref(), "SELECT current_schema()::text AS name").await.expect("a query");
    assert_eq!(rows[0].get::<String>("name").as_deref(), Ok(schema.as_str()));
    open(&config).await.consumers().await.expect("its tables are found again");
}

/// Without prepared statements, without settings at the start: as behind a pooler. There the search path is the role's own.
#[tokio::test]
async fn behind_a_pooler_the_search_path_is_the_role_s_own() {
    let Some(url) = url() else { return };
    let config = PostgresConfig { behind_pooler: true, ..fresh(&url) };
    let (_, text) = refused(config.clone()).await;
    assert_says(&text, &["ALTER ROLE", "SET search_path"]);
    // The options of the URL stand for the role's settings here.
    let schema = config.schema.clone().expect("a schema");
    let admin = open(&fresh(&url)).await;
    let sql: &'static str = format!("CREATE SCHEMA {schema}").leak();
    tidings_testkit::script::run(admin.as_ref(), [execute(sql)]).await.expect("a schema is made");
    let sign = if url.contains('?') { '&' } else { '?' };
    let config =
        PostgresConfig { url: format!("{url}{sign}options=-c%20search_path%3D{schema}").into(), ..config };
    let store = open(&config).await;
    make_counter(&store).await;
    for _ in 0..3 {
        run_for(&store, [execute("UPDATE counter SET n = n + 1 WHERE id = 1")], Default::default())
            .await
            .expect("a work commits");
    }
    assert_eq!(counter(&store).await, 3);
}
