//! What a contract, a reader, a command, a query and a job are to the compiler.
//!
//! Events come from files: `tidings::contracts!` writes an [`Event`] implementation for every
//! version in the registry, so what is not in the registry cannot be published. Readers are
//! written by hand and checked by `#[derive(Reads)]`. Commands, queries and jobs are plain structs with
//! `#[derive(Command)]`, `#[derive(Query)]` and `#[derive(Job)]`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reads::ReadField;

/// How much of its owner's state an event carries (`x-kind` in the contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A lean fact: ids and what changed. Readers that need more ask the owner.
    Notification,
    /// A deliberate copy of state for readers that must not ask (event-carried state transfer).
    StateTransfer,
}

/// One version of a contract, as a Rust type that can be published.
///
/// Implemented by `tidings::contracts!` and `tidings gen`, never by hand: the implementation and
/// the schema file must say the same.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event of the contract registry, so it cannot be published or owned",
    label = "not generated from a contract",
    note = "write the contract as `schemas/<event>/v1.json` and use the type that `tidings::contracts!(\"schemas\")` makes of it"
)]
pub trait Event: Serialize + Send + Sync + 'static {
    /// The event's name: its folder in the registry, for example `orders.placed`.
    const NAME: &'static str;
    /// The contract's version, counted from 1.
    const VERSION: u32;
    /// The module that alone publishes this event (`x-owner`).
    const OWNER: &'static str;
    /// Notification or state transfer (`x-kind`).
    const KIND: EventKind;
    /// The property that orders this event (`x-key`), and at once the kind of that key; `None` for
    /// an event without order.
    const KEY: Option<&'static str>;
    /// The contract as one self-contained JSON Schema document (shared definitions bundled).
    const SCHEMA: &'static str;

    /// The key's value in this event, `None` if and only if [`Event::KEY`] is.
    fn key(&self) -> Option<String>;
}

/// Every version of an event that a registry holds: what `contracts!` hands to the application, so
/// that it can validate and check readers without touching files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractInfo {
    /// The event's name.
    pub name: &'static str,
    /// The contract's version.
    pub version: u32,
    /// The owning module.
    pub owner: &'static str,
    /// The property that orders the event.
    pub key: Option<&'static str>,
    /// The self-contained JSON Schema document.
    pub schema: &'static str,
}

impl ContractInfo {
    /// The facts of one generated event type.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self { name: E::NAME, version: E::VERSION, owner: E::OWNER, key: E::KEY, schema: E::SCHEMA }
    }
}

/// What one consumer takes from an event: a struct with just the fields it needs.
///
/// Derived with `#[derive(Reads)]`, which checks each field against every contract version that the
/// struct names. Decoding ignores all other fields, so a newer version that keeps these fields is
/// read by the same code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which event it reads",
    label = "not a reader of an event",
    note = "derive it: `#[derive(Reads)] #[reads(\"orders.placed\", versions = \"1..=2\")] struct OrderRef {{ order_id: Uuid }}`",
    note = "a consumer declares the fields it reads; generated event types are for publishing"
)]
pub trait Reads: Sized + Send + 'static {
    /// The event that is read.
    const EVENT: &'static str;
    /// The contract versions the fields were checked against at compile time, ascending.
    const VERSIONS: &'static [u32];
    /// Paths of the fields read, for the manifest: `order_id`, `lines[].sku`.
    const FIELDS: &'static [&'static str];
    /// The fields with their types, by which an application checks versions that this reader was not compiled against;
    /// `None` if the implementation is written by hand, which can only be tried on payloads.
    #[doc(hidden)]
    const TYPES: Option<&'static [ReadField]> = None;

    /// Decodes the declared fields from an event's JSON text.
    ///
    /// # Errors
    /// Names the field that is missing or of another type.
    fn decode(json: &str) -> Result<Self, serde_json::Error>;
}

/// A part of a [`Reads`] struct: a nested object or the elements of an array, declared with
/// `#[reads("orders.placed", versions = "1..=2", at = "lines[]")]`.
///
/// The parent's derive asserts that event, path and versions agree.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is used inside a reader, but is not one",
    note = "derive it with the path it sits at: `#[derive(Reads)] #[reads(\"orders.placed\", versions = \"1..=2\", at = \"lines[]\")]`"
)]
pub trait ReadsPart: DeserializeOwned {
    /// The event it belongs to.
    const EVENT: &'static str;
    /// Where it sits, from the event's root: `lines[]`, `customer.address`.
    const AT: &'static str;
    /// The contract versions it was checked against, ascending.
    const VERSIONS: &'static [u32];
    /// Paths of the fields read, from the event's root.
    const FIELDS: &'static [&'static str];
    /// The fields with their types, see [`Reads::TYPES`].
    #[doc(hidden)]
    const TYPES: &'static [ReadField];
}

/// A request to the one module that owns the work; it may be rejected.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "has no durable command name",
    note = "derive it: `#[derive(Command, Serialize, Deserialize)] #[command(\"orders.place\", output = OrderId)] struct PlaceOrder {{ .. }}`"
)]
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the caller gets when the command completes.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// The durable name, `<module>.<verb>`: `orders.place`.
    const NAME: &'static str;
}

/// A read-only request to a module.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "has no durable query name",
    note = "derive it: `#[derive(Query, Serialize, Deserialize)] #[query(\"inventory.stock-level\", output = Level)] struct StockLevel {{ .. }}`"
)]
pub trait Query: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The answer.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// The durable name, `<module>.<noun>`: `inventory.stock-level`.
    const NAME: &'static str;
}

/// Queued work of a module, with effects outside the database.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "has no durable job name",
    note = "derive it: `#[derive(Job, Serialize, Deserialize)] #[job(\"inventory.reorder\")] struct Reorder {{ .. }}`"
)]
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The durable name, `<module>.<verb>`: `inventory.reorder`.
    const NAME: &'static str;
}
