//! What is asked of the shop and of its log once everything has settled.

use tidings::store::{CommandCount, ConsumerStatus, EventCount, ParkedRow};
use tidings::{App, Result};

use super::client::Client;
use super::flows::{self, Flows};
use crate::inventory::{Stock, StockLine};
use crate::orders::{ByState, ReservedPieces, SkuPieces, StateCount, StockLevels};
use crate::payments::{ByStatus, StatusCount};

/// More than the demo can have of anything.
const ALL: usize = 1_000_000;

pub(super) struct Numbers {
    /// From the modules, over HTTP.
    pub(super) orders: Vec<StateCount>,
    pub(super) reserved_pieces: Vec<SkuPieces>,
    pub(super) stock_levels: Vec<SkuPieces>,
    pub(super) stock: Vec<StockLine>,
    pub(super) payments: Vec<StatusCount>,
    /// From the log.
    pub(super) messages: Vec<EventCount>,
    pub(super) commands: Vec<CommandCount>,
    pub(super) consumers: Vec<ConsumerStatus>,
    pub(super) parked: Vec<ParkedRow>,
    pub(super) flows: Flows,
}

pub(super) async fn gather(app: &App, client: &Client) -> Result<Numbers> {
    let store = app.store();
    Ok(Numbers {
        orders: client.ask(&ByState {}).await?,
        reserved_pieces: client.ask(&ReservedPieces {}).await?,
        stock_levels: client.ask(&StockLevels {}).await?,
        stock: client.ask(&Stock {}).await?,
        payments: client.ask(&ByStatus {}).await?,
        messages: store.counts().await?,
        commands: store.command_counts().await?,
        consumers: store.consumers().await?,
        parked: store.parked(None, None, ALL).await?,
        flows: flows::gather(store.as_ref(), ALL).await?,
    })
}
