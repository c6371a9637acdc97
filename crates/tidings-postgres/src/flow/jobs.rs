//! The jobs of a flow.

use sqlx::PgConnection;
use tidings_core::flow::JobFact;
use tidings_core::ids::MessageId;
use tidings_core::store::StoreError;

/// None, while this store has no jobs. They are one query (`flow_jobs.sql`) and one more for their attempts, in the snapshot
/// of all the rest.
#[expect(clippy::unused_async, reason = "the queries are to come with the tables of jobs")]
pub(super) async fn jobs(
    _connection: &mut PgConnection,
    _flow: MessageId,
) -> Result<Vec<JobFact>, StoreError> {
    Ok(Vec::new())
}
