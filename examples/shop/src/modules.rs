//! The shop put together: three modules, and what travels between them.

use tidings::{App, BuildError, Config};

use crate::{contracts, inventory, orders, payments};

/// Starts the shop on the store that the configuration names.
pub(crate) async fn start(config: Config) -> Result<App, BuildError> {
    App::builder()
        .modules([orders::module(), payments::module(), inventory::module()])
        .contracts(contracts::CONTRACTS)
        .config(config)
        .build()
        .await
}
