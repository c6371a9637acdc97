//! What a caller is told when something goes wrong: problem details (RFC 9457), and no more than is theirs to know.

use std::error::Error as StdError;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tidings::{QueryError, SendError};

/// A problem as it is told. What went wrong inside is in the log.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// Stable, for programs: the last part of `type`.
    code: String,
    detail: String,
    /// Nothing was done, and asking again soon may succeed.
    retry: bool,
}

const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), retry: false }
    }

    fn busy(detail: String) -> Self {
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail) }
    }

    /// The remedy is for whoever runs the shop, so it goes to the log.
    fn unavailable(error: &(dyn StdError + 'static)) -> Self {
        tracing::error!(error = chain(error), "the store cannot write");
        let detail = "nothing can be written at the moment; nothing was";
        Self { retry: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) }
    }

    fn internal(error: &(dyn StdError + 'static)) -> Self {
        tracing::error!(error = chain(error), "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed; the log says why")
    }

    pub(super) fn invalid(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("a body has at most {bytes_max} bytes"))
    }

    pub(super) fn no_such_page() -> Self {
        let detail = "there are `/commands/{name}` and `/queries/{name}`; `GET /` lists the names";
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn no_such_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "commands are POSTed; queries GET or POST",
        )
    }

    pub(super) fn of_command(error: SendError) -> Self {
        let detail = error.to_string();
        match &error {
            SendError::Rejected { rejection, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, &rejection.code, &rejection.message)
            }
            SendError::KeyConflict { .. } => Self::new(StatusCode::CONFLICT, "key-conflict", detail),
            SendError::KeyInFlight { .. } => {
                Self { retry: true, ..Self::new(StatusCode::CONFLICT, "key-in-flight", detail) }
            }
            SendError::Overloaded { .. } | SendError::ShuttingDown { .. } => Self::busy(detail),
            SendError::StoreUnavailable { .. } => Self::unavailable(&error),
            // Nothing was written, so this is no different from having been too busy to begin.
            SendError::DeadlineExceeded { .. } => Self::busy(detail),
            SendError::Unknown { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", detail),
            SendError::Invalid { .. } => Self::invalid(detail),
            SendError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            SendError::TooLarge { limit, .. } => Self::too_large(*limit),
            _ => Self::internal(&error),
        }
    }

    pub(super) fn of_query(error: QueryError) -> Self {
        let detail = error.to_string();
        match &error {
            QueryError::Overloaded { .. }
            | QueryError::ShuttingDown { .. }
            | QueryError::DeadlineExceeded { .. } => Self::busy(detail),
            QueryError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            QueryError::Invalid { .. } => Self::invalid(detail),
            QueryError::TooLarge { limit, .. } => Self::too_large(*limit),
            _ => Self::internal(&error),
        }
    }
}

/// The error and its causes in one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": format!("urn:tidings:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let mut response = (self.status, Body::from(body.to_string())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.retry {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        "orders.place".to_owned()
    }

    #[test]
    fn what_may_be_asked_again_is_unavailable() {
        let full = || SendError::StoreUnavailable { command: name(), source: "the disk is full".into() };
        let busy = || SendError::Overloaded { command: name(), reason: "the log is full".to_owned() };
        let queries = [
            QueryError::Overloaded { query: name(), reason: "8 queries run already".to_owned() },
            QueryError::ShuttingDown { query: name() },
        ];
        let problems = [full(), busy()].map(Problem::of_command).into_iter();
        for problem in problems.chain(queries.map(Problem::of_query)) {
            assert_eq!(
                (problem.status, problem.retry),
                (StatusCode::SERVICE_UNAVAILABLE, true),
                "{problem:?}"
            );
        }
        assert!(
            !Problem::of_command(full()).detail.contains("disk"),
            "what went wrong inside stays in the log"
        );
    }
}
