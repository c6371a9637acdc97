//! The typed driver: sqlx, for users who write `sqlx::query!`.
//!
//! Each statement costs a hop to sqlx's own thread and back, about twenty times what the native driver takes, so it is
//! used for works that ask for it and nothing else.

mod append;
mod awaited;
mod bare;
mod connection;
mod driver;
mod foreign;
mod lent;
mod nesting;
mod values;

pub(crate) use awaited::Awaited;
pub(crate) use connection::{Typed, TypedControl};
pub use driver::{SqlxDriver, SqlxTx};
pub(crate) use lent::LendJob;
pub use lent::{LentConnection, OwnedSqliteTx};
pub(crate) use values::read as read_row;
