//! Serving connections, with the liberty to end one without an answer, which `axum::serve` does not take.

use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// Put into a response: it is not sent, and its connection is closed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub(super) struct CutOff;

/// After an error that is not the caller's, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn accept(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, router.clone()))),
            Err(error) => {
                tracing::warn!(%error, "the provider cannot take a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let answer = router.call(request);
        async {
            let Ok(response) = answer.await;
            match response.extensions().get::<CutOff>() {
                Some(cut_off) => Err(*cut_off),
                None => Ok(response),
            }
        }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the provider ended early");
    }
}
