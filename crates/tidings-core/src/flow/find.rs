//! From an id to its flow.

use super::{Flow, FlowId};
use crate::ids::MessageId;
use crate::store::{Inspect, StoreError};

/// The flow that something belongs to; `None` if the store has nothing of that id. Of a trace with several flows it is the
/// oldest one, which names the [others](Flow::other_flows).
///
/// # Errors
/// The store's.
pub async fn find<S: Inspect + Sync + ?Sized>(store: &S, id: FlowId) -> Result<Option<Flow>, StoreError> {
    let Some((correlation_id, other_flows)) = correlation_of(store, id).await? else { return Ok(None) };
    let facts = store.flow_facts(correlation_id).await?;
    // Retention may have taken it between the two questions.
    Ok((!facts.is_empty()).then(|| Flow { other_flows, ..Flow::of(facts) }))
}

async fn correlation_of<S: Inspect + Sync + ?Sized>(
    store: &S,
    id: FlowId,
) -> Result<Option<(MessageId, Vec<MessageId>)>, StoreError> {
    let (by_id, by_trace) = match id {
        FlowId::Message(id) => (Some(id), None),
        FlowId::Trace(trace_id) => (None, Some(trace_id)),
        FlowId::Either(digits) => (Some(MessageId(uuid::Uuid::from_u128(digits))), Some(digits)),
    };
    if let Some(id) = by_id
        && let Some(found) = store.correlation_of(id).await?
    {
        return Ok(Some((found, Vec::new())));
    }
    let Some(trace_id) = by_trace else { return Ok(None) };
    let mut flows = store.flows_of_trace(trace_id).await?.into_iter();
    Ok(flows.next().map(|oldest| (oldest, flows.collect())))
}
