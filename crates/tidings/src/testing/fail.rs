//! How a test fails: with the line that asked, and with what happened.

use std::collections::HashSet;
use std::fmt::Write;
use std::panic::Location;

use tidings_core::flow::{FlowId, find};
use tidings_core::ids::MessageId;

use super::TestApp;

/// Where in the test something was asked for. A future has no caller of its own, so it takes this along.
pub(super) type Place = &'static Location<'static>;

#[track_caller]
pub(super) fn here() -> Place {
    Location::caller()
}

/// Fails the test.
pub(super) fn fail(place: Place, message: &str) -> ! {
    panic!("at {place}: {}", message.trim_end())
}

/// More flows than this are not drawn.
const FLOWS_MAX: usize = 10;

impl TestApp {
    /// These flows as trees, each once.
    pub(super) async fn trees(&self, ids: impl IntoIterator<Item = MessageId>) -> String {
        let mut seen = HashSet::new();
        let ids: Vec<MessageId> = ids.into_iter().filter(|id| seen.insert(*id)).collect();
        let mut text = String::new();
        for id in ids.iter().take(FLOWS_MAX) {
            let drawn = match find(self.app.store().as_ref(), FlowId::Message(*id)).await {
                Ok(Some(flow)) => writeln!(text, "\n{flow}"),
                Ok(None) => writeln!(text, "\nflow {id}\nnothing of it is on record"),
                Err(error) => writeln!(text, "\nflow {id} cannot be read: {error}"),
            };
            // Writing to a string does not fail.
            debug_assert!(drawn.is_ok());
        }
        if ids.len() > FLOWS_MAX {
            text.push_str(&format!("\nand {} more flows\n", ids.len() - FLOWS_MAX));
        }
        text
    }

    /// The newest flows as trees, oldest first: for what has to do with no flow, or is missing in all.
    pub(super) async fn newest_trees(&self) -> String {
        match self.app.store().flow_sizes(FLOWS_MAX).await {
            Ok(flows) if flows.is_empty() => "\nnothing was published so far".to_owned(),
            Ok(flows) => self.trees(flows.iter().rev().map(|flow| flow.correlation_id)).await,
            Err(error) => format!("\nthe flows cannot be read: {error}"),
        }
    }
}
