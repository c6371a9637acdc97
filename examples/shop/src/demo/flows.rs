//! What one request causes.

use std::collections::BTreeMap;

use tidings::flow::Flow;
use tidings::store::{JobRow, JobState, Store, StoreError};
use tidings::{App, MessageId, Result};

use crate::percentile::percentile;

/// The flows by what they begin with.
pub(super) type Flows = BTreeMap<String, FlowsOfAKind>;

/// The flows that begin with the same message.
#[derive(Default)]
pub(super) struct FlowsOfAKind {
    /// Their sizes in messages, ascending.
    pub(super) sizes: Vec<u64>,
}

impl FlowsOfAKind {
    /// The size that so many percent of the flows do not exceed.
    pub(super) fn percentile(&self, percent: usize) -> u64 {
        percentile(&self.sizes, percent)
    }
}

pub(super) async fn gather(store: &dyn Store, limit: usize) -> Result<Flows, StoreError> {
    let mut flows = Flows::new();
    for size in store.flow_sizes(limit).await? {
        let messages = store.flow(size.correlation_id).await?;
        let Some(first) = messages.first() else { continue };
        let of_a_kind = flows.entry(first.envelope.name.to_string()).or_default();
        of_a_kind.sizes.push(size.messages);
    }
    for of_a_kind in flows.values_mut() {
        of_a_kind.sizes.sort_unstable();
    }
    Ok(flows)
}

/// The flow of one order that went all the way; of those, the one with the most attempts. An order that had to wait for
/// goods ends in the flow of the delivery that brought them.
pub(super) async fn of_one_order(app: &App, jobs: &[JobRow]) -> Result<Option<Flow>> {
    let mut flows: BTreeMap<MessageId, OfOneOrder> = BTreeMap::new();
    for job in jobs {
        let flow = flows.entry(job.correlation_id).or_default();
        flow.charged |= &*job.name == "payments.charge";
        flow.delivered |= &*job.name == "shipping.deliver" && job.state == JobState::Completed;
        flow.attempts += job.attempts;
    }
    let all_the_way = flows.into_iter().filter(|(_, flow)| flow.charged && flow.delivered);
    match all_the_way.max_by_key(|(_, flow)| flow.attempts) {
        Some((correlation_id, _)) => app.flow(correlation_id).await,
        None => Ok(None),
    }
}

#[derive(Default)]
struct OfOneOrder {
    charged: bool,
    delivered: bool,
    attempts: u32,
}
