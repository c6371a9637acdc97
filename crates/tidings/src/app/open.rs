//! The store that the configuration names.

use std::sync::Arc;

use tidings_core::store::Store;

use super::BuildError;
use crate::config::{Config, StorePlace};

pub(super) async fn open(config: &Config) -> Result<Arc<dyn Store>, BuildError> {
    let place = config.store.place().map_err(|problem| config.store.not_usable(&problem))?;
    let idle = config.store.idle_settings(place);
    if !idle.is_empty() {
        let (settings, store) = (idle.join("`, `store."), place.kind());
        tracing::warn!(store, "not used, because this store has no such setting: `store.{settings}`");
    }
    match place {
        #[cfg(feature = "sqlite")]
        StorePlace::Sqlite(path) => Ok(crate::sqlite::open(config, path).await?),
        #[cfg(not(feature = "sqlite"))]
        StorePlace::Sqlite(_) => Err(BuildError::NoStore { kind: place.kind(), feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(url) => Ok(crate::postgres::open(config, url).await?),
        #[cfg(not(feature = "postgres"))]
        StorePlace::Postgres(_) => Err(BuildError::NoStore { kind: place.kind(), feature: "postgres" }),
    }
}
