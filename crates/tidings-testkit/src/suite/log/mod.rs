//! The log, its consumers, and what is parked.

pub mod concurrent;
pub mod fencing;
pub mod holding;
pub mod inspecting;
pub mod model;
pub mod parking;
pub mod reading;
pub mod receipts;
pub mod registration;
pub mod visibility;
