//! The suites through a pooler that gives each transaction a connection of its own: nothing that a session holds can be relied on.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tidings_testkit::pooler::{Pooler, role_with_schema};

use super::*;

/// Fewer than the tests' processes have, so that they get each other's.
const CONNECTIONS: u32 = 6;

struct Pooled;

#[async_trait]
impl StoreFactory for Pooled {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        let role = format!("pooled_{}", MessageId::new().0.simple());
        let mut connection = connect().await;
        for sql in role_with_schema(&role) {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a role is made");
        }
        connection.close().await.expect("a connection ends");
        let pooler = pooler().as_ref().expect("the suites run only where there is a pooler");
        let config = PostgresConfig {
            schema: Some(role.clone()),
            behind_pooler: true,
            ..PostgresConfig::new(pooler.url(&role))
        };
        Box::new(Behind { store: open(&config).await, config })
    }
}

struct Behind {
    config: PostgresConfig,
    store: Arc<dyn Store>,
}

#[async_trait]
impl TestDatabase for Behind {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        // The suite may have closed it already; that is no error.
        let _ = self.store.close().await;
        self.store = open(&self.config).await;
        self.store()
    }

    async fn crash(&mut self) -> Arc<dyn Store> {
        self.store = open(&self.config).await;
        self.store()
    }

    fn lapse(&self, by: Duration) -> bool {
        let schema = self.config.schema.clone().expect("a schema of its own");
        let by = by.as_micros();
        let sql = format!(
            "UPDATE {schema}.tidings_workers SET expires_at = expires_at - {by} * interval '1 microsecond'"
        );
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut connection = connect().await;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("leases are moved");
                connection.close().await.expect("a connection ends");
            });
        });
        true
    }
}

/// Not through the pooler.
async fn connect() -> PgConnection {
    PgConnection::connect(&url().expect("there is a server")).await.expect("the server is there")
}

/// One for all tests, with connections that they share.
fn pooler() -> &'static Option<Pooler> {
    static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();
    POOLER.get_or_init(|| {
        let pooler = Pooler::in_front_of(&url()?, CONNECTIONS).expect("a pooler starts");
        if pooler.is_none() {
            assert!(std::env::var_os("CI").is_none(), "there is no pgbouncer, and CI must not skip suites");
            let note = "suites behind a pooler were NOT RUN: there is no pgbouncer";
            writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
        }
        pooler
    })
}

fn pooler_is_there() -> bool {
    server_is_there() && pooler().is_some()
}

tidings_testkit::conformance!(log, Pooled, if pooler_is_there());
tidings_testkit::conformance!(jobs, Pooled, if pooler_is_there());
tidings_testkit::conformance!(partitions, Pooled, if pooler_is_there());
