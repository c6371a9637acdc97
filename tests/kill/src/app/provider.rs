//! The way to the provider: real HTTP to a process that outlives this one.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tidings::{Error, JobCtx, Result};
use tokio::net::TcpStream;

/// How this process reaches the provider. Handlers are plain functions, so there is one way for all of them.
pub struct Provider {
    address: SocketAddr,
    is_forgetful: bool,
}

static PROVIDER: OnceLock<Provider> = OnceLock::new();

impl Provider {
    /// Says where the provider is. A forgetful caller has another dedupe key for each attempt, which is a planted bug.
    pub fn is_at(address: SocketAddr, is_forgetful: bool) {
        // A second call would be a mistake of the victim's `main`, and changes nothing.
        let _first_one_stands = PROVIDER.set(Self { address, is_forgetful });
    }
}

/// What the provider is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// The account.
    pub account: String,
    /// The entry.
    pub seq: i64,
    /// How much is to be taken.
    pub amount: i64,
}

/// What it says when that is done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The same for each call with the same key.
    pub receipt: String,
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no provider in this plan")]
    Nowhere,
    #[error("the provider answers {0}")]
    Answer(StatusCode),
    #[error("what the provider says is no receipt")]
    Garbage(#[source] serde_json::Error),
}

/// How soon to come back to a provider that is not available.
const COMES_BACK: Duration = Duration::from_millis(15);

/// Has something done once for all attempts of a job, and returns the receipt.
pub(super) async fn book<D: tidings::Driver>(ctx: &JobCtx<D>, path: &str, bill: &Bill) -> Result<String> {
    let provider = PROVIDER.get().ok_or_else(|| Error::permanent(Refusal::Nowhere))?;
    let key = match provider.is_forgetful {
        true => format!("{}/{}", ctx.dedupe_key(), ctx.attempt()),
        false => ctx.dedupe_key().to_string(),
    };
    // Whatever happens to the connection may pass at once; what the provider says stays true for a while.
    let (status, body) = post(provider.address, path, &key, bill).await.map_err(Error::transient)?;
    match status {
        StatusCode::OK | StatusCode::CREATED => {
            let Receipt { receipt } =
                serde_json::from_slice(&body).map_err(|error| Error::failed(Refusal::Garbage(error)))?;
            Ok(receipt)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(ctx.retry_after(COMES_BACK, Error::failed(Refusal::Answer(status))))
        }
        status if status.is_client_error() => Err(Error::permanent(Refusal::Answer(status))),
        status => Err(Error::failed(Refusal::Answer(status))),
    }
}

async fn post(
    address: SocketAddr,
    path: &str,
    key: &str,
    bill: &Bill,
) -> std::result::Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post(format!("/{path}"))
        .header("host", address.to_string())
        .header("idempotency-key", key)
        // For whoever wants to know whom to kill.
        .header("x-process", std::process::id().to_string())
        .body(Full::<Bytes>::from(serde_json::to_vec(bill)?))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        // The connection ends with its only sender.
        drop(sender);
        Ok::<_, hyper::Error>((status, body))
    };
    // Both in the attempt's own task: whoever drops the attempt drops the connection.
    let (answer, _closed) = tokio::join!(answer, connection);
    Ok(answer?)
}
