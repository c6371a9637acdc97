//! The ways to enter an amount. Each account is written in one of them, so that all of them are under load together.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tidings::{App, Outbox};

use super::events::ledger::Recorded;
use super::ledger::is_rejected;
use super::notary::{Notarize, is_sealed};

/// How the entries of an account are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a command whose handler uses portable statements.
    Command,
    /// By a command whose handler uses sqlx.
    TypedCommand,
    /// In a transaction that the application lends: `outbox.begin()`.
    Lent,
    /// In a transaction of the caller's own pool: `outbox.publish(&mut tx, ..)`.
    OwnPool,
}

impl Way {
    /// The way of an account, which is named by its number: `a0`, `a1` and so on.
    #[must_use]
    pub fn of(account: &str) -> Self {
        match number(account) % 6 {
            3 => Self::TypedCommand,
            4 => Self::Lent,
            5 => Self::OwnPool,
            _ => Self::Command,
        }
    }

    /// Commands leave an outcome, send a delivery and get its reply; the other ways do none of that.
    #[must_use]
    pub fn is_command(self) -> bool {
        matches!(self, Self::Command | Self::TypedCommand)
    }
}

/// The number that an account is named by.
pub(super) fn number(account: &str) -> u32 {
    account.trim_start_matches('a').parse().unwrap_or(0)
}

/// Writes entries without a command. Nothing remembers a key here, so it looks for itself whether it was asked before.
#[derive(Clone)]
pub struct Hand {
    outbox: Outbox,
    pool: SqlitePool,
}

/// What came of writing by hand: the event's id, or nothing if the entry is one that is refused.
type Written = Result<Option<String>, Box<dyn std::error::Error + Send + Sync>>;

impl Hand {
    /// Takes the application's outbox, and a pool of its own on the same file.
    ///
    /// # Errors
    /// If the application has no ledger.
    pub fn new(app: &App, options: SqliteConnectOptions) -> Result<Self, tidings::SendError> {
        // sqlx goes on counting a transaction that SQLite has ended by itself, on a full disk for example, and refuses the
        // next one: such a connection is not used again.
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_lazy_with(options);
        Ok(Self { outbox: app.outbox("ledger")?, pool })
    }

    /// Enters an amount in a transaction that the application lends.
    ///
    /// # Errors
    /// The store's; nothing is written then.
    pub async fn lent(&self, account: &str, seq: i64, amount: i64) -> Written {
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

    /// Enters an amount in a transaction of the pool.
    ///
    /// # Errors
    /// The store's or the database's; nothing is written then.
    pub async fn pooled(&self, account: &str, seq: i64, amount: i64) -> Written {
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

fn recorded(account: &str, seq: i64, amount: i64) -> Recorded {
    Recorded { account: account.to_owned(), seq, amount }
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
