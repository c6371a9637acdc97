//! The modules' own tables: migrations and values.

use tidings_core::store::{Migration, Store, StoreError};
use tidings_core::value::Value;
use uuid::Uuid;

use super::support::at;
use crate::factory::StoreFactory;
use crate::script::{MODULE, Op, query, run};

const ACCOUNT: Migration = Migration {
    version: 1,
    name: "account",
    sql: "CREATE TABLE suite_account (id BIGINT PRIMARY KEY, note TEXT NOT NULL)",
};

/// The table that suites keep their account in.
pub(crate) async fn make_account(store: &dyn Store) {
    store.migrate(MODULE, &[ACCOUNT], at(0)).await.expect("a migration is applied");
}

/// Each migration is applied once, in the order of the numbers; new ones follow later.
pub async fn migrations_apply_once_and_in_order(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let second =
        Migration { version: 2, name: "amount", sql: "ALTER TABLE suite_account ADD COLUMN amount BIGINT" };
    let third = Migration {
        version: 10,
        name: "first entry",
        sql: "INSERT INTO suite_account (id, note, amount) VALUES (1, 'first', 5);\n\
              INSERT INTO suite_account (id, note, amount) VALUES (2, 'second; entry', 6);",
    };
    let store = database.store();
    store.migrate(MODULE, &[ACCOUNT, second], at(0)).await.expect("migrations are applied in order");
    store.migrate(MODULE, &[ACCOUNT, second, third], at(1)).await.expect("a new migration follows");
    let store = database.reopen().await;
    store.migrate(MODULE, &[ACCOUNT, second, third], at(2)).await.expect("applied migrations are left alone");
    let rows =
        query(store.as_ref(), "SELECT count(*) AS n FROM suite_account").await.expect("a table is read");
    assert_eq!(rows[0].get::<i64>("n"), Ok(2), "each migration is applied once");
    store
        .migrate("other", &[Migration { sql: "CREATE TABLE other_account (id BIGINT)", ..ACCOUNT }], at(3))
        .await
        .expect("another module's numbers are its own");
}

/// A migration whose text changed since it was applied is refused, and so is the one after it.
pub async fn a_changed_migration_is_refused(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let changed =
        Migration { sql: "CREATE TABLE suite_account (id BIGINT PRIMARY KEY, note TEXT)", ..ACCOUNT };
    let next = Migration { version: 2, name: "next", sql: "CREATE TABLE suite_next (id BIGINT)" };
    let refused = store.migrate(MODULE, &[changed, next], at(1)).await;
    assert!(
        matches!(&refused, Err(StoreError::Migration { module, version: 1, .. }) if module == MODULE),
        "a changed migration is refused by its number: {refused:?}"
    );
    assert!(query(store.as_ref(), "SELECT id FROM suite_next").await.is_err(), "nothing after it is applied");
}

/// A migration that fails half-way leaves nothing, and those before it stay.
pub async fn a_failed_migration_leaves_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let broken = Migration {
        version: 2,
        name: "broken",
        sql: "CREATE TABLE suite_half (id BIGINT); INSERT INTO suite_nowhere (id) VALUES (1);",
    };
    let failed = store.migrate(MODULE, &[ACCOUNT, broken], at(0)).await;
    assert!(
        matches!(&failed, Err(StoreError::Migration { version: 2, source: Some(_), .. })),
        "a failed migration is told by its number, with its cause: {failed:?}"
    );
    assert!(query(store.as_ref(), "SELECT id FROM suite_half").await.is_err(), "it leaves nothing");
    query(store.as_ref(), "SELECT id FROM suite_account").await.expect("those before it stay");
    let mended = Migration { sql: "CREATE TABLE suite_half (id BIGINT)", ..broken };
    store.migrate(MODULE, &[ACCOUNT, mended], at(0)).await.expect("a mended migration is applied");
}

/// Values of every type come back equal, NULL included, with the types that the portable layer promises to read.
pub async fn values_come_back_as_they_were_bound(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let sqlite = store.kind() == "sqlite";
    // A module writes its DDL for the store it runs on where the two differ.
    let sql = if sqlite {
        "CREATE TABLE suite_values (id INTEGER PRIMARY KEY, b INTEGER, i INTEGER, f REAL, t TEXT, y BLOB, u TEXT, z TEXT, j TEXT)"
    } else {
        "CREATE TABLE suite_values (id BIGINT PRIMARY KEY, b BOOLEAN, i BIGINT, f DOUBLE PRECISION, t TEXT, y BYTEA, \
         u UUID, z TIMESTAMPTZ, j JSONB)"
    };
    store
        .migrate(MODULE, &[Migration { version: 1, name: "values", sql }], at(0))
        .await
        .expect("a migration");
    let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let time: jiff::Timestamp = "2026-01-31T09:30:00.000001Z".parse().expect("a timestamp");
    let json: Value = Value::Json([("k", "v")].into_iter().collect());
    let insert =
        "INSERT INTO suite_values (id, b, i, f, t, y, u, z, j) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let full: Vec<Value> = vec![
        1_i64.into(),
        true.into(),
        i64::MIN.into(),
        (-0.1).into(),
        "é ' \" \\ 😀 $1".into(),
        vec![0_u8, 255, 10].into(),
        uuid.into(),
        time.into(),
        json.clone(),
    ];
    let mut empty = vec![Value::Null; 9];
    empty[0] = 2_i64.into();
    run(store.as_ref(), [Op::Execute(insert, full), Op::Execute(insert, empty)])
        .await
        .expect("values are bound");

    let rows =
        query(store.as_ref(), "SELECT * FROM suite_values ORDER BY id").await.expect("values are read");
    let row = &rows[0];
    assert_eq!(row.get::<bool>("b"), Ok(true));
    assert_eq!(row.get::<i64>("i"), Ok(i64::MIN));
    assert_eq!(row.get::<f64>("f"), Ok(-0.1));
    assert_eq!(row.get::<String>("t").as_deref(), Ok("é ' \" \\ 😀 $1"));
    assert_eq!(row.get::<Vec<u8>>("y"), Ok(vec![0, 255, 10]));
    assert_eq!(row.get::<Uuid>("u"), Ok(uuid));
    assert_eq!(row.get::<jiff::Timestamp>("z"), Ok(time));
    let found = row.values().last().cloned();
    assert!(
        found == Some(json) || matches!(found, Some(Value::Text(text)) if text == r#"{"k":"v"}"#),
        "json"
    );
    assert!(rows[1].values()[1..].iter().all(|value| *value == Value::Null), "NULL is NULL in every type");
}
