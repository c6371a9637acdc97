//! One process of a fleet.

use super::super::proxy::Proxy;
use super::super::victim::Victim;

#[derive(Default)]
pub(super) struct Member {
    /// While it runs.
    pub(super) victim: Option<Victim>,
    /// The network between it and the server, if that can be cut.
    pub(super) network: Option<Proxy>,
    /// Modules that its next life has not.
    pub(super) without: Vec<String>,
}
