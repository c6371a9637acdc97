//! A stand-in for the facade, so that generated code finds its paths.

pub use tidings_core::contract::{
    Command, ContractInfo, Event, EventKind, Query, Reads, ReadsPart,
};
pub use tidings_macros::{Command, Query, Reads, contracts, migrations};

/// One step of a module's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

#[doc(hidden)]
pub mod __private {
    pub use tidings_core as core;
    pub use {jiff, serde, serde_json, uuid};
}
