//! Starts victims, kills them, and audits what is left.

mod acks;
pub(crate) mod audit;
pub(crate) mod campaign;
mod figures;
pub(crate) mod fleet;
pub(crate) mod postgres;
pub(crate) mod provider;
pub(crate) mod proxy;
mod victim;

pub(crate) use campaign::{Campaign, Setting};
pub(crate) use victim::Victim;
