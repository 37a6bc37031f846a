//! The internal endpoint: what functions reach of AWS besides DynamoDB, on one loopback port.
//!
//! Mail, secrets, `@connections` and the Lambda Invoke API. It serves before the functions run, because they read
//! their secrets while they start; the Invoke API follows when there is something to invoke.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use ::http::StatusCode;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::http::{self, system};
use crate::invoke;
use crate::kill_points::KillPoints;
use crate::listeners;
use crate::runtime_api::Functions;

/// The running endpoint.
pub(crate) struct Aws {
    pub(crate) url: String,
    invoke: Arc<OnceLock<Router>>,
    pub(crate) task: JoinHandle<()>,
}

impl Aws {
    /// Serves the routers on `port`, 0 for any.
    pub(crate) async fn start(
        port: u16,
        kill_points: &KillPoints,
        routers: impl IntoIterator<Item = Router>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, listeners::Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener =
            TcpListener::bind(address).await.map_err(|error| listeners::Error::of(port, "--aws-port", error))?;
        let address = listener.local_addr().map_err(|error| listeners::Error::of(port, "--aws-port", error))?;
        let invoke = Arc::new(OnceLock::new());
        let late = Router::new().fallback(later).with_state(Arc::clone(&invoke));
        let router = kill_points.before(routers.into_iter().fold(late, Router::merge));
        let task = system::spawn(async move {
            if let Err(error) = http::serve(listener, router, listeners::stopped(stop)).await {
                tracing::error!(%error, "the internal endpoint stopped");
            }
        });
        Ok(Self { url: format!("http://{address}"), invoke, task })
    }

    /// From now on the functions can be invoked.
    pub(crate) fn serve_functions(&self, functions: Functions) {
        let _ = self.invoke.set(invoke::router(functions));
    }
}

async fn later(State(invoke): State<Arc<OnceLock<Router>>>, request: Request) -> Response {
    match invoke.get() {
        Some(router) => router.clone().oneshot(request).await.into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
