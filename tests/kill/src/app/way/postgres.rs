//! By hand into a database of PostgreSQL.

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tidings::Outbox;

use super::Written;

/// See [`super::Hand`].
#[derive(Clone)]
pub struct Hand {
    outbox: Outbox,
    pool: PgPool,
}

impl Hand {
    pub(super) fn new(outbox: Outbox, options: PgConnectOptions) -> Self {
        // As whoever relies on this server would have it: a transaction whose process is gone without a word ends.
        let options = options.options([("idle_in_transaction_session_timeout", "5s")]);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { outbox, pool }
    }

    pub(super) async fn lent(&self, _account: &str, _seq: i64, _amount: i64) -> Written {
        Err("until the driver for PostgreSQL is there".into())
    }

    pub(super) async fn pooled(&self, account: &str, seq: i64, amount: i64) -> Written {
        self.lent(account, seq, amount).await
    }
}
