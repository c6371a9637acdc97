//! What the conformance suites do not ask of this store: its server, its network, its roles.
//!
//! They need what the suites need; see conformance.rs.

mod conflicts;
mod faults;
mod functions;
mod impostor;
mod limits;
mod migrations;
mod opening;
mod polling;
mod receipts;
mod restart;
mod roles;
mod server;
mod support;
mod values;
