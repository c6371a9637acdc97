//! Consumers: entering, holding, reading.

mod due;
mod hold;
mod read_after;
mod reads;
mod register;
mod retire;

pub(crate) use due::due;
pub(crate) use hold::{hold, parked_keys};
pub(crate) use read_after::read_after;
pub(crate) use reads::generations;
pub(crate) use register::register;
pub(crate) use retire::retire;
