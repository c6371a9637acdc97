//! Everything a database holds, compared with what it held before.

use tidings_core::store::StoreError;
use tidings_sqlite::{Changed, ContentsReader};

use crate::support::*;

fn insert(sql: &'static str, keep: bool) -> std::sync::Arc<dyn tidings_core::store::Work> {
    work("insert", move |tx| {
        Box::pin(async move {
            tx.execute(SHOP, sql, &[]).await?;
            if keep { Ok(()) } else { Err(StoreError::Undone) }
        })
    })
}

#[tokio::test]
async fn whatever_was_committed_is_told_and_nothing_else() {
    let temp = open().await;
    temp.table("CREATE TABLE \"odd \"\" name\" (a INTEGER, b TEXT, c BLOB, d REAL) STRICT").await;
    let mut reader = ContentsReader::open(&temp.folder.path().join("shop.db")).unwrap();
    let empty = reader.read(&[]).unwrap();
    assert!(!reader.has_changed().unwrap());
    let row = "INSERT INTO \"odd \"\" name\" VALUES (1, 'it''s', x'00ff', 1.0), (NULL, NULL, NULL, NULL)";
    assert!(temp.run(insert(row, false)).await.is_err());
    assert!(!reader.has_changed().unwrap(), "it was rolled back");
    assert_eq!(reader.read(&[]).unwrap(), empty);
    temp.run(insert(row, true)).await.unwrap();
    assert!(reader.has_changed().unwrap());
    assert!(!reader.has_changed().unwrap(), "told once");
    let full = reader.read(&[]).unwrap();
    let table = "odd \" name".to_owned();
    let rows = ["a: 1, b: 'it''s', c: x'00ff', d: 1.0", "a: NULL, b: NULL, c: NULL, d: NULL"];
    // As it is, and not as a statement would spell it.
    let rows = rows.map(|row| row.replace("''", "'")).to_vec();
    assert_eq!(
        empty.changed(&full),
        [Changed { table: table.clone(), removed: Vec::new(), added: rows.clone() }]
    );
    assert_eq!(full.changed(&empty), [Changed { table, removed: rows, added: Vec::new() }]);
    assert_eq!(reader.read(&["odd \" name"]).unwrap(), {
        // The table that was skipped is as one that is not there.
        temp.outside().execute_batch("DROP TABLE \"odd \"\" name\"").unwrap();
        reader.read(&[]).unwrap()
    });
}
