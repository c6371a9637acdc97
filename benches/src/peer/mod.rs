//! Peers: other people's job queues on the same database, with the same durability.

mod apalis;

pub(crate) use apalis::{Apalis, ApalisCaller};
