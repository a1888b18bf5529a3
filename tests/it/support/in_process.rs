//! A transport without a socket: it passes requests to the simulator with the same bytes as HTTP.

use std::time::Duration;

use dcs_operator::{
    dcs::{HttpRequest, HttpResponse, Transport, error::Failure},
    simulator::{Delivery, DeliveryKind, Request, Response, http::Shared},
};
use futures::future::BoxFuture;
use http::{HeaderValue, header};
use tokio::task::yield_now;
use url::Position;

/// Passes requests to a simulator in the same process. Yields before and after the effect of a request, so that other
/// tasks interleave as on a network.
#[derive(Debug, Clone)]
pub(crate) struct InProcess(pub(crate) Shared);

impl Transport for InProcess {
    fn send(&self, request: HttpRequest, limit: Duration) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        Box::pin(async move {
            yield_now().await;
            let Delivery { delay, kind } = self.0.handle(received(request));
            yield_now().await;
            if !delay.is_zero() {
                self.0.clock().sleep(delay.min(limit)).await;
            }
            if delay >= limit {
                return Err(Failure::TimedOut(limit));
            }
            match kind {
                DeliveryKind::Full(Response { status, headers, body }) => {
                    Ok(HttpResponse { status, headers, body })
                }
                DeliveryKind::Cut { .. } => Err(Failure::Broken("connection cut".to_owned())),
                DeliveryKind::Reset => Err(Failure::Broken("reset".to_owned())),
            }
        })
    }
}

fn received(request: HttpRequest) -> Request {
    let HttpRequest { method, url, mut headers, body } = request;
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).unwrap();
    headers.insert(header::HOST, host);
    let query = url.query().unwrap_or_default().to_owned();
    Request { method, path: url.path().to_owned(), query, headers, body }
}
