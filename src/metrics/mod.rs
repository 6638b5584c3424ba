//! Committed counts as Prometheus families, in a registry of our own.

mod data;
mod own;

pub use self::data::Data;
pub use self::own::{Own, WatchMode};
use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};

use crate::catalogue::Catalogue;
use crate::ledger::Snapshot;

/// The content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the data families alone, as a scrape would show them.
pub fn render_data(snapshot: Arc<Snapshot>, catalogue: Arc<Catalogue>) -> Result<Vec<u8>, prometheus::Error> {
    let registry = Registry::new();
    let data = Data::new(Arc::clone(&catalogue));
    data.show(snapshot, catalogue);
    registry.register(Box::new(data))?;
    render(&registry)
}

/// Renders all families of `registry` in the text exposition format 0.0.4.
pub fn render(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut out = Vec::with_capacity(64 * 1024);
    TextEncoder::new().encode(&registry.gather(), &mut out)?;
    Ok(out)
}
