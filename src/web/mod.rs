//! HTTP: serves what is committed.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus::Registry;
use serde::Serialize;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use self::status::{Seen, Status};
use crate::metrics::{self, Data, Own};
use crate::recognise::time::Millis;
use crate::reload::Reloader;
use crate::runner::{self, Handle};

pub mod config;
mod guard;
mod listen;
mod moment;
mod page;
mod password;
mod server;
mod status;

pub use self::guard::Guard;
pub use self::listen::{bind, parse_address};
pub use self::server::Server;

/// Where the pages are, but for the metrics, which may be anywhere else.
pub const PATHS: [&str; 5] = [PAGE, HEALTHY, READY, RELOAD, STATUS];
const PAGE: &str = "/";
const HEALTHY: &str = "/-/healthy";
const READY: &str = "/-/ready";
const RELOAD: &str = "/-/reload";
const STATUS: &str = "/api/v1/status";

/// What requests need.
#[derive(Debug)]
pub struct Site {
    /// The way to the engine.
    pub engine: Handle,
    /// The exporter's own metrics, and those of its process.
    pub registry: Registry,
    /// What is committed.
    pub data: Data,
    /// Handles of its own metrics.
    pub own: Own,
    /// When the program started.
    pub started: Millis,
    /// Reloads the configuration.
    pub reloader: Reloader,
    /// Where the metrics are.
    pub telemetry_path: String,
}

/// The routes of the site. All but those of health are behind the guard: a probe has no password.
pub fn routes(site: Arc<Site>, guard: &Arc<Guard>) -> Router {
    let pages = Router::new()
        .route(PAGE, get(status_page))
        .route(STATUS, get(status_json))
        .route(&site.telemetry_path, get(metrics_page))
        .route(RELOAD, post(reload))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page\n"))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(Arc::clone(guard), guard::admit));
    Router::new()
        .route(HEALTHY, get(healthy))
        .route(READY, get(ready))
        .merge(pages)
        .layer(from_fn_with_state(Arc::clone(guard), guard::add_headers))
        .with_state(site)
}

/// A scrape is a commit: it shows exactly what was written.
async fn metrics_page(State(site): State<Arc<Site>>) -> Response {
    if !site.engine.is_ready() {
        return not_ready();
    }
    if !site.engine.commit().await {
        return (StatusCode::SERVICE_UNAVAILABLE, "the exporter is stopping\n").into_response();
    }
    match site.data.render(&site.registry) {
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

/// The page for people. It is there before the first pass is done, and says so.
async fn status_page(State(site): State<Arc<Site>>) -> Response {
    let status = status(&site).await;
    match page::document(&status, &site.telemetry_path) {
        Ok(answer) => answer.into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

/// The same as JSON. The page's script asks for the page too: there is one template, and none in the script.
async fn status_json(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    #[derive(Serialize)]
    struct Answer {
        #[serde(flatten)]
        status: Status,
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    }
    let status = status(&site).await;
    let asked = query.is_some_and(|q| q.split('&').any(|pair| pair == "include=page"));
    match asked.then(|| page::live(&status)).transpose() {
        Ok(page) => {
            let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            (headers, Json(Answer { status, page })).into_response()
        }
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

/// A look at the page is a commit, as a scrape is: both show the same numbers.
async fn status(site: &Site) -> Status {
    let ready = site.engine.is_ready() && site.engine.commit().await;
    let standing = site.engine.describe().await;
    let (snapshot, catalogue) = site.data.shown();
    Status::of(Seen {
        snapshot: &snapshot,
        catalogue: &catalogue,
        own: &site.own,
        // An engine that ended after it was ready still has its last numbers.
        ready: ready || (standing.is_none() && site.engine.is_ready()),
        standing,
        config_file: site.reloader.file().map(|file| file.display().to_string()),
        refused: site.reloader.refused(),
        started: site.started,
        now: runner::wall_clock(),
    })
}
