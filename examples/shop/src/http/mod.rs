//! The shop's HTTP edge: `POST /commands/{name}`, `GET` or `POST /queries/{name}`.
//!
//! Small on purpose. Bodies are bounded before they are read, names and payloads are checked by the application, and
//! what goes wrong inside stays in the log.

mod body;
mod caller;
mod problem;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tidings::{App, Caller, Config};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use problem::Problem;

/// Bounds of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    body_bytes_max: usize,
    deadline_ms_max: u64,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        Self { body_bytes_max: config.commands.body_bytes_max, deadline_ms_max: config.commands.deadline_ms }
    }
}

#[derive(Clone)]
struct Edge {
    app: App,
    limits: Limits,
}

/// Serves until `stop` is dropped, and then until the requests that are running have ended.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    limits: Limits,
    stop: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get(index))
        .route("/commands/{name}", post(command))
        .route("/queries/{name}", get(query_by_url).post(query_by_body))
        .fallback(async || Problem::no_such_page())
        .method_not_allowed_fallback(async || Problem::no_such_method())
        .with_state(Edge { app, limits });
    let stopped = async {
        // An error means that the other side was dropped, which is the signal.
        stop.await.unwrap_or(());
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

/// What there is to ask for.
async fn index(State(edge): State<Edge>) -> Response {
    let modules = &edge.app.manifest().modules;
    let commands: Vec<_> = modules.iter().flat_map(|module| &module.commands).collect();
    let queries: Vec<_> = modules.iter().flat_map(|module| &module.queries).collect();
    json(serde_json::json!({ "commands": commands, "queries": queries }).to_string())
}

async fn command(
    State(edge): State<Edge>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = caller::of(request.headers(), edge.limits.deadline_ms_max)?;
    let payload = body::read(request, edge.limits.body_bytes_max).await?;
    let output = edge.app.send_json(&name, &payload, caller).await.map_err(Problem::of_command)?;
    Ok(json(output))
}

async fn query_by_body(
    State(edge): State<Edge>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = caller::of(request.headers(), edge.limits.deadline_ms_max)?;
    let payload = body::read(request, edge.limits.body_bytes_max).await?;
    ask(&edge, &name, payload, caller).await
}

async fn query_by_url(
    State(edge): State<Edge>,
    Path(name): Path<String>,
    Query(mut parameters): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller::of(&headers, edge.limits.deadline_ms_max)?;
    let payload = parameters.remove("json").unwrap_or_else(|| "{}".to_owned());
    if let Some(unknown) = parameters.keys().next() {
        return Err(Problem::invalid(format!("unknown parameter `{unknown}`; the query goes into `json`")));
    }
    ask(&edge, &name, payload.into(), caller).await
}

async fn ask(edge: &Edge, name: &str, payload: Bytes, caller: Caller) -> Result<Response, Problem> {
    let answer = edge.app.ask_json(name, &payload, caller).await.map_err(Problem::of_query)?;
    Ok(json(answer))
}

fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}
