//! Commands at the edge: a call with a deadline.

mod admission;
mod carry_out;
mod error;
mod gate;
mod idempotency;
mod keyed;
mod run;
mod send;

pub(crate) use admission::Admission;
pub(crate) use carry_out::outcome_record;
pub use error::SendError;
pub(crate) use gate::{Gate, Refusal};
pub(crate) use idempotency::InFlight;
pub use run::Caller;
pub(crate) use run::{run, send_json};
pub use send::SendCommand;
