//! The group of jobs.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::*;

struct WithLeases;

#[async_trait]
impl StoreFactory for WithLeases {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        let url = url().expect("the suites run only when there is a server");
        let config = PostgresConfig {
            schema: Some(format!("suite_{}", MessageId::new().0.simple())),
            poll_interval: Duration::from_secs(60), // who hears nothing is seen not to
            ..PostgresConfig::new(url)
        };
        Box::new(Jobs { store: open(&config).await, config })
    }
}

struct Jobs {
    config: PostgresConfig,
    store: Arc<dyn Store>,
}

#[async_trait]
impl TestDatabase for Jobs {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        // The suite may have closed it already; that is no error.
        let _ = self.store.close().await;
        self.store = open(&self.config).await;
        self.store()
    }

    /// The server outlives its clients: one that was killed said no goodbye, and its leases have not lapsed.
    async fn crash(&mut self) -> Arc<dyn Store> {
        self.store = open(&self.config).await;
        self.store()
    }

    /// Lease time is the server's clock, which nobody moves: so the leases are.
    fn lapse(&self, by: Duration) -> bool {
        let by = i64::try_from(by.as_micros()).expect("a short time");
        let sql = "UPDATE tidings_workers SET expires_at = expires_at - $1 * interval '1 microsecond'";
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut connection = connect(&self.config).await;
                sqlx::query(sql).bind(by).execute(&mut connection).await.expect("leases are moved");
                connection.close().await.expect("a connection ends");
            });
        });
        true
    }
}

async fn connect(config: &PostgresConfig) -> PgConnection {
    let options: PgConnectOptions = config.url.expose().parse().expect("a URL");
    let schema = config.schema.clone().expect("a schema of its own");
    options.options([("search_path", schema)]).connect().await.expect("the server is there")
}

tidings_testkit::conformance!(jobs, WithLeases, if server_is_there());
