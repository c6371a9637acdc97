//! What all connections of one store share.

use crate::checker::Checker;
use crate::fullness::Fullness;
use crate::guard::Owners;
use crate::jobs::Workers;
use crate::stats::Counters;
use crate::wake::Watchers;

pub(crate) struct Env {
    /// The database as error messages name it.
    pub(crate) database: String,
    pub(crate) owners: Owners,
    pub(crate) checker: Checker,
    pub(crate) fullness: Fullness,
    pub(crate) watchers: Watchers,
    pub(crate) counters: Counters,
    pub(crate) workers: Workers,
}
