//! The exporter's own metrics.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Handles of all `zai_exporter_*` metrics.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // each is documented by its HELP text below
pub struct Own {
    pub files_followed: IntGauge,
    pub files_waiting: IntGauge,
    pub read_bytes: IntCounter,
    pub read_lines: IntCounter,
    pub lag_bytes: IntGauge,
    pub rotations: IntCounter,
    pub truncations: IntCounter,
    pub copies_recovered: IntCounter,
    pub abandoned_bytes: IntCounter,
    pub read_errors: IntCounter,
    pub lines_too_long: IntCounter,
    pub look_alikes: IntCounter,
    pub last_read: Gauge,
    pub commits: IntCounter,
    pub commit_failures: IntCounter,
    pub last_commit: Gauge,
    pub state_persistent: IntGauge,
    pub reload_successful: IntGauge,
    pub reload_time: Gauge,
    pub web_config_successful: IntGauge,
    pub web_connections: IntGauge,
    pub web_displaced: IntCounter,
    pub watch_mode: IntGaugeVec,
    pub labels_folded: IntCounterVec,
    pub series: IntGauge,
}

/// How changes of files become known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// The system tells; a slow poll covers what it misses.
    Events,
    /// Files are looked at again and again.
    Poll,
}

impl Own {
    /// Registers all of them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker { registry };
        let build =
            make.gauges("build_info", "1, with the version and revision of the exporter.", &["version", "revision"])?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), option_env!("ZAI_EXPORTER_REVISION").unwrap_or("unknown")])
            .set(1.0);
        let own = Self {
            files_followed: make.gauge("files_followed", "Files that are open and followed.")?,
            files_waiting: make.gauge("files_waiting", "Paths named without a wildcard that do not exist yet.")?,
            read_bytes: make.counter("read_bytes_total", "Bytes of logs read and understood.")?,
            read_lines: make.counter("read_lines_total", "Lines of logs read.")?,
            lag_bytes: make.gauge("lag_bytes", "Bytes written to followed files and not read yet.")?,
            rotations: make.counter(
                "rotations_total",
                "Files that were found to have been replaced by another under their name.",
            )?,
            truncations: make
                .counter("truncations_total", "Files that were found to have been truncated or rewritten.")?,
            copies_recovered: make.counter(
                "copies_recovered_total",
                "Rotated copies from which the unread rest of a truncated file was read.",
            )?,
            abandoned_bytes: make
                .counter("abandoned_bytes_total", "Bytes of unfinished last lines in files that were closed.")?,
            read_errors: make.counter("read_errors_total", "Failed attempts to open, stat or read a log.")?,
            lines_too_long: make.counter("lines_too_long_total", "Lines that were cut at the limit.")?,
            look_alikes: make.counter(
                "unrecognised_lookalikes_total",
                "Lines that looked like an error of the API and were not taken for one.",
            )?,
            last_read: make.float("last_read_timestamp_seconds", "When a log was last read; 0 = never.")?,
            commits: make.counter("state_commits_total", "Commits of counts and positions.")?,
            commit_failures: make
                .counter("state_commit_failures_total", "Commits that could not be written to the state directory.")?,
            last_commit: make.float(
                "state_last_commit_timestamp_seconds",
                "When counts and positions were last committed; 0 = never.",
            )?,
            state_persistent: make
                .gauge("state_persistent", "1 if the state is kept in a directory, 0 if a restart begins anew.")?,
            reload_successful: make
                .gauge("config_last_reload_successful", "Whether the last reload of the configuration succeeded.")?,
            reload_time: make.float(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration was last loaded with success.",
            )?,
            web_config_successful: make.gauge(
                "web_config_last_reload_successful",
                "Whether the web configuration is used as its files are now.",
            )?,
            web_connections: make.gauge("web_connections", "Open HTTP connections.")?,
            web_displaced: make.counter(
                "web_connections_displaced_total",
                "HTTP connections that were closed to make room for a new one.",
            )?,
            watch_mode: make.modes("watch_mode", "How changes of files become known: 1 for the current mode.")?,
            labels_folded: make
                .counters("label_values_folded_total", "Values of configured labels that were folded into `other`.")?,
            series: make.gauge("series", "Series of zai_api_errors_total.")?,
        };
        own.reload_successful.set(1);
        own.web_config_successful.set(1);
        own.set_watch_mode(WatchMode::Poll);
        Ok(own)
    }

    /// Notes how changes of files become known.
    pub fn set_watch_mode(&self, mode: WatchMode) {
        self.watch_mode.with_label_values(&["events"]).set(i64::from(mode == WatchMode::Events));
        self.watch_mode.with_label_values(&["poll"]).set(i64::from(mode == WatchMode::Poll));
    }
}

struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn options(name: &str, help: &str) -> Opts {
        Opts::new(format!("zai_exporter_{name}"), help)
    }

    fn register<T: prometheus::core::Collector + Clone + 'static>(&self, metric: T) -> Result<T, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(Self::options(name, help))?)
    }

    fn float(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::with_opts(Self::options(name, help))?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(Self::options(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(Self::options(name, help), labels)?)
    }

    fn modes(&self, name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Self::options(name, help), &["mode"])?)
    }

    fn counters(&self, name: &str, help: &str) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Self::options(name, help), &["label"])?)
    }
}
