//! How the shop talks to its provider of payments and e-mail.
//!
//! Every request carries an idempotency key, the job's, so that asking again is always safe. An answer that cannot be
//! trusted (late, broken off, nonsense) is no answer: what it was about is unknown, and the same job asks again.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidings::{Error, Result};
use uuid::Uuid;

/// More than any answer has that makes sense.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const RECEIPT_BYTES_MAX: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The provider at an address. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ProviderClient {
    http: Client,
    base: Url,
}

/// What the provider said about a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charged {
    /// The money is taken.
    Booked(Receipt),
    /// It will not be, whoever asks.
    Declined,
    /// The charge was taken back before it was made.
    Withdrawn,
}

/// The provider's name for what it has done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Receipt(pub(crate) String);

#[derive(Deserialize)]
struct Booked {
    receipt: Receipt,
}

#[derive(Deserialize)]
struct Refunded {
    refunded_cents: u32,
}

/// Why there is no answer to go on with. The body is never quoted: it may hold anything, and grow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("the provider did not answer `POST {path}`")]
    NoAnswer { path: &'static str, source: reqwest::Error },
    #[error("the provider answered `POST {path}` with {status}")]
    Status { path: &'static str, status: StatusCode },
    #[error("the provider's answer to `POST {path}` ({status}) broke off after {bytes} bytes")]
    BrokenOff { path: &'static str, status: StatusCode, bytes: usize, source: reqwest::Error },
    #[error("the provider's answer to `POST {path}` ({status}) has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge { path: &'static str, status: StatusCode },
    #[error("the provider's answer to `POST {path}` ({status}, {bytes} bytes) is {what} at column {column}")]
    Nonsense { path: &'static str, status: StatusCode, bytes: usize, what: &'static str, column: usize },
}

impl ProviderClient {
    /// A client that waits for an answer so long and no longer.
    pub(crate) fn new(base: &str, timeout: Duration) -> Result<Self> {
        // Where the money goes is not for an answer or the environment to say.
        let http = Client::builder().redirect(Policy::none()).no_proxy();
        let http = http.timeout(timeout).connect_timeout(CONNECT_TIMEOUT).build()?;
        let base = base.parse().map_err(|error| Error::failed(format!("`{base}` is no address: {error}")))?;
        Ok(Self { http, base })
    }

    /// Takes money, once per key.
    pub(crate) async fn charge(&self, key: &str, order_id: Uuid, amount_cents: u32) -> Result<Charged> {
        const PATH: &str = "/charges";
        let body = serde_json::json!({ "order_id": order_id, "amount_cents": amount_cents });
        let response = self.post(PATH, key, &body).await?;
        match response.status() {
            StatusCode::PAYMENT_REQUIRED => Ok(Charged::Declined),
            StatusCode::CONFLICT => Ok(Charged::Withdrawn),
            _ => Ok(Charged::Booked(answer::<Booked>(PATH, response).await?.receipt)),
        }
    }

    /// Gives back what was charged under a key, and has nothing be charged under it later. Returns how much that was.
    pub(crate) async fn refund(&self, key: &str, charge: &str) -> Result<u32> {
        const PATH: &str = "/refunds";
        let response = self.post(PATH, key, &serde_json::json!({ "charge": charge })).await?;
        Ok(answer::<Refunded>(PATH, response).await?.refunded_cents)
    }

    /// Sends an e-mail, once per key.
    pub(crate) async fn mail(&self, key: &str, mail: &impl Serialize) -> Result<Receipt> {
        const PATH: &str = "/mails";
        let response = self.post(PATH, key, mail).await?;
        Ok(answer::<Booked>(PATH, response).await?.receipt)
    }

    async fn post(&self, path: &'static str, key: &str, body: &impl Serialize) -> Result<Response> {
        let url = self.base.join(path).map_err(Error::permanent)?;
        let request =
            self.http.post(url).header("idempotency-key", key).header(CONTENT_TYPE, "application/json");
        let sent = request.body(serde_json::to_vec(body)?).send().await;
        Ok(sent.map_err(|error| ProviderError::NoAnswer { path, source: error.without_url() })?)
    }
}

/// Reads an answer, if it is one.
async fn answer<T: DeserializeOwned>(path: &'static str, mut response: Response) -> Result<T> {
    let status = response.status();
    if !status.is_success() {
        return Err(refused(path, status));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err(ProviderError::TooLarge { path, status }.into());
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                let (bytes, source) = (body.len(), error.without_url());
                return Err(ProviderError::BrokenOff { path, status, bytes, source }.into());
            }
        }
    }
    Ok(serde_json::from_slice(&body).map_err(|error| {
        // Its own words may quote what was sent.
        let what = if error.is_data() { "not what was expected" } else { "not JSON" };
        ProviderError::Nonsense { path, status, bytes: body.len(), what, column: error.column() }
    })?)
}

/// What the provider will not do it will not do later either, unless it says that it is busy.
fn refused(path: &'static str, status: StatusCode) -> Error {
    let error = ProviderError::Status { path, status };
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_client_error() && !is_busy { Error::permanent(error) } else { Error::failed(error) }
}

impl TryFrom<String> for Receipt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.len() > RECEIPT_BYTES_MAX { Err("no receipt") } else { Ok(Self(text)) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tempfile::TempDir;
    use tidings::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::provider::{Bound, DECLINED_ABOVE_CENTS, Serving, read};

    const PATIENCE: Duration = Duration::from_secs(30);
    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    async fn provider(folder: &TempDir, faults: &str, timeout: Duration) -> (Serving, ProviderClient) {
        let ledger = folder.path().join("ledger.jsonl");
        let serving = Bound::at(LOOPBACK).await.unwrap().serve(&ledger, faults.parse().unwrap()).unwrap();
        let client = ProviderClient::new(&serving.url(), timeout).unwrap();
        (serving, client)
    }

    /// A provider that answers these bytes to the first request, and then closes the connection.
    async fn that_answers(bytes: Vec<u8>) -> ProviderClient {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let client =
            ProviderClient::new(&format!("http://{}", listener.local_addr().unwrap()), PATIENCE).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // The client may have lost interest before the end.
            stream.write_all(&bytes).await.ok();
        });
        client
    }

    fn http(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[tokio::test]
    async fn charges_refunds_and_mails() {
        let folder = tempfile::tempdir().unwrap();
        let (_serving, client) = provider(&folder, "none", PATIENCE).await;
        let order = Uuid::now_v7();
        let booked = client.charge("a", order, 100).await.unwrap();
        assert!(matches!(booked, Charged::Booked(_)));
        assert_eq!(client.charge("a", order, 100).await.unwrap(), booked);
        let over = u32::try_from(DECLINED_ABOVE_CENTS).unwrap() + 1;
        assert_eq!(client.charge("b", order, over).await.unwrap(), Charged::Declined);
        assert_eq!(client.refund("ra", "a").await.unwrap(), 100);
        assert_eq!(client.refund("rc", "c").await.unwrap(), 0);
        assert_eq!(client.charge("c", order, 100).await.unwrap(), Charged::Withdrawn);
        client.mail("m", &serde_json::json!({ "to": "a@b.example", "subject": "s" })).await.unwrap();
        let nowhere = serde_json::json!({ "to": "a@nowhere.invalid", "subject": "s" });
        let error = client.mail("n", &nowhere).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Permanent);
        assert_eq!(error.to_string(), "the provider answered `POST /mails` with 422 Unprocessable Entity");
        let error = client.charge("a", order, 99).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Permanent, "a key is good for one thing");
    }

    /// Each fault alone: the error says what happened, another attempt gets the first one's answer, nothing is booked twice.
    #[tokio::test]
    async fn whatever_the_provider_does_a_charge_is_booked_once() {
        for (fault, says, booked) in [
            ("silent", "did not answer `POST /charges`", 1),
            ("busy", "answered `POST /charges` with 503", 0),
            ("closed", "did not answer `POST /charges`", 0),
            ("lost", "did not answer `POST /charges`", 1),
            ("garbage", "(200 OK, 23 bytes) is not JSON at column", 1),
            ("half", "(201 Created) broke off after", 1),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let order = Uuid::now_v7();
            let timeout = if fault == "silent" { Duration::from_millis(100) } else { PATIENCE };
            let (serving, client) = provider(&folder, &format!("{fault}=100"), timeout).await;
            for _ in 0..2 {
                let error = client.charge("a", order, 100).await.unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Failed, "{fault}: {error}");
                assert!(error.to_string().contains(says), "{fault}: {error}");
                assert!(!error.to_string().contains("oops"), "{fault}: {error}");
            }
            assert_eq!(read(serving.ledger()).unwrap().len(), booked, "{fault}");
            assert_eq!(serving.tally().faults.into_iter().collect::<Vec<_>>(), [(fault, 2)]);
            // Another day, the same key. The first provider is still at its file.
            let later = tempfile::tempdir().unwrap();
            std::fs::copy(serving.ledger(), later.path().join("ledger.jsonl")).unwrap();
            let (serving, client) = provider(&later, "slow=100,slow-ms=1", PATIENCE).await;
            assert!(matches!(client.charge("a", order, 100).await.unwrap(), Charged::Booked(_)), "{fault}");
            assert_eq!(serving.tally().repeats, booked as u64, "{fault}");
            assert_eq!(read(serving.ledger()).unwrap().len(), 1, "{fault}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_not_taken_for_one() {
        let large = format!("{{\"receipt\":\"{}\"}}", "x".repeat(ANSWER_BYTES_MAX));
        let long = format!("{{\"receipt\":\"{}\"}}", "x".repeat(RECEIPT_BYTES_MAX + 1));
        for (bytes, says) in [
            (http("200 OK", ""), "(200 OK, 0 bytes) is not JSON"),
            (http("200 OK", "[]"), "is not what was expected"),
            (http("200 OK", r#"{"receipt":"secret"#), "is not JSON"),
            (http("200 OK", r#"{"receipt":17}"#), "is not what was expected"),
            (http("200 OK", r#"{"receipt":""}"#), "is not what was expected"),
            (http("200 OK", &long), "is not what was expected"),
            (http("200 OK", &large), "has more than 16384 bytes"),
            (
                b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec(),
                "with 302 Found",
            ),
            (b"SSH-2.0-OpenSSH\r\n".to_vec(), "did not answer"),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"receipt\":\"se".to_vec(),
                "broke off after 14",
            ),
        ] {
            let client = that_answers(bytes).await;
            let error = client.charge("a", Uuid::nil(), 1).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Failed, "{error}");
            assert!(error.to_string().contains(says), "no `{says}` in `{error}`");
            assert!(!error.to_string().contains("se\""), "{error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        assert!(ProviderClient::new("not a url", PATIENCE).is_err());
    }
}
