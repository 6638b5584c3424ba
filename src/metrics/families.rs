//! The data families of a snapshot of the ledger, kept from scrape to scrape: as long as the series stay the same, only their values are
//! new.

use std::sync::Arc;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::data::Shown;
use crate::catalogue::Catalogue;
use crate::ledger::{ErrorKey, LabelSet, Snapshot};

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

/// The families that were last made, and of what.
#[derive(Debug, Default)]
pub(super) struct Families {
    of: Option<Shown>,
    made: Vec<MetricFamily>,
    /// How large the last scrape was, in bytes.
    pub last_size: usize,
}

impl Families {
    /// The families of what is shown.
    pub fn of(&mut self, shown: Shown) -> &[MetricFamily] {
        let same = |known: &Shown| {
            Arc::ptr_eq(&known.catalogue, &shown.catalogue) && known.snapshot.has_series_of(&shown.snapshot)
        };
        if !self.of.as_ref().is_some_and(same) {
            self.made = families(&shown.snapshot, &shown.catalogue);
        }
        for (family, values) in self.made.iter_mut().zip(values(&shown.snapshot)) {
            family.mut_metric().iter_mut().zip(values).for_each(|(metric, value)| set(metric, value));
        }
        self.of = Some(shown);
        &self.made
    }
}

/// The value of a series.
#[derive(Clone, Copy)]
enum Value {
    Count(u64),
    Level(f64),
}

fn set(metric: &mut Metric, value: Value) {
    match value {
        Value::Count(count) => {
            let mut counter = Counter::default();
            counter.set_value(count as f64);
            metric.set_counter(counter);
        }
        Value::Level(level) => {
            let mut gauge = Gauge::default();
            gauge.set_value(level);
            metric.set_gauge(gauge);
        }
    }
}

/// The values of those families whose values change, in the order of [`families`].
fn values(snapshot: &Snapshot) -> [Vec<Value>; 4] {
    [
        snapshot.errors.iter().map(|s| Value::Count(s.count)).collect(),
        snapshot.errors.iter().map(|s| Value::Level(s.last as f64 / 1_000.0)).collect(),
        snapshot.answers.iter().map(|s| Value::Count(s.count)).collect(),
        snapshot.finishes.iter().map(|s| Value::Count(s.count)).collect(),
    ]
}

/// The families with their series, whose values are still to be set.
fn families(snapshot: &Snapshot, catalogue: &Catalogue) -> Vec<MetricFamily> {
    let configured = |labels: &LabelSet| -> Vec<LabelPair> {
        let value = |name: &String| labels.get(name).map_or("", String::as_str);
        snapshot.label_names.iter().map(|name| pair(name, value(name))).collect()
    };
    let series = |mut pairs: Vec<LabelPair>, labels: &LabelSet| {
        pairs.extend(configured(labels));
        Metric::from_label(pairs)
    };
    let errors = || snapshot.errors.iter().map(|s| series(documented(&s.key), &s.labels)).collect();
    let answers = snapshot.answers.iter().map(|s| series(vec![pair("status", &s.value.to_string())], &s.labels));
    let finishes = snapshot.finishes.iter().map(|s| series(vec![pair("finish_reason", s.value.as_str())], &s.labels));
    vec![
        family(ERRORS, MetricType::COUNTER, errors()),
        family(LAST_SEEN, MetricType::GAUGE, errors()),
        family(ANSWERS, MetricType::COUNTER, answers.collect()),
        family(FINISHES, MetricType::COUNTER, finishes.collect()),
        family(INFO, MetricType::GAUGE, catalogue.rows().iter().map(info).collect()),
    ]
}

/// What the documentation says of an error.
fn info(row: &crate::catalogue::Row) -> Metric {
    let mut pairs = documented(&ErrorKey::of_row(row));
    pairs.extend([
        pair("category_name", row.category.title()),
        pair("message", &row.message),
        pair("solution", &row.solution),
    ]);
    let mut metric = Metric::from_label(pairs);
    set(&mut metric, Value::Level(1.0));
    metric
}

fn documented(key: &ErrorKey) -> Vec<LabelPair> {
    vec![
        pair("category", key.category.as_str()),
        pair("code", &key.code.as_str()),
        pair("condition", key.condition.as_str()),
    ]
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

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, TextEncoder};

    use super::*;
    use crate::fold::Event;
    use crate::ledger::Ledger;
    use crate::recognise::{FinishReason, Identity};

    fn text(families: &[MetricFamily]) -> String {
        let some: Vec<_> = families.iter().filter(|family| !family.get_metric().is_empty()).cloned().collect();
        let mut out = Vec::new();
        TextEncoder::new().encode(&some, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_kept_shows_what_would_be_made_anew() {
        let catalogue = Arc::new(Catalogue::built_in());
        let mut ledger = Ledger::default();
        let mut kept = Families::default();
        let sets: Vec<_> = ["", "search", "chat"]
            .into_iter()
            .map(|team| ledger.open([("team".to_string(), team.to_string())].into(), &catalogue))
            .collect();
        let events = [
            (sets[0], Event::Failure(Identity::Business(1113), Some(5_500))),
            (sets[1], Event::Failure(Identity::Business(1113), None)),
            (sets[1], Event::Answer(200)),
            (sets[2], Event::Finish(FinishReason::Stop)),
            // Series that were not there before.
            (sets[2], Event::Answer(429)),
            (sets[0], Event::Failure(Identity::Business(1999), None)),
            (ledger.open(LabelSet::new(), &catalogue), Event::Failure(Identity::Unknown, None)),
        ];
        let mut last = String::new();
        for (set, event) in events {
            ledger.count(set, event, &catalogue, 9_000);
            let snapshot = Arc::new(ledger.snapshot(std::iter::empty(), &catalogue, 9_000));
            let shown = || Shown { snapshot: Arc::clone(&snapshot), catalogue: Arc::clone(&catalogue) };
            let now = text(kept.of(shown()));
            assert_eq!(now, text(Families::default().of(shown())), "{event:?}");
            assert_ne!(now, last, "{event:?}");
            last = now;
        }
        // Another catalogue has other documentation.
        let shown = Shown { snapshot: Arc::default(), catalogue: Arc::new(Catalogue::built_in()) };
        assert_eq!(text(kept.of(shown)).matches("zai_api_error_info{").count(), catalogue.rows().len());
    }
}
