//! Enqueueing.

use sqlx::PgConnection;
use tidings_core::ids::MessageId;
use tidings_core::store::{Enqueued, NewJob, StoreError};
use uuid::Uuid;

use crate::error::meaning;
use crate::rows::column;

/// Enqueues jobs in order, in one statement.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, StoreError> {
    let is_plain = |job: &NewJob| job.key.is_none() && job.unique.is_none();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    if jobs.iter().all(is_plain) {
        match jobs {
            [job] => enqueue_one(connection, job).await,
            _ => enqueue_plain(connection, jobs).await,
        }
        .map_err(|error| meaning("enqueueing jobs", error))?;
        return Ok(vec![Enqueued::New; jobs.len()]);
    }
    let until = |job: &NewJob| job.unique.as_ref()?.until.map(|until| until.as_microsecond());
    let rows = sqlx::query(include_str!("../../queries/job_enqueue.sql"))
        .bind(each(jobs, |job| job.id.0))
        .bind(each(jobs, |job| &*job.name))
        .bind(each(jobs, |job| &*job.queue))
        .bind(each(jobs, |job| job.priority))
        .bind(each(jobs, |job| job.due.as_microsecond()))
        .bind(each(jobs, |job| job.at.as_microsecond()))
        .bind(each(jobs, |job| job.key.as_ref().map(|key| key.as_str())))
        .bind(each(jobs, |job| job.share.as_deref()))
        .bind(each(jobs, |job| job.unique.as_ref().map(|unique| unique.key.as_str())))
        .bind(each(jobs, |job| job.unique.as_ref().map(|unique| unique.hash.as_slice())))
        .bind(each(jobs, until))
        .bind(each(jobs, |job| &*job.source))
        .bind(each(jobs, |job| job.correlation_id.0))
        .bind(each::<Option<Uuid>>(jobs, |job| job.causation_id.map(|id| id.0)))
        .bind(each(jobs, |job| job.trace.traceparent()))
        .bind(each(jobs, |job| job.trace.tracestate.as_deref()))
        .bind(each(jobs, |job| job.trace.baggage.as_deref()))
        .bind(each(jobs, |job| job.data.as_str()))
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("enqueueing jobs", error))?;
    let mut enqueued = vec![Enqueued::New; jobs.len()];
    for row in &rows {
        let there = MessageId(column(row, "taken_by")?);
        let is_same: bool = column(row, "is_same")?;
        let number: i32 = column(row, "number")?;
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        if let Some(answer) = place.and_then(|place| enqueued.get_mut(place)) {
            *answer = if is_same { Enqueued::Existing(there) } else { Enqueued::Conflict(there) };
        }
    }
    Ok(enqueued)
}

/// One that depends on nothing that is there.
async fn enqueue_one(connection: &mut PgConnection, job: &NewJob) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/job_enqueue_one.sql"))
        .bind(job.id.0)
        .bind(&*job.name)
        .bind(&*job.queue)
        .bind(job.priority)
        .bind(job.due.as_microsecond())
        .bind(job.at.as_microsecond())
        .bind(job.share.as_deref())
        .bind(&*job.source)
        .bind(job.correlation_id.0)
        .bind(job.causation_id.map(|id| id.0))
        .bind(job.trace.traceparent())
        .bind(job.trace.tracestate.as_deref())
        .bind(job.trace.baggage.as_deref())
        .bind(job.data.as_str())
        .execute(connection)
        .await
        .map(drop)
}

/// Those that depend on nothing that is there.
async fn enqueue_plain(connection: &mut PgConnection, jobs: &[NewJob]) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../../queries/job_enqueue_plain.sql"))
        .bind(each(jobs, |job| job.id.0))
        .bind(each(jobs, |job| &*job.name))
        .bind(each(jobs, |job| &*job.queue))
        .bind(each(jobs, |job| job.priority))
        .bind(each(jobs, |job| job.due.as_microsecond()))
        .bind(each(jobs, |job| job.at.as_microsecond()))
        .bind(each(jobs, |job| job.share.as_deref()))
        .bind(each(jobs, |job| &*job.source))
        .bind(each(jobs, |job| job.correlation_id.0))
        .bind(each::<Option<Uuid>>(jobs, |job| job.causation_id.map(|id| id.0)))
        .bind(each(jobs, |job| job.trace.traceparent()))
        .bind(each(jobs, |job| job.trace.tracestate.as_deref()))
        .bind(each(jobs, |job| job.trace.baggage.as_deref()))
        .bind(each(jobs, |job| job.data.as_str()))
        .execute(connection)
        .await
        .map(drop)
}

fn each<'a, T>(jobs: &'a [NewJob], field: impl Fn(&'a NewJob) -> T) -> Vec<T> {
    jobs.iter().map(field).collect()
}
