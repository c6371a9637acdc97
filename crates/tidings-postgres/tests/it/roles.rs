//! An application's role that may read and write rows, and nothing else.

use tidings_core::ids::MessageId;
use tidings_core::store::{Inspect as _, Limits, Migration, Retention, Store as _, StoreError};
use tidings_postgres::{PostgresConfig, PostgresStore, migrate};
use tidings_testkit::script::{MODULE, Op, run};

use crate::support::*;

/// What the documentation of the crate says that the owner grants.
fn grants(schema: &str, role: &str) -> String {
    format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role};"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_application_needs_to_read_and_write_rows_only() {
    let Some(url) = url() else { return };
    let owner = fresh(&url);
    let schema = owner.schema.clone().expect("a schema");
    let role = format!("app_{}", MessageId::new().0.simple());
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let (_, host) = rest.split_once('@').expect("a user");
    let app = PostgresConfig {
        url: format!("{scheme}://{role}:s3cret@{host}").into(),
        auto_migrate: false,
        ..owner.clone()
    };

    let (error, _) = (PostgresStore::open(app.clone()).await.err().expect("no such role"), ());
    let text = told(&error);
    assert!(text.contains(&role) && !text.contains("s3cret"), "{text}");

    let admin = open(&fresh(&url)).await;
    let make = |sql: String| -> Op { execute(sql.leak()) };
    run(admin.as_ref(), [make(format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret'"))]).await.expect("a role");
    migrate(&owner).await.expect("the owner makes the tables");
    let error = PostgresStore::open(app.clone()).await.err().expect("nothing is granted yet");
    let text = told(&error);
    assert!(text.contains("privilege") || text.contains("permission"), "{text}");

    let granted: Vec<_> = grants(&schema, &role)
        .split(';')
        .filter(|sql| !sql.trim().is_empty())
        .map(|sql| make(sql.to_owned()))
        .collect();
    run(admin.as_ref(), granted).await.expect("the owner grants");
    let table = Migration {
        version: 1,
        name: "counter",
        sql: "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO counter VALUES (1, 0)",
    };
    open(&owner).await.migrate(MODULE, &[table], at(0)).await.expect("the owner makes the module's tables");

    // Everything an application does.
    let store = open(&app).await;
    store.migrate(MODULE, &[table], at(1)).await.expect("nothing is missing");
    store.register(&spec("slow"), at(1)).await.expect("a consumer is registered");
    store.register(&spec("other"), at(1)).await.expect("a consumer is registered");
    let ops = vec![execute("UPDATE counter SET n = n + 1 WHERE id = 1"), Op::Append(vec![event("1")])];
    run_for(&store, ops, Limits::default()).await.expect("a work commits");
    hold(&store, "slow").await.expect("a consumer is held");
    store.retire("slow", "by the test", at(2)).await.expect("a consumer is retired");
    store.maintain(&Retention::default(), at(3)).await.expect("maintenance runs");
    assert_eq!((store.counts().await.expect("messages are counted").len(), counter(&store).await), (1, 1));

    // And no more: it names what it lacks.
    let refused = run_for(&store, [execute("CREATE TABLE mine (id BIGINT)")], Limits::default()).await;
    let Err(error @ StoreError::Sql { .. }) = refused else { panic!("it may not make tables: {refused:?}") };
    assert!(told(&error).contains("the role lacks a privilege"), "{}", told(&error));
    let drop_role = format!("DROP OWNED BY {role}");
    run(admin.as_ref(), [make(drop_role), make(format!("DROP ROLE {role}"))]).await.expect("a role goes");
}
