//! What one request causes.

use std::collections::BTreeMap;

use tidings::envelope::Recorded;
use tidings::store::{Store, StoreError};

use crate::percentile::percentile;

/// The flows by what they begin with.
pub(super) type Flows = BTreeMap<String, FlowsOfAKind>;

/// The flows that begin with the same message.
#[derive(Default)]
pub(super) struct FlowsOfAKind {
    /// Their sizes in messages, ascending.
    pub(super) sizes: Vec<u64>,
    /// The largest as a tree, one line a message.
    pub(super) largest: Vec<String>,
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
        if of_a_kind.sizes.iter().all(|known| *known < size.messages) {
            of_a_kind.largest = tree(&messages);
        }
        of_a_kind.sizes.push(size.messages);
    }
    for of_a_kind in flows.values_mut() {
        of_a_kind.sizes.sort_unstable();
    }
    Ok(flows)
}

/// Draws who caused whom, one line a message.
fn tree(messages: &[Recorded]) -> Vec<String> {
    let ids: Vec<_> = messages.iter().map(|message| message.envelope.id).collect();
    let is_root =
        |message: &&Recorded| message.envelope.causation_id.is_none_or(|cause| !ids.contains(&cause));
    let mut lines = Vec::new();
    for root in messages.iter().filter(is_root) {
        lines.push(root.envelope.name.to_string());
        branches(messages, root, "", &mut lines);
    }
    lines
}

fn branches(messages: &[Recorded], cause: &Recorded, indent: &str, lines: &mut Vec<String>) {
    let caused = |message: &&Recorded| message.envelope.causation_id == Some(cause.envelope.id);
    let effects: Vec<&Recorded> = messages.iter().filter(caused).collect();
    for (index, effect) in effects.iter().enumerate() {
        let (elbow, below) = if index + 1 == effects.len() { ("└ ", "  ") } else { ("├ ", "│ ") };
        lines.push(format!("{indent}{elbow}{}", effect.envelope.name));
        branches(messages, effect, &format!("{indent}{below}"), lines);
    }
}
