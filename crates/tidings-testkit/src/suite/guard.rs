//! Who may touch which table, on stores that can tell.

use tidings_core::store::{Migration, StoreError};

use super::support::at;
use super::tables::make_account;
use crate::factory::StoreFactory;
use crate::script::{MODULE, Op, query, run};

/// A module touches the tables it owns; another's are refused with both names, and nothing of that work is written.
pub async fn a_module_touches_only_its_own_tables(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let stock =
        Migration { version: 1, name: "stock", sql: "CREATE TABLE suite_stock (id BIGINT PRIMARY KEY)" };
    make_account(store.as_ref()).await;
    store.migrate("inventory", &[stock], at(0)).await.expect("a migration is applied");
    store.own_tables(&[
        (MODULE.to_owned(), vec!["suite_account".to_owned()]),
        ("inventory".to_owned(), vec!["suite_stock".to_owned()]),
    ]);
    let insert = "INSERT INTO suite_account (id, note) VALUES ($1, $2)";
    let own = || Op::Execute(insert, vec![1_i64.into(), "own".into()]);
    let foreign = [
        "INSERT INTO suite_stock (id) VALUES (1)",
        "UPDATE suite_stock SET id = 2",
        "DELETE FROM suite_stock",
        "INSERT INTO suite_account (id, note) SELECT id, 'stolen' FROM suite_stock",
        "UPDATE suite_account SET note = 'x' WHERE id IN (SELECT id FROM SUITE_STOCK)",
        "DELETE FROM \"suite_stock\" WHERE id = 1",
    ];
    for sql in foreign {
        let refused = run(store.as_ref(), [own(), Op::Execute(sql, Vec::new())]).await;
        assert!(
            matches!(&refused, Err(StoreError::ForeignTable { module, table, .. })
                if module == MODULE && table.eq_ignore_ascii_case("suite_stock")),
            "another module's table is refused by name: `{sql}`: {refused:?}"
        );
    }
    let read = query(store.as_ref(), "SELECT id FROM suite_stock").await;
    assert!(matches!(read, Err(StoreError::ForeignTable { .. })), "nor may it be read: {read:?}");
    let rows = query(store.as_ref(), "SELECT id FROM suite_account").await.expect("its own table is read");
    assert!(rows.is_empty(), "a refused work writes nothing");
    run(store.as_ref(), [own()]).await.expect("its own table may be written");
    let log = run(store.as_ref(), [Op::Execute("DELETE FROM tidings_log", Vec::new())]).await;
    assert!(log.is_err(), "the log's tables are nobody's");
}
