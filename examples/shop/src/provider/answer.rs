//! How the provider answers, in order or not.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::connection::CutOff;
use super::faults::{Fault, Faults};

/// An answer as it is booked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    #[serde(rename = "answer")]
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn refused(status: u16, why: &str) -> Self {
        Self { status, body: json!({ "error": why }) }
    }
}

/// What is answered instead of doing anything, if anything.
pub(super) fn before_booking(fault: Option<Fault>) -> Option<Response> {
    match fault {
        Some(Fault::Busy) => Some(in_order(&Answer::refused(503, "come back later"))),
        Some(Fault::Closed) => Some(cut_off()),
        _ => None,
    }
}

/// What is answered when it is done.
pub(super) async fn after_booking(fault: Option<Fault>, answer: &Answer) -> Response {
    match fault {
        Some(Fault::Lost) => cut_off(),
        Some(Fault::Silent) => {
            Faults::silence().await;
            cut_off()
        }
        Some(Fault::Garbage) => (StatusCode::OK, "<html>\u{0}{\"receipt\": oops").into_response(),
        Some(Fault::Half) => half(answer),
        _ => in_order(answer),
    }
}

fn in_order(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, json, answer.body.to_string()).into_response()
}

/// Announces the whole answer, sends half of it, and then no more.
fn half(answer: &Answer) -> Response {
    let mut response = in_order(answer);
    let text = answer.body.to_string();
    response.headers_mut().insert(CONTENT_LENGTH, text.len().into());
    let begin = Ok(text.as_bytes()[..text.len() / 2].to_vec());
    // The second part lets the server write out the first before it fails.
    let end = async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("half an answer"))
    };
    let parts = stream::StreamExt::chain(stream::iter([begin]), stream::once(end));
    *response.body_mut() = Body::from_stream(parts);
    response
}

fn cut_off() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(CutOff);
    response
}
