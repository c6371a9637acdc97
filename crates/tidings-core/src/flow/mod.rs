//! Flows: the tree of everything that one root caused.
//!
//! A store tells [what is on record](FlowFacts) about a flow; [`Flow::of`] makes a tree of it, without any store, runtime or
//! clock. [`find`] does both for whatever id a person has at hand.
//!
//! ```
//! use jiff::Timestamp;
//! use tidings_core::envelope::MessageKind;
//! use tidings_core::flow::{Flow, FlowFacts, HandlingFact, HandlingState, MessageFact};
//! use tidings_core::ids::MessageId;
//!
//! let (placed, reserved) = (MessageId::new(), MessageId::new());
//! let at = |millis: i64| Timestamp::constant(1_769_851_800, 0) + jiff::SignedDuration::from_millis(millis);
//! let event = |id, name: &str, module: &str, millis| MessageFact {
//!     id,
//!     kind: MessageKind::Event,
//!     name: name.into(),
//!     version: 1,
//!     source: module.into(),
//!     key: None,
//!     time: at(millis),
//!     causation_id: (id != placed).then_some(placed),
//!     trace_id: None,
//!     reply_to: None,
//!     handlings: Vec::new(),
//! };
//! let handled = HandlingState::Handled { at: at(5), attempts: None };
//! let facts = FlowFacts {
//!     messages: vec![
//!         MessageFact {
//!             handlings: vec![HandlingFact { consumer: "inventory.reserve-stock".into(), state: handled }],
//!             ..event(placed, "orders.placed", "orders", 0)
//!         },
//!         event(reserved, "inventory.reserved", "inventory", 4),
//!     ],
//!     ..FlowFacts::empty(placed)
//! };
//! let flow = Flow::of(facts);
//! assert_eq!(flow.fan_out.messages, 2);
//! let text = flow.to_string();
//! assert!(text.contains("└─ handled by inventory.reserve-stock  +5 ms"), "{text}");
//! assert!(text.contains("   └─ event inventory.reserved v1  +4 ms"), "{text}");
//! ```
//!
//! # Personal data
//!
//! Payloads are no part of it: a store does not even read them for a flow. Keys are [masked](crate::key::Key::masked). Texts
//! of errors and the reasons that people gave are shown as they are.

mod build;
mod count;
mod facts;
mod find;
mod id;
mod text;
mod tree;

#[cfg(test)]
mod tests;

pub use count::{FanOutCount, Open, Repeated};
pub use facts::{CommandFact, CommandResult, FlowFacts, HandlingFact, HandlingState, JobFact, MessageFact};
pub use find::find;
pub use id::{FlowId, NoFlowId};
pub use text::{Lines, Text};
pub use tree::{Attempt, CommandOutcome, Flow, Handling, JobTimes, Node, What};

/// The JSON Schema (draft 2020-12) of a [`Flow`] written as JSON.
pub const JSON_SCHEMA: &str = include_str!("flow.schema.json");
