//! Who works, and what they hold: processes, each with a lease by the clock of the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgRow;
use tidings_core::store::{Crew, Known, Member, SharedConsumer, StoreError, WorkerId};

use crate::error::meaning;
use crate::rows::{column, text};

/// Enters a worker.
pub(crate) async fn enlist(pool: &PgPool, member: &Member, lease: Duration) -> Result<WorkerId, StoreError> {
    let (names, generations): (Vec<&str>, Vec<i64>) =
        member.consumers.iter().map(|known| (&*known.consumer, known.generation)).unzip();
    let row = sqlx::query(include_str!("../queries/worker_enlist.sql"))
        .bind(&member.about)
        .bind(names)
        .bind(generations)
        .bind(member.jobs.iter().map(|job| &**job).collect::<Vec<_>>())
        // An interval takes fractions, and no lease is as long as the largest.
        .bind(lease.as_micros().min(MICROS_MAX) as f64)
        .fetch_one(pool)
        .await
        .map_err(|error| meaning("entering a worker", error))?;
    column(&row, "id").map(WorkerId)
}

/// A hundred years.
const MICROS_MAX: u128 = 100 * 365 * 24 * 3_600 * 1_000_000;

/// Renews a worker's lease.
pub(crate) async fn heartbeat(pool: &PgPool, worker: WorkerId) -> Result<(), StoreError> {
    let renewed = sqlx::query(include_str!("../queries/worker_heartbeat.sql"))
        .bind(worker.0)
        .execute(pool)
        .await
        .map_err(|error| meaning("renewing a worker's lease", error))?;
    if renewed.rows_affected() == 1 { Ok(()) } else { Err(void(worker)) }
}

/// Strikes off workers whose leases have lapsed, but for `worker`. What they held is free already.
pub(crate) async fn take_over(pool: &PgPool, worker: WorkerId) -> Result<(), StoreError> {
    sqlx::query(include_str!("../queries/workers_lapsed.sql"))
        .bind(worker.0)
        .execute(pool)
        .await
        .map(drop)
        .map_err(|error| meaning("taking over from lost workers", error))
}

/// Strikes a worker off.
pub(crate) async fn dismiss(pool: &PgPool, worker: WorkerId) -> Result<(), StoreError> {
    sqlx::query(include_str!("../queries/worker_dismiss.sql"))
        .bind(worker.0)
        .execute(pool)
        .await
        .map(drop)
        .map_err(|error| meaning("dismissing a worker", error))
}

/// The live workers, and who holds what.
pub(crate) async fn crew(pool: &PgPool) -> Result<Crew, StoreError> {
    let failed = |error| meaning("asking who works", error);
    let rows =
        sqlx::query(include_str!("../queries/crew_members.sql")).fetch_all(pool).await.map_err(failed)?;
    let members = rows.iter().map(member).collect::<Result<BTreeMap<_, _>, _>>()?;
    let live: Vec<i64> = members.keys().map(|worker| worker.0).collect();
    let rows = sqlx::query(include_str!("../queries/crew_partitions.sql")).bind(live).fetch_all(pool).await;
    let consumers = rows.map_err(failed)?.iter().map(shared).collect::<Result<_, StoreError>>()?;
    Ok(Crew { members, consumers })
}

fn member(row: &PgRow) -> Result<(WorkerId, Member), StoreError> {
    let texts = |name| Ok::<_, StoreError>(column::<Vec<String>>(row, name)?.into_iter().map(Arc::from));
    let generations: Vec<i64> = column(row, "generations")?;
    let known = |(consumer, generation)| Known { consumer, generation };
    let member = Member {
        about: column(row, "about")?,
        consumers: texts("consumers")?.zip(generations).map(known).collect(),
        jobs: texts("jobs")?.collect(),
    };
    Ok((WorkerId(column(row, "id")?), member))
}

fn shared(row: &PgRow) -> Result<(Arc<str>, SharedConsumer), StoreError> {
    let holders: Vec<Option<i64>> = column(row, "holders")?;
    let holders = holders.into_iter().map(|holder| holder.map(WorkerId)).collect();
    Ok((text(row, "name")?, SharedConsumer { generation: column(row, "generation")?, holders }))
}

pub(crate) fn void(worker: WorkerId) -> StoreError {
    StoreError::Fenced { consumer: format!("worker {}", worker.0) }
}
