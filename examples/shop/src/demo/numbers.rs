//! What is asked of the shop and of its log once everything has settled.

use tidings::Result;
use tidings::flow::Flow;
use tidings::store::{CommandCount, ConsumerStatus, EventCount, JobFilter, JobRow, ParkedRow};

use super::audit::Audit;
use super::flows::{self, Flows};
use crate::analytics::{Day, Days};
use crate::client::Client;
use crate::inventory::{Stock, StockLine};
use crate::notifications::{Mails, MailsCount};
use crate::orders::{ByState, Pieces, SkuPieces, State, StateCount, StockLevels};
use crate::payments::{ByStatus, StatusCount};
use crate::shop::Shop;

/// More than the demo can have of anything.
const ALL: usize = 1_000_000;

pub(super) struct Numbers {
    /// From the modules, over HTTP.
    pub(super) orders: Vec<StateCount>,
    pub(super) reserved_pieces: Vec<SkuPieces>,
    pub(super) shipped_pieces: Vec<SkuPieces>,
    pub(super) stock_levels: Vec<SkuPieces>,
    pub(super) stock: Vec<StockLine>,
    pub(super) payments: Vec<StatusCount>,
    pub(super) mails: Vec<MailsCount>,
    pub(super) days: Vec<Day>,
    /// From the provider's own books.
    pub(super) audit: Audit,
    /// From the log.
    pub(super) messages: Vec<EventCount>,
    pub(super) commands: Vec<CommandCount>,
    pub(super) consumers: Vec<ConsumerStatus>,
    pub(super) parked: Vec<ParkedRow>,
    pub(super) jobs: Vec<JobRow>,
    pub(super) flows: Flows,
    /// What one order caused.
    pub(super) one_order: Option<Flow>,
}

pub(super) async fn gather(shop: &Shop, client: &Client) -> Result<Numbers> {
    let store = shop.app.store();
    let mut shipped_pieces = Vec::new();
    for state in State::ALL.into_iter().filter(|state| state.is_shipped()) {
        shipped_pieces.extend(client.ask(&Pieces { state }).await?);
    }
    let jobs = shop.app.jobs().list(&JobFilter::default(), ALL).await?;
    Ok(Numbers {
        orders: client.ask(&ByState {}).await?,
        reserved_pieces: client.ask(&Pieces { state: State::StockReserved }).await?,
        shipped_pieces,
        stock_levels: client.ask(&StockLevels {}).await?,
        stock: client.ask(&Stock {}).await?,
        payments: client.ask(&ByStatus {}).await?,
        mails: client.ask(&Mails {}).await?,
        days: client.ask(&Days {}).await?,
        audit: Audit::of(shop)?,
        messages: store.counts().await?,
        commands: store.command_counts().await?,
        consumers: store.consumers().await?,
        parked: store.parked(None, None, ALL).await?,
        flows: flows::gather(store.as_ref(), ALL).await?,
        one_order: flows::of_one_order(&shop.app, &jobs).await?,
        jobs,
    })
}
