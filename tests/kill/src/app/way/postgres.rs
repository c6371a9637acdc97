//! By hand into a database of PostgreSQL.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use tidings::Outbox;

use super::{Written, recorded};
use crate::app::ledger::is_rejected;
use crate::app::notary::{Notarize, is_sealed};

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

    pub(super) async fn lent(&self, account: &str, seq: i64, amount: i64) -> Written {
        let mut tx = self.outbox.begin::<sqlx::Postgres>().await?;
        let known = known(&mut *tx.connection().await?, account, seq).await?;
        if known.is_some() {
            tx.rollback().await?;
            return Ok(known);
        }
        let event_id = tx.publish(&recorded(account, seq, amount)).await?.to_string();
        insert(&mut *tx.connection().await?, account, seq, amount, &event_id).await?;
        if is_sealed(seq) {
            tx.enqueue(Notarize::of(account, seq)).await?;
        }
        if is_rejected(seq) {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(event_id))
    }

    pub(super) async fn pooled(&self, account: &str, seq: i64, amount: i64) -> Written {
        let mut tx = self.pool.begin().await?;
        let known = known(&mut tx, account, seq).await?;
        if known.is_some() {
            tx.rollback().await?;
            return Ok(known);
        }
        let event_id = self.outbox.publish(&mut tx, &recorded(account, seq, amount)).await?.to_string();
        insert(&mut tx, account, seq, amount, &event_id).await?;
        if is_sealed(seq) {
            self.outbox.enqueue_in(&mut tx, Notarize::of(account, seq)).await?;
        }
        if is_rejected(seq) {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(Some(event_id))
    }
}

/// Under a lock: an earlier attempt, of a process that is gone, may be about to be committed by the server.
async fn known(
    connection: &mut PgConnection,
    account: &str,
    seq: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 4711))")
        .bind(account)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar("SELECT event_id FROM entries WHERE account = $1 AND seq = $2")
        .bind(account)
        .bind(seq)
        .fetch_optional(connection)
        .await
}

async fn insert(
    connection: &mut PgConnection,
    account: &str,
    seq: i64,
    amount: i64,
    event_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO entries (account, seq, amount, event_id) VALUES ($1, $2, $3, $4)")
        .bind(account)
        .bind(seq)
        .bind(amount)
        .bind(event_id)
        .execute(connection)
        .await
        .map(drop)
}
