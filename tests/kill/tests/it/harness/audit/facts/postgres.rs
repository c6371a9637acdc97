//! The facts in a database of PostgreSQL.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{Column, Connection, PgConnection, Row as _, TypeInfo};
use tokio::runtime::Runtime;

use super::Queries;
use super::source::{Cell, Row, Source, Unreadable};

pub(super) const QUERIES: Queries = Queries {
    log: "SELECT position, slot, replace(id::text, '-', ''), kind, name,
        coalesce(data::json->>'account', data::json->'payload'->>'account'),
        coalesce(data::json->>'seq', data::json->'payload'->>'seq'), replace(correlation_id::text, '-', ''),
        replace(causation_id::text, '-', '') FROM tidings_log ORDER BY position",
    consumers: "SELECT name, kind, array_to_json(reads)::text,
        (SELECT max(partitions) FROM tidings_cursors v WHERE v.consumer = c.name), 
        EXISTS (SELECT FROM tidings_partitions p WHERE p.consumer = c.name AND p.begun_first IS NOT NULL), NULL
        FROM tidings_consumers c",
    receipts: "SELECT consumer, partition, first, last, count FROM tidings_receipts ORDER BY 1, 2, 3, 4",
    // A job is in one of two tables beside its own: in that of the live ones, which have not come to a final state, or in that
    // of the ended ones. Running are those that somebody has claimed at the attempt that comes next.
    jobs: "SELECT j.place, replace(j.id::text, '-', ''), j.name, coalesce(e.queue, l.queue),
        CASE WHEN e.place IS NOT NULL THEN e.state WHEN l.turn = 100002 THEN 'dead' WHEN l.turn = 100000 THEN 'suspect'
             WHEN l.turn IS NOT NULL THEN 'ready' WHEN l.waits_until IS NOT NULL THEN 'scheduled'
             WHEN l.place IS NOT NULL THEN 'behind' ELSE 'gone' END,
        j.key, j.data::json->>'account', j.data::json->>'seq', coalesce(e.attempts, l.attempts, 0),
        coalesce(e.failures, l.failures, 0), coalesce(e.losses, l.losses, 0),
        l.place IS NOT NULL AND (l.place, l.attempts) IN (SELECT claimed.place, claimed.attempts FROM tidings_claims c,
                                  unnest(c.places, c.attempts) AS claimed (place, attempts)),
        coalesce(e.started_at, l.started_at), coalesce(e.death, l.death), coalesce(e.error, l.error),
        replace(j.correlation_id::text, '-', ''), replace(j.causation_id::text, '-', '')
        FROM tidings_jobs j LEFT JOIN tidings_jobs_live l ON l.place = j.place
        LEFT JOIN tidings_jobs_ended e ON e.place = j.place ORDER BY j.place",
    outcomes: "SELECT key, status, replace(id::text, '-', '') FROM tidings_outcomes WHERE key IS NOT NULL",
    commands: "SELECT replace(id::text, '-', '') FROM tidings_outcomes",
    seals: "SELECT account, seq, replace(job_id, '-', ''), receipt, NULL FROM seals ORDER BY id",
};

/// A row before the oldest transaction that was open for the cursor was passed; the function is asked about the others.
const UNREAD: &str = "SELECT v.consumer, l.position FROM tidings_cursors v
    JOIN tidings_log l ON l.slot % v.partitions = v.partition
        AND l.xid >= pg_snapshot_xmin(split_part(v.cursor, '~', 1)::pg_snapshot)
    WHERE NOT tidings_passed(v.cursor, l.xid, l.position)";

/// A claim whose jobs have all ended is stale and harmless while its worker lives, and goes with it.
const TRACES: &str = "SELECT 'a worker: ' || about FROM tidings_workers
    UNION ALL SELECT 'a claim of worker ' || worker || ' in ' || queue FROM tidings_claims
    UNION ALL SELECT 'a holder of ' || consumer || '/' || partition FROM tidings_partitions WHERE holder IS NOT NULL";

pub(super) struct Postgres {
    runtime: Runtime,
    connection: PgConnection,
}

impl From<sqlx::Error> for Unreadable {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl Postgres {
    pub(super) fn open(url: &str) -> Result<Self, Unreadable> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Unreadable(error.to_string()))?;
        let connection = runtime.block_on(PgConnection::connect(url))?;
        Ok(Self { runtime, connection })
    }
}

impl Source for Postgres {
    fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Unreadable> {
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut self.connection);
        self.runtime.block_on(query)?.iter().map(row).collect()
    }

    fn has_table(&mut self, table: &str) -> Result<bool, Unreadable> {
        let query = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table);
        Ok(self.runtime.block_on(query.fetch_one(&mut self.connection))?)
    }

    fn unread(&mut self) -> Result<HashMap<String, HashSet<i64>>, Unreadable> {
        let source: &mut dyn Source = self;
        let mut unread: HashMap<String, HashSet<i64>> = HashMap::new();
        for (consumer, position) in source.all(UNREAD, |row| Ok((row.text(0)?, row.number(1)?)))? {
            unread.entry(consumer).or_default().insert(position);
        }
        Ok(unread)
    }

    fn corruption(&mut self) -> Result<Option<String>, Unreadable> {
        Ok(None)
    }

    fn traces_of_workers(&mut self) -> Result<Vec<String>, Unreadable> {
        let source: &mut dyn Source = self;
        source.all(TRACES, |row| row.text(0))
    }
}

fn row(row: &PgRow) -> Result<Row, Unreadable> {
    let cells = row.columns().iter().enumerate().map(|(at, column)| {
        let cell = match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(at)?.map(Cell::Number),
            "INT4" => row.try_get::<Option<i32>, _>(at)?.map(|number| Cell::Number(number.into())),
            "INT2" => row.try_get::<Option<i16>, _>(at)?.map(|number| Cell::Number(number.into())),
            "BOOL" => row.try_get::<Option<bool>, _>(at)?.map(|truth| Cell::Number(truth.into())),
            _ => row.try_get::<Option<String>, _>(at)?.map(Cell::Text),
        };
        Ok::<_, sqlx::Error>(cell.unwrap_or(Cell::Null))
    });
    Ok(Row(cells.collect::<Result<_, _>>()?))
}
