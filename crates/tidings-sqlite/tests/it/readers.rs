//! Who reads where, and what happens when readers are held.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_core::envelope::Cursor;
use tidings_core::store::{IdempotencyScope, Inspect, Limits, Store, StoreError};
use tokio::task::JoinHandle;

use crate::support::*;

fn short() -> Limits {
    Limits { budget: Duration::from_millis(20), wait: None }
}

/// Queries that hold their threads, as many as there are, until the senders say so.
async fn hold_readers(temp: &Temp, count: usize) -> Vec<(Sender<()>, JoinHandle<Result<(), StoreError>>)> {
    let mut held = Vec::new();
    for _ in 0..count {
        let (go_on, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let reached = Arc::new(tokio::sync::Notify::new());
        let its_reached = reached.clone();
        let query = work("long query", move |_| {
            let (blocked, reached) = (blocked.clone(), its_reached.clone());
            Box::pin(async move {
                reached.notify_one();
                blocked.lock().unwrap().recv().unwrap();
                Ok(())
            })
        });
        let store = temp.store.clone();
        held.push((go_on, tokio::spawn(async move { store.read(query, short()).await })));
        reached.notified().await;
    }
    held
}

#[tokio::test]
async fn queries_that_hold_every_reader_stop_no_consumer() {
    let temp = open_with(|config| config.block_grace = Duration::from_millis(20)).await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    temp.run(append_work("x")).await.unwrap();
    let held = hold_readers(&temp, 2).await;
    let patience = Duration::from_secs(20);
    let questions = async {
        let from = Cursor("0".to_owned());
        assert_eq!(temp.store.read_after(&from, &filter("x"), 10).await.unwrap().messages.len(), 1);
        assert!(temp.store.due("shop.l", 0, NOW, 10).await.unwrap().is_empty());
        assert!(temp.store.parked_keys("shop.l", 0).await.unwrap().keys.is_empty());
        let scope = IdempotencyScope { caller: "c".to_owned(), command: "c".into(), key: "k".to_owned() };
        assert_eq!(temp.store.outcome(&scope, NOW).await.unwrap(), None);
    };
    tokio::time::timeout(patience, questions).await.expect("the runtime's questions are answered");

    // Who asks now is told by whom the readers are held, as writers are.
    let refused = async {
        loop {
            let probe = Limits { wait: Some(Duration::from_millis(5)), ..Limits::default() };
            match temp.store.read(sql_work("probe", "SELECT 1"), probe).await {
                Err(StoreError::Blocked { work, .. }) => return work,
                Err(StoreError::Timeout { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(patience, refused).await.unwrap(), "long query");
    assert!(matches!(temp.store.counts().await, Err(StoreError::Blocked { .. })));
    for (go_on, query) in held {
        go_on.send(()).unwrap();
        assert!(matches!(query.await.unwrap(), Err(StoreError::Budget { .. })));
    }
    temp.store.read(sql_work("after", "SELECT 1"), Limits::default()).await.unwrap();
}

#[tokio::test]
async fn one_free_reader_is_enough() {
    let temp = open().await;
    let held = hold_readers(&temp, 1).await;
    temp.store.read(sql_work("query", "SELECT 1"), Limits::default()).await.unwrap();
    for (go_on, query) in held {
        go_on.send(()).unwrap();
        // Over its budget or not: it was let go as soon as the other query had its answer.
        drop(query.await.unwrap());
    }
}
