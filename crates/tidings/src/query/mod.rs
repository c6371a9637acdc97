//! Queries: read-only requests on a snapshot.

mod ask;
mod error;
mod run;

pub use ask::AskQuery;
pub use error::QueryError;
pub(crate) use run::ask_json;
use run::run;
