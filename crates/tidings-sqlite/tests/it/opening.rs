//! Opening, closing, and what can be wrong with a file.

use std::fs;

use tidings_core::error::chain;
use tidings_core::store::{Inspect, Limits, Store, StoreError};
use tidings_sqlite::{SqliteConfig, SqliteStore};

use crate::support::*;

async fn open_error(config: SqliteConfig) -> StoreError {
    match SqliteStore::open(config).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_error(SqliteConfig::new(folder.path().join("no/such/shop.db"))).await;
    let text = chain(&error);
    assert!(text.contains("no/such") && text.contains("create it first"), "{text}");
}

#[tokio::test]
async fn a_second_runtime_is_told_who_holds_the_file() {
    let temp = open().await;
    let error = open_error(config(&temp.folder)).await;
    let StoreError::Held { path, holder } = &error else { panic!("{error:?}") };
    assert!(path.ends_with("shop.db"), "{path:?}");
    assert!(holder.contains(&format!("process {}, since 2", std::process::id())), "{holder}");
    temp.store.close().await.unwrap();
    SqliteStore::open(config(&temp.folder)).await.unwrap();
}

#[tokio::test]
async fn garbage_is_called_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.db"), [7; 8_192]).unwrap();
    let error = open_error(config(&folder)).await;
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains("shop.db")), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_is_called_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    SqliteStore::open(config(&folder)).await.unwrap().close().await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        return; // Permissions mean nothing to the superuser.
    }
    let error = open_error(config(&folder)).await;
    assert!(matches!(&error, StoreError::ReadOnly { what, .. } if what.contains("shop.db")), "{error:?}");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let temp = open().await;
    temp.store.close().await.unwrap();
    let sql = "INSERT INTO tidings_migrations VALUES ('tidings', 99, 'future', x'00', 0)";
    temp.outside().execute(sql, []).unwrap();
    let error = open_error(config(&temp.folder)).await;
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 2 }), "{error:?}");
}

/// A file from before there were jobs.
#[tokio::test]
async fn an_older_schema_is_moved_on() {
    let folder = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
    old.execute_batch(include_str!("../../migrations/0001_log.sql")).unwrap();
    old.execute("INSERT INTO tidings_migrations VALUES ('tidings', 1, 'log', x'00', 0)", []).unwrap();
    drop(old);
    let store = SqliteStore::open(config(&folder)).await.unwrap();
    assert!(store.queues().await.unwrap().is_empty(), "there are tables for jobs");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_log_whose_newest_rows_were_removed_is_refused() {
    let temp = open().await;
    temp.run(append_work("a")).await.unwrap();
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    temp.store.close().await.unwrap();
    temp.outside().execute("DELETE FROM tidings_log", []).unwrap();
    let error = open_error(config(&temp.folder)).await;
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(tidings_core::error::chain(&error).contains("`shop.l` has come to message 1"), "{error}");
}

#[tokio::test]
async fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop.db")).unwrap();
    let error = open_error(config(&folder)).await;
    assert!(tidings_core::error::chain(&error).contains("it is a folder"), "{error}");
}

#[tokio::test]
async fn a_holder_learns_whether_the_last_runtime_ended_in_order() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    assert!(!hold(&temp.store, "shop.l").await.unwrap().unclean);
    temp.store.close().await.unwrap();
    let store = SqliteStore::open(config(&temp.folder)).await.unwrap();
    assert!(!hold(&store, "shop.l").await.unwrap().unclean);
    drop(store);
    let store = SqliteStore::open(config(&temp.folder)).await.unwrap();
    assert!(hold(&store, "shop.l").await.unwrap().unclean, "it was dropped, not closed");
    store.close().await.unwrap();
    let store = SqliteStore::open(config(&temp.folder)).await.unwrap();
    assert!(!hold(&store, "shop.l").await.unwrap().unclean);
}

#[tokio::test]
async fn closing_lets_work_finish_and_refuses_more() {
    let temp = open().await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    let gate = Gate::shut(&temp).await;
    let waiting = spawn(&temp, sql_work("waiting", "INSERT INTO stock VALUES ('a')"));
    tokio::task::yield_now().await;
    let store = temp.store.clone();
    let closing = tokio::spawn(async move { store.close().await });
    until("it is closed to new work", || {
        futures_util::FutureExt::now_or_never(temp.store.transact(append_work("x"), Limits::default()))
            .is_some_and(|refused| matches!(refused, Err(StoreError::Closed)))
    })
    .await;
    gate.open();
    waiting.await.unwrap().unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 1);
    temp.store.close().await.unwrap();
    let read = temp.store.read_after(&tidings_core::envelope::Cursor("0".into()), &filter("x"), 1).await;
    assert!(matches!(read, Err(StoreError::Closed)));
}

#[tokio::test]
async fn the_file_is_in_wal_mode_and_commits_are_full() {
    let temp = open().await;
    assert_eq!(
        temp.outside().query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap(),
        "wal"
    );
    let full = work("pragma", |tx| {
        Box::pin(async move {
            let rows = tx.fetch(SHOP, "SELECT synchronous FROM pragma_synchronous", &[]).await?;
            assert_eq!(rows[0].at::<i64>(0).unwrap(), 2);
            Ok(())
        })
    });
    temp.run(full).await.unwrap();
}

/// A start that fails after opening has looked into nothing: what may have killed the process before is still unknown.
#[tokio::test]
async fn a_start_that_held_no_consumer_keeps_the_mark_of_an_unclean_end() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    let Temp { store, folder } = temp;
    drop(store);
    let started = SqliteStore::open(config(&folder)).await.unwrap();
    started.close().await.unwrap();
    let again = SqliteStore::open(config(&folder)).await.unwrap();
    assert!(hold(&again, "shop.l").await.unwrap().unclean, "the mark was erased");
    again.close().await.unwrap();
    let after = SqliteStore::open(config(&folder)).await.unwrap();
    assert!(!hold(&after, "shop.l").await.unwrap().unclean, "a clean end in between erases it");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_locked_whatever_link_leads_to_it() {
    let temp = open().await;
    let link = temp.folder.path().join("link.db");
    std::os::unix::fs::symlink(temp.folder.path().join("shop.db"), &link).unwrap();
    let error = open_error(SqliteConfig::new(&link)).await;
    assert!(matches!(error, StoreError::Held { .. }), "{error:?}");
    temp.store.close().await.unwrap();
    let through = SqliteStore::open(SqliteConfig::new(&link)).await.unwrap();
    let error = open_error(config(&temp.folder)).await;
    assert!(matches!(error, StoreError::Held { .. }), "{error:?}");
    through.close().await.unwrap();
    fs::remove_file(temp.folder.path().join("shop.db")).unwrap();
    let text = chain(&open_error(SqliteConfig::new(&link)).await);
    assert!(text.contains("link to nothing"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_with_two_names_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStore::open(config(&folder)).await.unwrap().close().await.unwrap();
    fs::hard_link(folder.path().join("shop.db"), folder.path().join("other.db")).unwrap();
    let text = chain(&open_error(config(&folder)).await);
    assert!(text.contains("2 names") && text.contains("-wal"), "{text}");
    fs::remove_file(folder.path().join("other.db")).unwrap();
    SqliteStore::open(config(&folder)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_system_without_a_write_ahead_log_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // This VFS of SQLite's has no shared memory.
    let error = open_error(SqliteConfig { vfs: Some("unix-none".to_owned()), ..config(&folder) }).await;
    assert!(chain(&error).contains("no write-ahead log"), "{}", chain(&error));
}
