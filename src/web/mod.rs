//! HTTP: serves what is committed.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use prometheus::Registry;

use crate::metrics;
use crate::reload::Reloader;
use crate::runner::Handle;

mod listen;

pub use self::listen::{bind, parse_address};

/// What requests need.
#[derive(Debug)]
pub struct Site {
    /// The way to the engine.
    pub engine: Handle,
    /// All metrics.
    pub registry: Registry,
    /// Reloads the configuration.
    pub reloader: Reloader,
    /// Where the metrics are.
    pub telemetry_path: String,
}

/// The routes of the site.
pub fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(landing))
        .route(&site.telemetry_path, get(metrics_page))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .with_state(site)
}

/// Serves `routes` on `listener` until `stop` resolves.
pub async fn serve(
    listener: tokio::net::TcpListener,
    routes: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

/// A scrape is a commit: it shows exactly what was written.
async fn metrics_page(State(site): State<Arc<Site>>) -> Response {
    if !site.engine.is_ready() {
        return not_ready();
    }
    if !site.engine.commit().await {
        return (StatusCode::SERVICE_UNAVAILABLE, "the exporter is stopping\n").into_response();
    }
    match metrics::render(&site.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot render the metrics: {e}\n")).into_response(),
    }
}

/// What the files held before the first start is history: until it is committed, a scrape would see old errors as new.
fn not_ready() -> Response {
    let text = "the first pass over the logs is not committed yet\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response()
}

async fn healthy() -> &'static str {
    "healthy\n"
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    if site.engine.is_ready() { "ready\n".into_response() } else { not_ready() }
}

async fn reload(State(site): State<Arc<Site>>) -> Response {
    match site.reloader.reload(&site.engine).await {
        Ok(()) => "reloaded\n".into_response(),
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    }
}

async fn landing(State(site): State<Arc<Site>>) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>zai-exporter</title></head><body>\
         <h1>zai-exporter</h1><p>Failed Z.ai / BigModel API calls, counted from logs.</p>\
         <ul><li><a href=\"{}\">Metrics</a></li><li><a href=\"/-/healthy\">Healthy</a></li><li><a href=\"/-/ready\">Ready</a></li></ul>\
         </body></html>",
        site.telemetry_path
    ))
}
