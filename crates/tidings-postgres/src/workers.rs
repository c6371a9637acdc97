//! Who works, and what they hold: processes, each with a lease by the clock of the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use tidings_core::store::{Crew, Known, Member, SharedConsumer, StoreError, WorkerId};

use crate::error::meaning;
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, text};

/// The live workers, and who holds what.
pub(crate) async fn crew(pool: &Pool) -> Result<Crew, StoreError> {
    let failed = |error| meaning("asking who works", error);
    let rows = sqlx::query(include_str!("../queries/crew_members.sql")).all(pool).await.map_err(failed)?;
    let members = rows.iter().map(member).collect::<Result<BTreeMap<_, _>, _>>()?;
    let live: Vec<i64> = members.keys().map(|worker| worker.0).collect();
    let rows = sqlx::query(include_str!("../queries/crew_partitions.sql")).bind(live).all(pool).await;
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
