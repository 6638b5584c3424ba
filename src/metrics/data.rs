//! The `zai_*` data families, made from a snapshot of the ledger.

use std::sync::{Arc, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::catalogue::Catalogue;
use crate::ledger::{ErrorKey, LabelSet, Snapshot};

/// What is committed, and the catalogue it was counted by.
#[derive(Debug, Clone)]
struct Shown {
    snapshot: Arc<Snapshot>,
    catalogue: Arc<Catalogue>,
}

/// The collector of the data families. A clone shows the same.
#[derive(Debug, Clone)]
pub struct Data {
    shown: Arc<RwLock<Shown>>,
    description: Desc,
}

const ERRORS: (&str, &str) =
    ("zai_api_errors_total", "Failed API calls seen in the logs, each once, by the most specific identity known.");
const ANSWERS: (&str, &str) = ("zai_http_responses_total", "HTTP answers of the API visible in the logs.");
const FINISHES: (&str, &str) = ("zai_finish_reasons_total", "Ends of streamed answers, by finish_reason.");
const LAST_SEEN: (&str, &str) = (
    "zai_api_error_last_seen_timestamp_seconds",
    "When the error was last seen, by the log line's own time (the time of reading where it has none); 0 = never.",
);
const INFO: (&str, &str) =
    ("zai_api_error_info", "The documentation of each error: its category, message and solution.");

impl Data {
    /// Shows nothing yet.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        let shown = Shown { snapshot: Arc::default(), catalogue };
        // The crate asks a collector for its descriptions only to refuse the same one twice.
        let description =
            Desc::new(ERRORS.0.to_string(), ERRORS.1.to_string(), Vec::new(), std::collections::HashMap::new());
        Self { shown: Arc::new(RwLock::new(shown)), description: description.expect("a constant, valid description") }
    }

    /// Shows `snapshot` from now on.
    pub fn show(&self, snapshot: Arc<Snapshot>, catalogue: Arc<Catalogue>) {
        *self.shown.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Shown { snapshot, catalogue };
    }

    /// What is shown.
    pub fn shown(&self) -> (Arc<Snapshot>, Arc<Catalogue>) {
        let shown = self.shown.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        (Arc::clone(&shown.snapshot), Arc::clone(&shown.catalogue))
    }
}

impl Collector for Data {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (snapshot, catalogue) = self.shown();
        families(&snapshot, &catalogue)
    }
}

fn families(snapshot: &Snapshot, catalogue: &Catalogue) -> Vec<MetricFamily> {
    let configured = |labels: &LabelSet| -> Vec<LabelPair> {
        let value = |name: &String| labels.get(name).map_or("", String::as_str);
        snapshot.label_names.iter().map(|name| pair(name, value(name))).collect()
    };
    let documented = |labels: &LabelSet, key: &ErrorKey| {
        let mut pairs = vec![
            pair("category", key.category.as_str()),
            pair("code", &key.code.as_str()),
            pair("condition", key.condition.as_str()),
        ];
        pairs.extend(configured(labels));
        pairs
    };
    let with = |labels: &LabelSet, name: &str, value: &str| {
        let mut pairs = vec![pair(name, value)];
        pairs.extend(configured(labels));
        pairs
    };
    let errors = snapshot.errors.iter();
    let last_seen = errors.clone().map(|s| gauge(documented(&s.labels, &s.key), s.last as f64 / 1_000.0));
    let errors = errors.map(|s| counter(documented(&s.labels, &s.key), s.count));
    let answers = snapshot.answers.iter().map(|s| counter(with(&s.labels, "status", &s.value.to_string()), s.count));
    let finishes =
        snapshot.finishes.iter().map(|s| counter(with(&s.labels, "finish_reason", s.value.as_str()), s.count));
    let info = catalogue.rows().iter().map(|row| {
        let key = ErrorKey::of_row(row);
        let mut pairs = documented(&LabelSet::new(), &key);
        pairs.truncate(3);
        pairs.extend([
            pair("category_name", row.category.title()),
            pair("message", &row.message),
            pair("solution", &row.solution),
        ]);
        gauge(pairs, 1.0)
    });
    let mut out = vec![
        family(ERRORS, MetricType::COUNTER, errors.collect()),
        family(ANSWERS, MetricType::COUNTER, answers.collect()),
        family(FINISHES, MetricType::COUNTER, finishes.collect()),
        family(LAST_SEEN, MetricType::GAUGE, last_seen.collect()),
        family(INFO, MetricType::GAUGE, info.collect()),
    ];
    out.retain(|f| !f.get_metric().is_empty());
    out
}

fn family((name, help): (&str, &str), kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_string());
    family.set_help(help.to_string());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_string());
    pair.set_value(value.to_string());
    pair
}

fn counter(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}
