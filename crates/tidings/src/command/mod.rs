//! Commands at the edge: a call with a deadline.

mod error;
mod gate;
mod idempotency;
mod run;
mod send;

pub use error::SendError;
pub(crate) use gate::Gate;
pub(crate) use idempotency::InFlight;
pub use run::Caller;
pub(crate) use run::outcome_record;
pub(crate) use run::{run, send_json};
pub use send::SendCommand;
