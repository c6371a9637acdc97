//! The shop's provider of payments and e-mail: another company's server, in miniature.
//!
//! It is slow, fails and loses answers as often as it is told to, and books every request with an idempotency key once.
//! What it has booked is in a file of its own, apart from the shop's database, so that the two can be compared.

mod answer;
mod connection;
mod desk;
mod faults;
mod ledger;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tidings::Result;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::AbortHandle;

#[cfg(test)]
pub(crate) use desk::DECLINED_ABOVE_CENTS;
pub(crate) use desk::Tally;
pub(crate) use faults::Faults;
pub(crate) use ledger::{Booking, Kind, read};

use answer::Answer;
use desk::Desk;
use ledger::Ledger;

struct Provider {
    faults: Faults,
    desk: Mutex<Desk>,
}

/// A provider that takes connections until this is dropped.
pub(crate) struct Serving {
    address: SocketAddr,
    ledger: PathBuf,
    provider: Arc<Provider>,
    task: AbortHandle,
}

/// A provider that has an address, and does not answer yet: who asks waits.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(crate) async fn at(address: impl ToSocketAddrs) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves with the bookings of this file, which is made if it is missing. No other provider may be using it.
    pub(crate) fn serve(self, ledger: &Path, faults: Faults) -> Result<Serving> {
        let Self { listener, address } = self;
        let desk = Mutex::new(Desk::with(Ledger::open(ledger)?));
        let provider = Arc::new(Provider { faults, desk });
        let task = tokio::spawn(connection::accept(listener, router(provider.clone()))).abort_handle();
        Ok(Serving { address, ledger: ledger.to_owned(), provider, task })
    }
}

impl Serving {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// What it has done since it was started.
    pub(crate) fn tally(&self) -> Tally {
        self.provider.with(|desk| desk.tally().clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// Books and answers, and misbehaves.
    async fn serve(&self, kind: Kind, headers: HeaderMap, body: Bytes) -> Response {
        let fault = self.faults.draw();
        if let Some(fault) = fault {
            self.with(|desk| desk.count_fault(fault));
        }
        self.faults.delay(fault).await;
        if let Some(refusal) = answer::before_booking(fault) {
            return refusal;
        }
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let answer = match (key, serde_json::from_slice(&body)) {
            (Some(key), Ok(request)) if !key.is_empty() => self.with(|desk| desk.book(kind, key, &request)),
            (_, Err(_)) => Answer::refused(400, "the body is not JSON"),
            _ => Answer::refused(400, "there is no `Idempotency-Key`"),
        };
        answer::after_booking(fault, &answer).await
    }

    /// Nothing that runs under the lock can leave the desk half-changed, so a panic elsewhere is no reason to stop.
    fn with<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        work(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn router(provider: Arc<Provider>) -> Router {
    Router::new()
        .route("/charges", post(charge))
        .route("/refunds", post(refund))
        .route("/mails", post(mail))
        .route("/ledger", get(ledger))
        .with_state(provider)
}

async fn charge(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    provider.serve(Kind::Charge, headers, body).await
}

async fn refund(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    provider.serve(Kind::Refund, headers, body).await
}

async fn mail(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    provider.serve(Kind::Mail, headers, body).await
}

/// For the audit, and never faulty.
async fn ledger(State(provider): State<Arc<Provider>>) -> Response {
    let summary = provider.with(|desk| desk.summary());
    axum::Json(summary).into_response()
}
