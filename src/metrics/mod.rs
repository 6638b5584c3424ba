//! What `/metrics` shows: committed counts as Prometheus families, and the exporter's own metrics in a registry of our own.

mod data;
mod families;
mod own;

pub use self::data::Data;
pub use self::own::{Own, WatchMode};
use std::sync::Arc;

use prometheus::Registry;

use crate::catalogue::Catalogue;
use crate::ledger::Snapshot;

/// The content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the data families alone, as a scrape would show them.
pub fn render_data(snapshot: Arc<Snapshot>, catalogue: Arc<Catalogue>) -> Result<Vec<u8>, prometheus::Error> {
    let data = Data::new(Arc::clone(&catalogue));
    data.show(snapshot, catalogue);
    data.render(&Registry::new())
}
