//! What a store of [Tidings](https://docs.rs/tidings) must pass, and the tools to break one on purpose.
//!
//! - [`suite`]: the conformance suites, in groups. One suite is one async function that takes a
//!   [`StoreFactory`](factory::StoreFactory) and panics when the store breaks a promise;
//!   [`conformance!`] makes a test of each.
//! - [`faults`]: a store that fails, panics or stands still at a chosen step.
//! - [`proxy`]: a network between a store and its server that cuts, refuses and swallows when a test says so.
//! - [`pooler`]: PgBouncer in front of a server.
//! - [`twins`]: stores with a planted bug. A suite that does not catch its twin proves nothing.
//! - [`clock`]: business time and lease time that move when a test says so.
//!
//! A backend binds the groups it promises:
//!
//! ```
//! use std::sync::Arc;
//! use tidings_testkit::factory::{StoreFactory, TestDatabase};
//!
//! struct Fresh;
//!
//! #[async_trait::async_trait]
//! impl StoreFactory for Fresh {
//!     async fn fresh(&self) -> Box<dyn TestDatabase> {
//!         unimplemented!("open an empty database")
//!     }
//! }
//!
//! tidings_testkit::conformance!(log, Fresh);
//! tidings_testkit::conformance!(outcomes, Fresh);
//! ```

pub mod clock;
pub mod factory;
pub mod faults;
pub mod layer;
mod macros;
pub mod on_driver;
pub mod pooler;
pub mod proxy;
pub mod random;
pub mod script;
pub mod suite;
pub mod twins;
