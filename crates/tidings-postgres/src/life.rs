//! The server's lives, and to which cluster the log belongs.
//!
//! Two things rest on transaction ids: rows and cursors on record, and what processes have read and not yet committed.
//!
//! - *On record* they are good for ever in one cluster: a commit brings to disk whatever was written before it, so no crash and
//!   no standby can give an id away again that a cursor on record has seen ended. In another cluster they mean nothing.
//! - *In memory* they are good for one life of the server. A crash, or a standby that is promoted, may forget that an id was
//!   ever given out, and give it to another transaction. A cursor that saw the first one end would pass over the second.
//!
//! So a lease is good for one life, too, and every commit under it asks whether that still goes on. PostgreSQL itself ends
//! lives: it empties an unlogged table. Whoever finds it empty begins the next life, which voids all leases; and whoever finds
//! that the log was restored from another cluster re-bases it first. An ordinary restart forgets nothing, and ends no life.

use sqlx::{PgConnection, Row as _};
use tidings_core::store::StoreError;
use uuid::Uuid;

use crate::error::{meaning, read_only};
use crate::pool::{Alone as _, Pool};
use crate::rebase::{self, Rebased};
use crate::rows::column;
use crate::schema::ONE_AT_A_TIME;

/// Sees to it that the server's present life has begun. Says what was re-based for that, if anything.
pub(crate) async fn begin(pool: &Pool) -> Result<Option<Rebased>, StoreError> {
    loop {
        match try_begin(pool).await? {
            Begun::Done(rebased) => return Ok(rebased),
            Begun::NeedsIds { ids, below } => use_ids_up(pool, ids, below).await?,
        }
    }
}

enum Begun {
    Done(Option<Rebased>),
    /// So many transaction ids have to have been used up, and only those below some have.
    NeedsIds {
        ids: u64,
        below: u64,
    },
}

async fn try_begin(pool: &Pool) -> Result<Begun, StoreError> {
    let failed = |error| meaning("beginning a life of the log", error);
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    refuse_standby(&mut tx).await?;
    if find(&mut tx).await?.is_in_order() {
        return Ok(Begun::Done(None));
    }
    sqlx::query(ONE_AT_A_TIME).execute(&mut *tx).await.map_err(failed)?;
    let found = find(&mut tx).await?;
    if found.is_in_order() {
        return Ok(Begun::Done(None));
    }
    let mut rebased = None;
    if found.restored {
        match rebase::rebase(&mut tx).await? {
            rebase::Outcome::Done(done) => rebased = Some(done),
            rebase::Outcome::NeedsIds { ids, below } => return Ok(Begun::NeedsIds { ids, below }),
        }
    }
    if found.restored || found.moved {
        // Not an update, which would not generate `here` anew.
        sqlx::query("DELETE FROM tidings_cluster").execute(&mut *tx).await.map_err(failed)?;
        let insert = "INSERT INTO tidings_cluster DEFAULT VALUES";
        sqlx::query(insert).execute(&mut *tx).await.map_err(failed)?;
    }
    sqlx::query("DELETE FROM tidings_life").execute(&mut *tx).await.map_err(failed)?;
    let begin = sqlx::query(include_str!("../queries/life_begin.sql")).bind(far_jump());
    begin.execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(Begun::Done(rebased))
}

struct Found {
    goes_on: bool,
    /// From a dump of another cluster or database.
    restored: bool,
    /// By its files: `pg_upgrade`, or a database made with this one as its template. All ids are what they were.
    moved: bool,
}

impl Found {
    fn is_in_order(&self) -> bool {
        self.goes_on && !self.restored && !self.moved
    }
}

async fn find(connection: &mut PgConnection) -> Result<Found, StoreError> {
    let row = sqlx::query(include_str!("../queries/life_find.sql")).fetch_one(connection).await;
    let row = row.map_err(|error| meaning("looking for the server's life", error))?;
    Ok(Found {
        goes_on: column(&row, "goes_on")?,
        restored: column(&row, "restored")?,
        moved: column(&row, "moved")?,
    })
}

/// A standby would take the advisory lock, and then fail with words about unlogged tables.
async fn refuse_standby(connection: &mut PgConnection) -> Result<(), StoreError> {
    let standby = sqlx::query("SELECT pg_is_in_recovery()").fetch_one(connection).await;
    let standby = standby.and_then(|row| row.try_get::<bool, _>(0));
    match standby.map_err(|error| meaning("asking whether the server is a standby", error))? {
        true => Err(read_only("the server, which is a standby,", None)),
        false => Ok(()),
    }
}

/// Between 2^32 and 2^41.
fn far_jump() -> i64 {
    let [.., a, b, c, d, e] = Uuid::new_v4().into_bytes();
    i64::from_be_bytes([0, 0, 0, a, b, c, d, e]) + (1 << 32)
}

/// Each statement here is a transaction that uses one id up.
async fn use_ids_up(pool: &Pool, ids: u64, below: u64) -> Result<(), StoreError> {
    let failed = |error| meaning("using transaction ids up", error);
    for _ in 0..ids {
        sqlx::query("SELECT pg_current_xact_id()").run(pool).await.map_err(failed)?;
    }
    let row = sqlx::query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin")
        .one(pool)
        .await
        .map_err(failed)?;
    if column::<i64>(&row, "xmin")?.unsigned_abs() > below {
        return Ok(());
    }
    let context = "re-basing the log needs transaction ids that a transaction that is open in this server holds back; \
                   end it (pg_stat_activity and pg_prepared_xacts tell which), and try again";
    Err(StoreError::Busy { context: context.to_owned(), source: None })
}
