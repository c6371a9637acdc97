//! A customer's side of the wire: what the demo and the load send, as any HTTP client would.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tidings::{Command, Error, Query, Result};

/// Longer than the shop takes for anything.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends commands and queries to a shop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    base: Url,
    http: reqwest::Client,
}

/// The shop did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` was answered with {status}: {} ({})", .problem.detail, .problem.code)]
pub(crate) struct Refused {
    name: &'static str,
    status: StatusCode,
    problem: Problem,
}

#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Refused {
    /// Stable, such as `already_paid`.
    pub(crate) fn code(&self) -> &str {
        &self.problem.code
    }
}

impl Client {
    pub(crate) fn new(base: &str) -> Result<Self> {
        let base = base.parse().map_err(|error| Error::failed(format!("`{base}` is no address: {error}")))?;
        Ok(Self { base, http: reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()? })
    }

    /// Sends a command; with a key, sending it twice does it once.
    pub(crate) async fn send<C: Command>(&self, command: &C, key: Option<&str>) -> Result<C::Output> {
        self.call("commands", C::NAME, command, key).await
    }

    /// Asks a query.
    pub(crate) async fn ask<Q: Query>(&self, query: &Q) -> Result<Q::Output> {
        self.call("queries", Q::NAME, query, None).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        name: &'static str,
        payload: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T> {
        let url = self.base.join(&format!("/{path}/{name}")).map_err(Error::permanent)?;
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        let response = request.body(serde_json::to_vec(payload)?).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&body)?);
        }
        let problem = serde_json::from_slice(&body)?;
        Err(Error::failed(Refused { name, status, problem }))
    }
}
