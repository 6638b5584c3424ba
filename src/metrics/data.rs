//! What is committed, shown as the `zai_*` data families.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use prometheus::{Encoder, Registry, TextEncoder};

use super::families::Families;
use crate::catalogue::Catalogue;
use crate::ledger::Snapshot;

/// What is committed, and the catalogue it was counted by.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub snapshot: Arc<Snapshot>,
    pub catalogue: Arc<Catalogue>,
}

/// The data families. A clone shows the same.
///
/// They are no collector of the registry, which makes all families of each scrape anew: with thousands of series that is most of what a
/// scrape costs.
#[derive(Debug, Clone)]
pub struct Data {
    shown: Arc<RwLock<Shown>>,
    families: Arc<Mutex<Families>>,
}

impl Data {
    /// Shows nothing yet.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        let shown = Shown { snapshot: Arc::default(), catalogue };
        Self { shown: Arc::new(RwLock::new(shown)), families: Arc::default() }
    }

    /// Shows `snapshot` from now on.
    pub fn show(&self, snapshot: Arc<Snapshot>, catalogue: Arc<Catalogue>) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Shown { snapshot, catalogue };
    }

    /// What is shown.
    pub fn shown(&self) -> (Arc<Snapshot>, Arc<Catalogue>) {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&shown.snapshot), Arc::clone(&shown.catalogue))
    }

    /// Renders what is shown and the metrics of `registry`, by their names, in the text exposition format 0.0.4.
    pub fn render(&self, registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
        let (snapshot, catalogue) = self.shown();
        let mut kept = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let size = kept.last_size.max(64 * 1024);
        let data = kept.of(Shown { snapshot, catalogue });
        let gathered = registry.gather();
        let mut all: Vec<_> = data.iter().filter(|family| !family.get_metric().is_empty()).chain(&gathered).collect();
        all.sort_by_key(|family| family.name());
        let mut out = Vec::with_capacity(size);
        for family in all {
            TextEncoder::new().encode(std::slice::from_ref(family), &mut out)?;
        }
        kept.last_size = out.len();
        Ok(out)
    }
}
