//! A real Prometheus as a child process.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, ask, free_port};

/// Debian's Prometheus, scraping one target four times a second.
pub struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Starts it on the port of a target; `more` are further lines of the scrape's configuration.
    pub fn start(target: u16, more: &str, folder: &Path) -> Self {
        let config = format!(
            "global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}\nscrape_configs:\n  - job_name: zai\n    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n{more}"
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is not installed: `make setup` installs it");
        let prometheus = Self { child, port };
        prometheus.until("up", |up| up == 1.0);
        prometheus
    }

    /// The value of an instant query.
    pub fn query(&self, expression: &str) -> Option<f64> {
        use std::fmt::Write as _;
        let mut path = "/api/v1/query?query=".to_string();
        for byte in expression.bytes() {
            write!(path, "%{byte:02x}").ok()?;
        }
        let (_, body) = ask(self.port, "GET", &path)?;
        let answer: serde_json::Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// Waits until the value of an instant query is as wanted.
    pub fn until(&self, expression: &str, wanted: impl Fn(f64) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !self.query(expression).is_some_and(&wanted) {
            assert!(Instant::now() < until, "{expression} is {:?}", self.query(expression));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
