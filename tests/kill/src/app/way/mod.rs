//! The ways to enter an amount. Each account is written in one of them, so that all of them are under load together.

mod postgres;
mod sqlite;

use tidings::App;

use super::events::ledger::Recorded;
use crate::plan::Place;

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
pub enum Hand {
    /// Into a SQLite file.
    Sqlite(sqlite::Hand),
    /// Into a database of PostgreSQL.
    Postgres(postgres::Hand),
}

/// What came of writing by hand: the event's id, or nothing if the entry is one that is refused.
type Written = Result<Option<String>, Box<dyn std::error::Error + Send + Sync>>;

impl Hand {
    /// Takes the application's outbox, and a pool of its own on the same database.
    ///
    /// # Errors
    /// If the application has no ledger, or the place is none.
    pub fn new(app: &App, place: &Place) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let outbox = app.outbox("ledger")?;
        Ok(match place {
            Place::Sqlite { file, vfs, durability } => {
                Self::Sqlite(sqlite::Hand::new(outbox, sqlite::options(file, vfs.as_deref(), *durability)))
            }
            Place::Postgres { url } => Self::Postgres(postgres::Hand::new(outbox, url.parse()?)),
        })
    }

    /// Enters an amount in a transaction that the application lends.
    ///
    /// # Errors
    /// The store's; nothing is written then, unless it was the commit that failed.
    pub async fn lent(&self, account: &str, seq: i64, amount: i64) -> Written {
        match self {
            Self::Sqlite(hand) => hand.lent(account, seq, amount).await,
            Self::Postgres(hand) => hand.lent(account, seq, amount).await,
        }
    }

    /// Enters an amount in a transaction of the pool.
    ///
    /// # Errors
    /// The store's or the database's; nothing is written then, unless it was the commit that failed.
    pub async fn pooled(&self, account: &str, seq: i64, amount: i64) -> Written {
        match self {
            Self::Sqlite(hand) => hand.pooled(account, seq, amount).await,
            Self::Postgres(hand) => hand.pooled(account, seq, amount).await,
        }
    }
}

fn recorded(account: &str, seq: i64, amount: i64) -> Recorded {
    Recorded { account: account.to_owned(), seq, amount }
}
