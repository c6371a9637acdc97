//! HTTP, with everything that can go wrong with it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tidings_kill_tests::app::{Bill, Receipt};
use tidings_kill_tests::random::Random;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::faults::{Fault, Faults};
use super::ledger::{Booked, Ledger};

/// Where a request can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    BeforeBooking,
    /// Booked, and not answered.
    AfterBooking,
}

pub(super) struct Desk {
    ledger: Mutex<Ledger>,
    faults: Faults,
    random: Mutex<Random>,
    trap: Mutex<Option<SetTrap>>,
}

/// Where it is set, who is told when it catches something, and who lets that go.
type SetTrap = (Stage, Sender<u32>, oneshot::Receiver<()>);

type Body = BoxBody<Bytes, Broken>;

/// The connection is to end here.
#[derive(Debug, thiserror::Error)]
#[error("a planted end of the connection")]
struct Broken;

/// How long most slow answers take at most.
const SLOW: u64 = 40;

/// How long some of them take: longer than a job has.
const VERY_SLOW: Duration = Duration::from_millis(350);

/// Serves on a free port of this machine.
pub(super) async fn listen(desk: Arc<Desk>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            // A connection that ends before it begins is its caller's affair.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let desk = desk.clone();
            let service = service_fn(move |request| serve(desk.clone(), request));
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // Callers are killed while they are served, and planted faults end connections, too.
                let _ended = connection.await;
            });
        }
    });
    Ok(address)
}

async fn serve(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let of = request.uri().path().trim_start_matches('/').to_owned();
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let key = header("idempotency-key");
    let process = header("x-process").and_then(|process| process.parse().ok()).unwrap_or(0);
    let body = request.into_body().collect().await.map_err(|_cut_short| Broken)?.to_bytes();
    let bill: Option<Bill> = serde_json::from_slice(&body).ok();
    let Some((key, bill)) = key.zip(bill) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "no key, or no bill"));
    };
    // In a task of its own: what the provider has begun does not end because its caller does.
    tokio::spawn(async move { desk.attend(process, &of, &key, bill).await }).await.unwrap_or(Err(Broken))
}

impl Desk {
    pub(super) fn new(ledger: Ledger, faults: Faults, seed: u64) -> Self {
        Self {
            ledger: Mutex::new(ledger),
            faults,
            random: Mutex::new(Random::new(seed)),
            trap: Mutex::new(None),
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    pub(super) fn set_trap(&self, stage: Stage, tell: Sender<u32>, go: oneshot::Receiver<()>) {
        *lock(&self.trap) = Some((stage, tell, go));
    }

    async fn attend(&self, process: u32, of: &str, key: &str, bill: Bill) -> Result<Response<Body>, Broken> {
        let (fault, pause) = self.fate();
        match fault {
            Fault::Unavailable => return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "come back later")),
            Fault::Dropped => return Err(Broken),
            Fault::SlowBefore => tokio::time::sleep(pause).await,
            _ => {}
        }
        self.stop_at(process, Stage::BeforeBooking).await;
        let booked = lock(&self.ledger).book(of, key, bill);
        self.stop_at(process, Stage::AfterBooking).await;
        let (status, receipt) = match booked {
            Booked::New(receipt) => (StatusCode::CREATED, receipt),
            Booked::Repeat(receipt) => (StatusCode::OK, receipt),
            Booked::Declined => return Ok(plain(StatusCode::PAYMENT_REQUIRED, "declined")),
            Booked::Contradicts => {
                return Ok(plain(StatusCode::UNPROCESSABLE_ENTITY, "the key was used otherwise"));
            }
        };
        let receipt = serde_json::to_string(&Receipt { receipt }).map_err(|_no_json| Broken)?;
        match fault {
            Fault::Lost => Err(Broken),
            Fault::Garbage => Ok(plain(status, "<html>all is well</html>")),
            Fault::Half => Ok(half(status, &receipt)),
            Fault::SlowAfter => {
                tokio::time::sleep(pause).await;
                Ok(plain(status, &receipt))
            }
            _ => Ok(plain(status, &receipt)),
        }
    }

    /// What goes wrong, and for how long if it is slowness.
    fn fate(&self) -> (Fault, Duration) {
        let mut random = lock(&self.random);
        let fault = self.faults.draw(&mut random);
        let pause = match random.below(12) {
            0 => VERY_SLOW,
            _ => Duration::from_millis(random.below(SLOW)),
        };
        (fault, pause)
    }

    async fn stop_at(&self, process: u32, stage: Stage) {
        let trap = lock(&self.trap).take_if(|(of, ..)| *of == stage);
        if let Some((_, tell, go)) = trap
            && tell.send(process).is_ok()
        {
            // Whoever has set the trap lets go, or is gone.
            let _gone = go.await;
        }
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    answer(status, text.len(), body.map_err(|never: Infallible| match never {}).boxed())
}

/// Promises all of a text, sends the first half of it, and ends the connection.
fn half(status: StatusCode, text: &str) -> Response<Body> {
    let (first, _) = text.as_bytes().split_at(text.len() / 2);
    let frames = [Ok(Frame::data(Bytes::copy_from_slice(first))), Err(Broken)];
    answer(status, text.len(), BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames))))
}

fn answer(status: StatusCode, length: usize, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-length", length.into());
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
