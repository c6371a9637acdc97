//! The shop put together: its modules, and what travels between them.

use tidings::{App, BuildError, Config};

use crate::provider_client::ProviderClient;
use crate::{analytics, contracts, customers, inventory, notifications, orders, payments, shipping};

/// Starts the shop on the store that the configuration names.
pub(crate) async fn start(config: Config, provider: &ProviderClient) -> Result<App, BuildError> {
    App::builder()
        .modules([
            orders::module(),
            customers::module(),
            shipping::module(),
            payments::module(provider),
            inventory::module(),
            notifications::module(provider),
            analytics::module(),
        ])
        .contracts(contracts::CONTRACTS)
        .config(config)
        .build()
        .await
}
