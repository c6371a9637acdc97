//! Reads against a snapshot.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidings_core::store::{Limits, Store, StoreError, TableScope, Tx, Work};
use tidings_core::value::Value;

use super::tables::make_account;
use crate::factory::StoreFactory;
use crate::script::{Gate, MODULE, Op, Script, query, run};

const COUNT: &str = "SELECT count(*) AS entries FROM suite_account";
const INSERT: &str = "INSERT INTO suite_account (id, note) VALUES ($1, $2)";

fn insert(id: i64) -> Op {
    Op::Execute(INSERT, vec![id.into(), "x".into()])
}

/// Counts, lets others write, and counts again.
struct CountTwice {
    between: Gate,
    counts: Mutex<Vec<i64>>,
}

#[async_trait]
impl Work for CountTwice {
    fn name(&self) -> String {
        "count twice".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        for round in 0..2 {
            match tx.fetch(TableScope { module: MODULE }, COUNT, &[]).await {
                Ok(rows) => {
                    let count = rows[0].get("entries").expect("a count is a number");
                    self.counts.lock().unwrap_or_else(PoisonError::into_inner).push(count);
                }
                Err(error) => return (tx, Err(error)),
            }
            if round == 0 {
                self.between.wait_here().await;
            }
        }
        (tx, Ok(()))
    }
}

/// What is committed while a read runs, the read does not see; the next one does.
pub async fn a_read_sees_one_snapshot(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    run(store.as_ref(), [insert(1)]).await.expect("an insert commits");
    let reader = Arc::new(CountTwice { between: Gate::new(), counts: Mutex::default() });
    let reading = tokio::spawn({
        let (store, reader) = (store.clone(), reader.clone());
        async move { store.read(reader, Limits::default()).await }
    });
    reader.between.reached().await;
    run(store.as_ref(), [insert(2)]).await.expect("a write commits while a read runs");
    reader.between.open();
    reading.await.expect("the reader ends").expect("a read succeeds");
    let counts = reader.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(counts, [1, 1], "a read sees one snapshot");
    assert_eq!(entries(store.as_ref()).await, 2, "the next read sees the commit");
}

/// No statement of a read writes, whether it is refused or undone; the store goes on as before.
pub async fn a_read_cannot_write(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let attempts = [
        insert(1),
        Op::Execute("CREATE TABLE suite_other (id BIGINT)", Vec::new()),
        Op::Execute("UPDATE suite_account SET note = $1", vec![Value::from("y")]),
        Op::Append(vec![super::support::event("orders.placed", "1")]),
    ];
    for attempt in attempts {
        let refused =
            store.read(Arc::new(Script::named("a writing read", [attempt])), Limits::default()).await;
        assert!(refused.is_err(), "a read cannot write");
    }
    assert_eq!(entries(store.as_ref()).await, 0, "a read has written nothing");
    let log = super::support::everything(store.as_ref(), &["orders.placed"]).await;
    assert!(log.is_empty(), "a read has published nothing");
    run(store.as_ref(), [insert(1)]).await.expect("the store goes on");
}

async fn entries(store: &dyn Store) -> i64 {
    query(store, COUNT).await.expect("a count is read")[0].get("entries").expect("a count is a number")
}
