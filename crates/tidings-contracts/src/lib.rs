//! Event contracts: a folder of JSON Schema files, read, checked and turned into Rust types.
//!
//! A registry is a folder with one folder per event and one file per version:
//!
//! ```text
//! schemas/
//!   orders.placed/v1.json            the contract, JSON Schema 2020-12
//!   orders.placed/v1.examples.json   payloads it accepts
//!   _shared/money.json               definitions that several contracts refer to
//! ```
//!
//! ```
//! use tidings_contracts::{Files, Registry};
//!
//! let files = Files::new("schemas").with(
//!     "orders.placed/v1.json",
//!     r#"{ "x-owner": "orders", "x-key": "order_id",
//!          "type": "object", "additionalProperties": false,
//!          "required": ["order_id"],
//!          "properties": { "order_id": { "type": "string", "format": "uuid" } } }"#,
//! );
//! let loaded = Registry::from_files(files, Vec::new());
//! assert!(loaded.problems.is_empty());
//!
//! let types = tidings_contracts::rust_types(&loaded.registry).to_string();
//! assert!(types.contains("pub struct V1"));
//! ```
//!
//! Nothing here knows a database, a network or a runtime. Problems are data ([`Problem`]); how they
//! are shown is the caller's business.

mod bundle;
mod contract;
mod files;
mod generate;
mod json;
mod keywords;
mod names;
mod problem;
pub mod reads;
mod refs;
mod registry;
mod samples;
mod shape;
mod unsatisfiable;
#[cfg(feature = "validate")]
mod validate;

pub use contract::{Contract, Kind};
pub use files::{FILE_SIZE_MAX, Files};
pub use generate::rust_types;
pub use names::{did_you_mean, is_segment};
pub use problem::{Problem, Problems};
pub use registry::{Loaded, Registry};
pub use samples::samples;
#[cfg(feature = "validate")]
pub use validate::{Validator, Violation};
