//! Jobs, their queues, and those who work on them.

pub mod claiming;
pub mod concurrent;
pub mod crons;
pub mod deciding;
pub mod ending;
pub mod enqueueing;
pub mod faults;
pub mod inspecting;
pub mod keeping;
pub mod keys;
pub mod limits;
pub mod model;
pub mod progress;
pub mod queues;
pub mod rates;
pub mod shares;
mod support;
pub mod unique;
pub mod waking;
pub mod workers;
