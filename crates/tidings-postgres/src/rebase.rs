//! Re-basing: a log that was dumped in one cluster and restored in another.
//!
//! Its rows and cursors speak of transactions of the old cluster, whose ids this one has not given out yet or has given to
//! others. What they say together is which cursor has passed which row, and that is kept: rows that the same cursors have
//! passed get one id, one that this cluster has used up for nothing of the log's, and each cursor becomes a snapshot that
//! lists as running those ids that it has not passed. What a cursor had not passed it then reads in the order of positions. That
//! is causal, because a dump holds only what was committed, and all of what that was caused by.
//!
//! If all ids in the log lie in this cluster's past anyway (after `pg_upgrade`, or a restore into a cluster that is older),
//! they mean what they meant, and nothing is rewritten.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};
use tidings_core::envelope::Cursor;
use tidings_core::store::StoreError;

use crate::cursor::Window;
use crate::error::meaning;
use crate::rows::column;
use crate::snapshot::Snapshot;

/// Wherever a cursor is kept. Whoever keeps one in another place enters it here.
const KEPT: &[(&str, &str)] = &[
    ("tidings_partitions", "cursor"),
    ("tidings_receipts", "from_cursor"),
    ("tidings_receipts", "to_cursor"),
    ("tidings_reads", "from_cursor"),
    ("tidings_reads", "to_cursor"),
];

/// The first id that an ordinary transaction can have.
const FIRST_XID: u64 = 3;

/// How many positions are looked at at once.
const CHUNK: usize = 20_000;

/// What re-basing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rebased {
    /// Rows that got another id one by one, because not every cursor had passed them.
    pub(crate) unread: u64,
    /// Rows that got one together.
    pub(crate) settled: u64,
    /// How many different cursors there were.
    pub(crate) cursors: usize,
    /// How many ids stand for all transactions of the old cluster.
    pub(crate) ids: usize,
}

pub(crate) enum Outcome {
    Done(Rebased),
    /// This cluster is so young that it has not used so many ids up yet.
    NeedsIds {
        ids: u64,
        below: u64,
    },
}

/// Rewrites rows and cursors, in the transaction of the connection.
pub(crate) async fn rebase(connection: &mut PgConnection) -> Result<Outcome, StoreError> {
    // Whoever publishes waits; what he publishes then is behind all cursors.
    let lock = "LOCK TABLE tidings_log IN SHARE ROW EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *connection).await.map_err(failed)?;
    let present = Present::of(connection).await?;
    let cursors = read_cursors(connection).await?;
    if present.is_behind_all(connection, &cursors).await? {
        return Ok(Outcome::Done(Rebased { cursors: cursors.len(), ..Rebased::default() }));
    }
    let classes = find_classes(connection, &present, &cursors).await?;
    let ids = FIRST_XID + classes.len() as u64;
    if ids > present.xmin {
        return Ok(Outcome::NeedsIds { ids: ids - present.xmin, below: ids - 1 });
    }
    let settled = write_settled(connection, &present, &cursors).await?;
    let unread = write_unread(connection, &present, &cursors, &classes).await?;
    write_cursors(connection, &cursors, &classes).await?;
    // What is kept of snapshots beside the cursors is found out anew.
    let recount = include_str!("../queries/log_counted_again.sql");
    sqlx::query(recount).execute(&mut *connection).await.map_err(failed)?;
    sqlx::query(include_str!("../queries/receipts_unmark.sql"))
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    Ok(Outcome::Done(Rebased { unread, settled, cursors: cursors.len(), ids: classes.len() }))
}

fn failed(error: sqlx::Error) -> StoreError {
    meaning("re-basing the log, which was restored from another cluster", error)
}

/// Where this cluster stands.
struct Present {
    /// All transactions below it have ended.
    xmin: u64,
    now: i64,
    restored: i64,
    /// The log's first and last position.
    first: i64,
    last: i64,
}

impl Present {
    async fn of(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let query = sqlx::query(include_str!("../queries/rebase_present.sql"));
        let row = query.fetch_one(connection).await.map_err(failed)?;
        Ok(Self {
            xmin: xid(&row, "xmin")?,
            now: column(&row, "present")?,
            restored: column(&row, "restored")?,
            first: column(&row, "first")?,
            last: column(&row, "last")?,
        })
    }

    /// The places behind which the chunks begin.
    fn chunks(&self) -> impl Iterator<Item = i64> + use<> {
        (self.first - 1..self.last).step_by(CHUNK)
    }

    /// Whether every id that the log speaks of was used up before it was restored.
    async fn is_behind_all(
        &self,
        connection: &mut PgConnection,
        cursors: &[Window<Snapshot>],
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(include_str!("../queries/rebase_highest.sql"));
        let row = query.bind(self.now).bind(self.restored).fetch_one(connection).await.map_err(failed)?;
        let rows_end = xid(&row, "highest")? + 1;
        let cursors_end = cursors.iter().map(|one| one.lo.xmax.max(one.hi.xmax)).max().unwrap_or(0);
        let bound = self.xmin.min(self.restored.unsigned_abs() + 1);
        Ok(rows_end.max(cursors_end) <= bound)
    }
}

fn xid(row: &PgRow, name: &str) -> Result<u64, StoreError> {
    column::<i64>(row, name).map(i64::unsigned_abs)
}

/// All different cursors that are kept anywhere.
async fn read_cursors(connection: &mut PgConnection) -> Result<Vec<Window<Snapshot>>, StoreError> {
    let each = KEPT
        .iter()
        .map(|(table, column)| format!("SELECT {column} AS cursor FROM {table} WHERE {column} IS NOT NULL"));
    let sql = each.collect::<Vec<_>>().join(" UNION ");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| Window::parse(&Cursor(column(row, "cursor")?))?.parsed()).collect()
}

/// Which cursors, by their places, have passed a row: one bit each.
type Passed = Vec<u64>;

fn passed_by(cursors: &[Window<Snapshot>], row: &Unread) -> Passed {
    let mut passed = vec![0; cursors.len().div_ceil(64)];
    // What this cluster wrote itself is new to everybody.
    for (index, _) in
        cursors.iter().enumerate().filter(|(_, it)| !row.own && it.has_passed(row.xid, row.position))
    {
        passed[index / 64] |= 1 << (index % 64);
    }
    passed
}

/// A row that not every cursor has passed.
struct Unread {
    position: i64,
    xid: u64,
    own: bool,
}

/// Everything below it has been passed by every cursor.
fn settled_below(cursors: &[Window<Snapshot>]) -> i64 {
    let below = cursors.iter().map(|cursor| cursor.lo.xmin).min().unwrap_or(u64::MAX);
    i64::try_from(below).unwrap_or(i64::MAX)
}

async fn read_unread(
    connection: &mut PgConnection,
    present: &Present,
    cursors: &[Window<Snapshot>],
    after: i64,
) -> Result<Vec<Unread>, StoreError> {
    let rows = sqlx::query(include_str!("../queries/rebase_rows.sql"))
        .bind(after)
        .bind(after.saturating_add(CHUNK as i64))
        .bind(settled_below(cursors))
        .bind(present.now)
        .bind(present.restored)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let unread = |row: &PgRow| {
        Ok(Unread { position: column(row, "position")?, xid: xid(row, "xid")?, own: column(row, "own")? })
    };
    rows.iter().map(unread).collect()
}

/// Every class of rows with the id that it gets. Those that most cursors have passed come first: cursors usually stand one
/// behind the other, and are then told by one number.
async fn find_classes(
    connection: &mut PgConnection,
    present: &Present,
    cursors: &[Window<Snapshot>],
) -> Result<BTreeMap<Passed, u64>, StoreError> {
    let everybody = (0..cursors.len()).fold(vec![0; cursors.len().div_ceil(64)], |mut all, index| {
        all[index / 64] |= 1 << (index % 64);
        all
    });
    let mut classes = BTreeMap::from([(everybody, 0)]);
    for after in present.chunks() {
        let rows = read_unread(connection, present, cursors, after).await?;
        classes.extend(rows.iter().map(|row| (passed_by(cursors, row), 0)));
    }
    let mut order: Vec<_> = classes.keys().cloned().collect();
    order.sort_by_key(|passed| std::cmp::Reverse(passed.iter().map(|word| word.count_ones()).sum::<u32>()));
    Ok(order.into_iter().zip(FIRST_XID..).collect())
}

async fn write_settled(
    connection: &mut PgConnection,
    present: &Present,
    cursors: &[Window<Snapshot>],
) -> Result<u64, StoreError> {
    let done = sqlx::query(include_str!("../queries/rebase_settled.sql"))
        .bind(i64::try_from(FIRST_XID).unwrap_or(i64::MAX))
        .bind(settled_below(cursors))
        .bind(present.now)
        .bind(present.restored)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

async fn write_unread(
    connection: &mut PgConnection,
    present: &Present,
    cursors: &[Window<Snapshot>],
    classes: &BTreeMap<Passed, u64>,
) -> Result<u64, StoreError> {
    let mut written = 0;
    for after in present.chunks() {
        let rows = read_unread(connection, present, cursors, after).await?;
        let positions: Vec<_> = rows.iter().map(|row| row.position).collect();
        let ids = rows.iter().map(|row| classes.get(&passed_by(cursors, row)).copied().unwrap_or(FIRST_XID));
        let ids: Vec<_> = ids.map(u64::cast_signed).collect();
        let query = sqlx::query(include_str!("../queries/rebase_write.sql")).bind(positions).bind(ids);
        written += query.execute(&mut *connection).await.map_err(failed)?.rows_affected();
    }
    Ok(written)
}

/// The snapshot that sees the ids of those classes that a cursor has passed, and nothing later.
fn snapshot_of(cursor: usize, classes: &BTreeMap<Passed, u64>) -> Snapshot {
    let has_passed = |passed: &Passed| passed[cursor / 64] & 1 << (cursor % 64) != 0;
    let of = |wanted: bool| {
        classes.iter().filter(move |(passed, _)| has_passed(passed) == wanted).map(|(_, id)| *id)
    };
    let xmax = of(true).max().map_or(FIRST_XID, |last| last + 1);
    let mut running: Vec<_> = of(false).filter(|id| *id < xmax).collect();
    running.sort_unstable();
    Snapshot { xmin: running.first().copied().unwrap_or(xmax), xmax, running }
}

async fn write_cursors(
    connection: &mut PgConnection,
    cursors: &[Window<Snapshot>],
    classes: &BTreeMap<Passed, u64>,
) -> Result<(), StoreError> {
    let old: Vec<_> = cursors.iter().map(ToString::to_string).collect();
    let new = (0..cursors.len()).map(|cursor| Window::behind(snapshot_of(cursor, classes)).to_string());
    let new: Vec<_> = new.collect();
    for (table, column) in KEPT {
        let sql = format!(
            "UPDATE {table} kept SET {column} = moved.new FROM unnest($1::text[], $2::text[]) AS moved (old, new) \
             WHERE kept.{column} = moved.old"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&old).bind(&new);
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}
