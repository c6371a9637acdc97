//! Values that PostgreSQL cannot take, and columns that the portable layer does not read.

use tidings_core::envelope::Envelope;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{IdempotencyScope, Inspect as _, Limits, OutcomeRecord, OutcomeStatus, StoreError};
use tidings_core::value::Value;
use tidings_postgres::PostgresStore;
use tidings_testkit::script::{Op, query, run};

use crate::support::*;

async fn refused(store: &PostgresStore, op: Op) -> String {
    match run_for(store, [op], Limits::default()).await {
        Err(error @ StoreError::Sql { .. }) => told(&error),
        other => panic!("it is refused, and is nobody's trouble but its own: {other:?}"),
    }
}

/// The character U+0000 is refused with the place where it stands.
#[tokio::test]
async fn a_text_that_cannot_be_stored_is_told_by_its_place() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    let sql = "SELECT $1::bigint, $2::text, $3::jsonb";
    let text = vec![1_i64.into(), "a\0b".into(), Value::Json(serde_json::json!({}))];
    assert!(
        refused(&store, Op::Execute(sql, text))
            .await
            .contains("parameter $2: a text holds the character U+0000")
    );
    let json = vec![1_i64.into(), "".into(), Value::Json(serde_json::json!({"deep": ["\0"]}))];
    assert!(
        refused(&store, Op::Execute(sql, json))
            .await
            .contains("parameter $3: a text holds the character U+0000")
    );

    let good = event("1");
    for (broken, place) in [
        (Envelope { key: Some(Key::new("order", "a\0b")), ..event("1") }, "the key of `orders.placed`"),
        (Envelope { data: "\"\0\"".to_owned(), ..event("1") }, "the data of `orders.placed`"),
    ] {
        let text = refused(&store, Op::Append(vec![good.clone(), broken.clone()])).await;
        assert!(text.contains(place) && text.contains(&broken.id.to_string()), "{text}");
    }
    // What is escaped in JSON is no such character.
    let escaped = Envelope { data: r#""a\u0000b""#.to_owned(), ..event("1") };
    run(&*store, [Op::Append(vec![escaped.clone()])]).await.expect("it is appended");
    let found = store.message(escaped.id).await.expect("a message is read").expect("it is there");
    assert_eq!(found.envelope.data, escaped.data);

    let scope = IdempotencyScope {
        caller: "edge".to_owned(),
        command: "orders.place".into(),
        key: "a\0b".to_owned(),
    };
    let outcome = OutcomeRecord {
        id: MessageId::new(),
        command: "orders.place".into(),
        correlation_id: MessageId::new(),
        causation_id: None,
        idempotency: Some((scope.clone(), [0; 32])),
        status: OutcomeStatus::Completed,
        body: "{}".to_owned(),
        at: at(0),
        expires: at(9),
        unhandled: false,
    };
    for op in [Op::Outcome(outcome.clone()), Op::Conclude(vec![event("1")], outcome)] {
        let text = refused(&store, op).await;
        assert!(text.contains("its idempotency key: a text holds the character U+0000"), "{text}");
    }
    assert_eq!(store.outcome(&scope, at(1)).await.expect("a key is looked up"), None);
}

/// A column of another type is told by name, with its type and what to write.
#[tokio::test]
async fn a_column_that_cannot_be_read_is_told_with_its_cast() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    for (sql, words) in [
        ("SELECT 1::numeric AS total", ["`total`", "NUMERIC", "`total::bigint`"]),
        ("SELECT sum(n) AS total FROM (VALUES (1::bigint)) AS v (n)", ["`total`", "NUMERIC", "::bigint"]),
        ("SELECT now()::timestamp AS seen", ["`seen`", "TIMESTAMP", "`seen::timestamptz`"]),
        ("SELECT '1 day'::interval AS span", ["`span`", "INTERVAL", "`span::text`"]),
        ("SELECT 'infinity'::timestamptz AS never", ["`never`", "TIMESTAMPTZ", "infinite"]),
        ("SELECT ARRAY[1] AS many", ["`many`", "INT4[]", "cast it"]),
    ] {
        let error = query(&*store, sql).await.expect_err(sql);
        let text = told(&error);
        for word in words {
            assert!(text.contains(word), "`{sql}` says `{word}`: {text}");
        }
    }
    // It is the reading that fails: the work may catch it, and go on.
    make_counter(&store).await;
    let ops = [execute("UPDATE counter SET n = 7 WHERE id = 1")];
    run(&*store, ops).await.expect("a work commits");
    assert_eq!(counter(&store).await, 7);
}

/// The texts that a type of text may have, and numbers in all their widths.
#[tokio::test]
async fn the_types_that_people_use_are_read() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    let sql = "SELECT 'a'::varchar(9) AS a, 'b'::char(1) AS b, 'c'::name AS c, 'd' AS d, 1::int2 AS e, 2::int4 AS f, \
               0.5::float4 AS g, '{}'::json AS h, '-infinity'::float8 AS i, 'x'::bytea AS j";
    let rows = query(&*store, sql).await.expect("values are read");
    let row = &rows[0];
    for name in ["a", "b", "c", "d"] {
        assert_eq!(row.get::<String>(name).as_deref(), Ok(name));
    }
    assert_eq!((row.get::<i64>("e"), row.get::<i32>("f"), row.get::<f64>("g")), (Ok(1), Ok(2), Ok(0.5)));
    assert_eq!((row.get::<f64>("i"), row.get::<Vec<u8>>("j")), (Ok(f64::NEG_INFINITY), Ok(b"x".to_vec())));
}
