//! By hand into a SQLite file.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tidings::Outbox;

use super::{Written, recorded};
use crate::app::ledger::is_rejected;
use crate::app::notary::{Notarize, is_sealed};
use crate::plan::Durability;

/// What a user's own connections to the same file are opened with.
pub(super) fn options(file: &Path, vfs: Option<&str>, durability: Durability) -> SqliteConnectOptions {
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Normal => SqliteSynchronous::Normal,
    };
    let options = SqliteConnectOptions::new().filename(file).synchronous(synchronous);
    match vfs {
        Some(vfs) => options.vfs(vfs.to_owned()),
        None => options,
    }
}

/// See [`super::Hand`].
#[derive(Clone)]
pub struct Hand {
    outbox: Outbox,
    pool: SqlitePool,
}

impl Hand {
    pub(super) fn new(outbox: Outbox, options: SqliteConnectOptions) -> Self {
        // sqlx goes on counting a transaction that SQLite has ended by itself, on a full disk for example, and refuses the
        // next one: such a connection is not used again.
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_lazy_with(options);
        Self { outbox, pool }
    }

    pub(super) async fn lent(&self, account: &str, seq: i64, amount: i64) -> Written {
        let mut tx = self.outbox.begin::<sqlx::Sqlite>().await?;
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
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
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
        Ok(Some(event_id))
    }
}

async fn known(
    connection: &mut SqliteConnection,
    account: &str,
    seq: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT event_id FROM entries WHERE account = $1 AND seq = $2")
        .bind(account)
        .bind(seq)
        .fetch_optional(connection)
        .await
}

async fn insert(
    connection: &mut SqliteConnection,
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
