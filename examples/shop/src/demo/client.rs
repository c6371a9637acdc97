//! The demo's side of the wire.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tidings::{Command, Error, Query, Result};

/// Sends commands and queries as any HTTP client would.
#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
}

/// The shop did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` was answered with {status}: {} ({})", .problem.detail, .problem.code)]
struct Refused {
    name: &'static str,
    status: StatusCode,
    problem: Problem,
}

#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Sends a command; with a key, sending it twice does it once.
    pub(super) async fn send<C: Command>(&self, command: &C, key: Option<&str>) -> Result<C::Output> {
        let mut request = Request::post(format!("http://{}/commands/{}", self.address, C::NAME));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.call(C::NAME, request.body(Full::from(serde_json::to_vec(command)?))?).await
    }

    /// Asks a query.
    pub(super) async fn ask<Q: Query>(&self, query: &Q) -> Result<Q::Output> {
        let request = Request::post(format!("http://{}/queries/{}", self.address, Q::NAME));
        self.call(Q::NAME, request.body(Full::from(serde_json::to_vec(query)?))?).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<T> {
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(serde_json::from_slice(&body)?);
        }
        let problem = serde_json::from_slice(&body)?;
        Err(Error::failed(Refused { name, status, problem }))
    }
}
