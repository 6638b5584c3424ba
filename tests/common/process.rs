//! The real binary as a child process, and the little HTTP that tests need.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a condition is waited for: generous, since a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A failed call for want of money, as a client logs it.
pub const ERROR: &str = "2026-08-10 08:54:07,768 ERROR failed: Error code: 429, with error text {\"error\":{\"code\":\"1113\",\"message\":\"Insufficient balance or no resource package. Please recharge.\"}}\n";

/// A running exporter, killed when it is dropped.
pub struct Exporter {
    child: Child,
    pub port: u16,
    args: Vec<String>,
    log: PathBuf,
    setting: Setting,
}

/// Where it runs.
#[derive(Clone)]
enum Setting {
    Here,
    /// With a variable, `NAME=value`.
    With(String),
    /// In user and mount namespaces of its own, after a script.
    Apart(String),
}

impl Exporter {
    /// Starts `serve` with these arguments on a free port.
    pub fn start(args: &[&str], log: &Path) -> Self {
        Self::launch(args, log, Setting::Here)
    }

    /// The same in user and mount namespaces of its own, in which `script` has run before.
    pub fn start_apart(script: &str, args: &[&str], log: &Path) -> Self {
        Self::launch(args, log, Setting::Apart(script.to_string()))
    }

    /// An exporter that is told by a variable of the environment, `NAME=value`, what to do.
    pub fn start_with(variable: &str, log: &Path) -> Self {
        Self::launch(&[], log, Setting::With(variable.to_string()))
    }

    fn launch(args: &[&str], log: &Path, setting: Setting) -> Self {
        let port = free_port();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let child = spawn(&args, port, log, &setting);
        Self { child, port, args, log: log.to_path_buf(), setting }
    }

    /// Kills it (SIGKILL) and starts it again.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.args, self.port, &self.log, &self.setting);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Lowers its limit of open files to what it has open now, and `more`.
    pub fn limit_open_files(&self, more: usize) {
        let limit = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count() + more;
        let (pid, limit) = (format!("--pid={}", self.child.id()), format!("--nofile={limit}:{limit}"));
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Waits for it to end by itself, and returns its exit status.
    pub fn wait(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("the exporter did not end");
    }

    /// What it wrote to its own log.
    pub fn journal(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks for a page: status and body. `None` while it does not answer.
    pub fn ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        ask(self.port, method, path)
    }

    /// A scrape, once it is ready.
    pub fn scrape(&self) -> Option<String> {
        self.ask("GET", "/metrics").filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }

    /// Scrapes until `wanted` is content.
    pub fn scrape_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < until {
            if let Some(scrape) = self.scrape() {
                if wanted(&scrape) {
                    return scrape;
                }
                last = scrape;
            }
            std::thread::yield_now();
        }
        panic!("no scrape showed {what}; the last:\n{last}\nits log:\n{}", self.journal());
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server of this machine for a page: status and body. `None` while it does not answer.
pub fn ask(port: u16, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;

    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body =
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_string() };
    Some((status, body))
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A command in user and mount namespaces of its own, after `script`.
pub fn apart(script: &str, program: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("{{ {script}; }} && exec \"$0\" \"$@\"");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, program]);
    command
}

fn spawn(args: &[String], port: u16, log: &Path, setting: &Setting) -> Child {
    let journal = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let exporter = env!("CARGO_BIN_EXE_zai-exporter");
    let mut command = match setting {
        Setting::Apart(script) => apart(script, exporter),
        Setting::Here | Setting::With(_) => Command::new(exporter),
    };
    if let Setting::With(variable) = setting {
        command.envs(variable.split_once('='));
    }
    command
        .arg("serve")
        .args(args)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(journal)
        .spawn()
        .unwrap()
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

/// The sum of all series of `metric` whose labels hold `part`.
pub fn value(scrape: &str, metric: &str, part: &str) -> f64 {
    let lines = scrape.lines().filter(|l| l.starts_with(metric) && l.contains(part));
    let of = |l: &str| l.rsplit_once(' ').and_then(|(_, v)| v.parse::<f64>().ok());
    lines.filter(|l| l.as_bytes().get(metric.len()).is_some_and(|b| matches!(b, b'{' | b' '))).filter_map(of).sum()
}
