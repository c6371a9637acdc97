//! Starts victims, kills them, and audits what is left.

mod acks;
pub(crate) mod audit;
mod campaign;
mod figures;
pub(crate) mod provider;
mod victim;

pub(crate) use campaign::{Campaign, Setting};
pub(crate) use victim::Victim;
