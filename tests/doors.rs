//! Closed doors: the web configuration as users write it, and a real TLS client before the real binary.
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/prometheus.rs"]
mod prometheus;
#[path = "common/tls.rs"]
#[allow(dead_code)]
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use process::{ERROR, Exporter, PATIENCE, value};
use prometheus::Prometheus;
use rustls::ALL_VERSIONS;
use rustls::version::{TLS12, TLS13};
use tls::{Answer, Authority, Client};

const PAIR: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// A folder with an authority, its certificates for a server and a client, and a log.
struct Setup {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Setup {
    fn new() -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        fs::write(setup.path("ca.crt"), setup.authority.certificate()).unwrap();
        setup.authority.issue(&["localhost"]).write(setup.folder.path(), "server");
        setup.authority.issue(&["prometheus.example.com", "10.0.0.1"]).write(setup.folder.path(), "client");
        fs::write(setup.path("app.log"), "").unwrap();
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn web_config(&self, text: &str) {
        // By rename: a file that is half written would be read as it is.
        fs::write(self.path("web.yaml.new"), text).unwrap();
        fs::rename(self.path("web.yaml.new"), self.path("web.yaml")).unwrap();
    }

    fn log_error(&self) {
        let mut file = OpenOptions::new().append(true).open(self.path("app.log")).unwrap();
        file.write_all(ERROR.as_bytes()).unwrap();
    }

    /// Starts an exporter with this web configuration.
    fn start(&self, web_config: &str) -> Exporter {
        self.web_config(web_config);
        let (log, web) = (self.path("app.log"), self.path("web.yaml"));
        let args = [&log.to_string_lossy(), "--web.config.file", &web.to_string_lossy(), "--log.level=debug"];
        Exporter::start(&args, &self.path("journal"))
    }

    fn client(&self) -> Client {
        Client::new(&self.authority.certificate(), None, ALL_VERSIONS)
    }

    fn client_with(&self, pair: &tls::Pair) -> Client {
        Client::new(&self.authority.certificate(), Some(pair), ALL_VERSIONS)
    }
}

fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::yield_now();
    }
    panic!("{what} did not come")
}

/// Waits for a status of a page behind TLS.
fn answered(client: &Client, port: u16, path: &str, headers: &str, status: u16) -> Answer {
    until(&format!("{status} for {path}"), || client.ask(port, path, headers).ok().filter(|a| a.status == status))
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}")))
}

/// A request in plain text.
fn plain(port: u16, method: &str, path: &str, headers: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    )?;
    if method == "HEAD" { Answer::read_head(&mut stream) } else { Answer::read(&mut stream) }
}

fn check(path: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zai-exporter"));
    let output = command.args(["check-config", "--web.config.file"]).arg(path).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The names of the files that promtool takes.
fn promtool(folder: &Path, names: &[String]) -> BTreeSet<String> {
    let output = Command::new("promtool").current_dir(folder).args(["check", "web-config"]).args(names).output();
    let output = output.expect("promtool is not installed: `make setup` installs it");
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let refused = said.lines().filter(|line| line.contains(".yaml FAILED")).count();
    let taken: BTreeSet<_> = said.lines().filter_map(|l| l.strip_suffix(" SUCCESS")).map(ToString::to_string).collect();
    assert_eq!(taken.len() + refused, names.len(), "promtool says something about each file");
    taken
}

/// `@NAME@` stands for the content of a file, so that the table holds no certificate that expires and no key.
fn fill_in(text: &str, folder: &Path) -> String {
    let line = |line: &str| match line.trim().strip_prefix('@').and_then(|l| l.strip_suffix('@')) {
        Some(name) => {
            let indent = &line[..line.len() - line.trim_start().len()];
            let pem = fs::read_to_string(folder.join(name)).unwrap();
            format!("{indent}{}\n", pem.trim_end().replace('\n', &format!("\n{indent}")))
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn promtool_agrees_on_every_file_of_the_table_but_for_those_with_a_reason() {
    let setup = Setup::new();
    fs::create_dir(setup.path("pair")).unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web-config");
    let mut expected = BTreeMap::new();
    for (group, ours, theirs) in
        [("good", true, true), ("bad", false, false), ("stricter", false, true), ("looser", true, false)]
    {
        for entry in fs::read_dir(table.join(group)).unwrap() {
            let file = entry.unwrap().path();
            let text = fs::read_to_string(&file).unwrap();
            assert!(ours == theirs || text.starts_with("# "), "{} says no reason", file.display());
            let name = format!("{group}-{}", file.file_name().unwrap().to_string_lossy());
            fs::write(setup.path(&name), fill_in(&text, setup.folder.path())).unwrap();
            expected.insert(name, (ours, theirs));
        }
    }
    assert!(expected.len() > 80, "{} files", expected.len());
    let names: Vec<String> = expected.keys().cloned().collect();
    let taken = promtool(setup.folder.path(), &names);
    for (name, (ours, theirs)) in expected {
        let (valid, stderr) = check(&setup.path(&name));
        assert_eq!(valid, ours, "{name} by zai-exporter: {stderr}");
        assert_eq!(taken.contains(&name), theirs, "{name} by promtool");
        assert!(valid || stderr.contains(".yaml: line "), "{name}: {stderr}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let setup = Setup::new();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("## The web configuration").nth(1).expect("the section is there");
    let examples: Vec<&str> = section.split("```yaml\n").skip(1).filter_map(|e| e.split("```").next()).collect();
    assert!(examples.len() >= 2, "{} examples", examples.len());
    let hash = section.lines().find_map(|line| line.trim().strip_prefix("prometheus: ")).unwrap();
    assert!(bcrypt::verify("change-me", hash).unwrap(), "the password that the page names");
    for example in examples {
        fs::write(setup.path("example.yaml"), example).unwrap();
        let (valid, stderr) = check(&setup.path("example.yaml"));
        assert!(valid, "{example}\n{stderr}");
    }
}

#[test]
fn check_config_checks_both_files_and_serve_refuses_a_bad_one() {
    let setup = Setup::new();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_zai-exporter")).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let at = |name: &str| setup.path(name).to_string_lossy().into_owned();
    fs::write(setup.path("zai.yaml"), "sources: []\n").unwrap();
    fs::write(setup.path("bad.yaml"), "source: []\n").unwrap();
    setup.web_config(PAIR);
    fs::write(setup.path("open.yaml"), "basic_auth_users: {ann: open-sesame}\n").unwrap();
    let (code, stdout, _) = run(&["check-config", &at("zai.yaml"), "--web.config.file", &at("web.yaml")]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("zai.yaml: valid") && stdout.contains("web.yaml: valid; TLS, no password"), "{stdout}");
    let (code, _, stderr) = run(&["check-config", &at("bad.yaml"), "--web.config.file", &at("open.yaml")]);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("bad.yaml: line 1: source: unknown key"), "{stderr}");
    assert!(stderr.contains("open.yaml: line 1: basic_auth_users.ann: must be a bcrypt hash"), "{stderr}");
    assert!(!stderr.contains("sesame"), "{stderr}");
    assert_eq!(run(&["check-config"]).0, Some(64), "nothing to check");
    let (code, _, stderr) = run(&["serve", &at("app.log"), "--web.config.file", &at("open.yaml")]);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("must be a bcrypt hash"), "{stderr}");
    let (code, _, stderr) = run(&["serve", &at("app.log"), "--web.config.file", &at("nowhere.yaml")]);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("cannot read the web configuration"), "{stderr}");
}

#[test]
fn a_scrape_by_tls_shows_the_counts_and_plain_text_is_not_answered() {
    let setup = Setup::new();
    setup.log_error();
    let exporter = setup.start(PAIR);
    let scrape = answered(&setup.client(), exporter.port, "/metrics", "", 200).text();
    assert_eq!(value(&scrape, "zai_api_errors_total", "code=\"1113\""), 1.0);
    assert_eq!(value(&scrape, "zai_exporter_web_config_last_reload_successful", ""), 1.0);
    assert!(plain(exporter.port, "GET", "/-/healthy", "").is_err());
    let stranger = Client::new(&Authority::new().certificate(), None, ALL_VERSIONS);
    assert!(stranger.ask(exporter.port, "/metrics", "").is_err(), "the certificate is the one that was configured");
}

#[test]
fn versions_below_the_least_are_refused() {
    let setup = Setup::new();
    let exporter = setup.start(&format!("{PAIR}  min_version: TLS13\n"));
    let authority = setup.authority.certificate();
    answered(&Client::new(&authority, None, &[&TLS13]), exporter.port, "/-/healthy", "", 200);
    assert!(Client::new(&authority, None, &[&TLS12]).ask(exporter.port, "/-/healthy", "").is_err());
    drop(exporter);
    let exporter = setup
        .start(&format!("{PAIR}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"));
    answered(&Client::new(&authority, None, &[&TLS12]), exporter.port, "/-/healthy", "", 200);
    assert!(Client::new(&authority, None, &[&TLS13]).ask(exporter.port, "/-/healthy", "").is_err());
    let connection = Client::new(&authority, None, &[&TLS12]).connect(exporter.port).unwrap();
    let suite = connection.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(format!("{suite:?}"), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
}

#[test]
fn certificates_of_clients_are_asked_for_as_configured() {
    let setup = Setup::new();
    let good = setup.authority.issue(&["prometheus.example.com"]);
    let other = setup.authority.issue(&["grafana.example.com"]);
    let by_address = setup.authority.issue(&["10.0.0.1"]);
    let foreign = Authority::new().issue(&["prometheus.example.com"]);
    let verify = "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n";
    let names = format!("{verify}  client_allowed_sans: [prometheus.example.com, 10.0.0.1]\n");
    // Who is let in: without a certificate, with a good one, with another name, with an address, with one of a foreign authority.
    for (config, expected) in [
        ("  client_auth_type: NoClientCert\n", [true, true, true, true, true]),
        ("  client_auth_type: RequestClientCert\n", [true, true, true, true, true]),
        ("  client_auth_type: RequireAnyClientCert\n", [false, true, true, true, true]),
        ("  client_ca_file: ca.crt\n  client_auth_type: VerifyClientCertIfGiven\n", [true, true, true, true, false]),
        (verify, [false, true, true, true, false]),
        (&names, [false, true, false, true, false]),
    ] {
        let exporter = setup.start(&format!("{PAIR}{config}"));
        // Any of those that are let in tells that it is up.
        answered(&setup.client_with(&good), exporter.port, "/-/healthy", "", 200);
        let clients = [
            setup.client(),
            setup.client_with(&good),
            setup.client_with(&other),
            setup.client_with(&by_address),
            setup.client_with(&foreign),
        ];
        let let_in = clients.map(|client| client.ask(exporter.port, "/-/healthy", "").is_ok_and(|a| a.status == 200));
        assert_eq!(let_in, expected, "{config}");
    }
}

#[test]
fn a_file_written_in_part_lets_nobody_in_without_a_certificate() {
    let setup = Setup::new();
    let verify = format!("{PAIR}  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n");
    let exporter = setup.start(&format!("{verify}  client_allowed_sans: [prometheus.example.com]\n"));
    let good = setup.client_with(&setup.authority.issue(&["prometheus.example.com"]));
    let other = setup.client_with(&setup.authority.issue(&["grafana.example.com"]));
    answered(&good, exporter.port, "/-/healthy", "", 200);
    for less in [PAIR.to_string(), verify] {
        setup.web_config(&less);
        let scrape = answered(&good, exporter.port, "/metrics", "", 200).text();
        assert_eq!(value(&scrape, "zai_exporter_web_config_last_reload_successful", ""), 0.0, "{less}");
        for client in [&setup.client(), &other] {
            assert!(client.ask(exporter.port, "/-/healthy", "").is_err(), "{less}");
        }
    }
    assert!(exporter.journal().contains("less is asked of clients"), "{}", exporter.journal());
}

#[test]
fn a_new_certificate_is_used_by_the_next_connection_and_the_old_ones_live_on() {
    let setup = Setup::new();
    let exporter = setup.start(PAIR);
    answered(&setup.client(), exporter.port, "/metrics", "", 200);
    let ask = |stream: &mut rustls::StreamOwned<_, TcpStream>| {
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Answer::read(stream)
    };
    let mut kept = setup.client().connect(exporter.port).unwrap();
    assert_eq!(ask(&mut kept).unwrap().status, 200);

    // The certificate first: for a moment it does not belong to the key.
    let renewed = Authority::new();
    let pair = renewed.issue(&["localhost"]);
    fs::write(setup.path("server.crt"), &pair.certificate).unwrap();
    let scrape = answered(&setup.client(), exporter.port, "/metrics", "", 200).text();
    assert_eq!(value(&scrape, "zai_exporter_web_config_last_reload_successful", ""), 0.0);
    let journal = exporter.journal();
    assert!(journal.contains("the old one stays"), "{journal}");
    assert!(journal.contains("the key is not that of the certificate"), "{journal}");
    fs::write(setup.path("server.key"), &pair.key).unwrap();

    let client = Client::new(&renewed.certificate(), None, ALL_VERSIONS);
    let scrape = client.ask(exporter.port, "/metrics", "").unwrap().text();
    assert_eq!(value(&scrape, "zai_exporter_web_config_last_reload_successful", ""), 1.0);
    assert!(setup.client().ask(exporter.port, "/metrics", "").is_err(), "the old certificate is shown no more");
    assert_eq!(ask(&mut kept).unwrap().status, 200, "the old connection lives on");
}

#[test]
fn a_secret_that_is_swapped_by_a_link_is_read_again_and_an_emptied_file_opens_nothing() {
    let setup = Setup::new();
    let folder = setup.folder.path();
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    for (data, password) in [("..1", "old"), ("..2", "new"), ("..3", "")] {
        fs::create_dir(folder.join(data)).unwrap();
        let text = if password.is_empty() {
            String::new()
        } else {
            format!("basic_auth_users: {{ann: '{}'}}\n", hash(password))
        };
        fs::write(folder.join(data).join("web.yaml"), text).unwrap();
    }
    let swap = |data: &str| {
        std::os::unix::fs::symlink(data, folder.join("..new")).unwrap();
        fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    };
    swap("..1");
    std::os::unix::fs::symlink("..data/web.yaml", folder.join("linked.yaml")).unwrap();
    let (log, web) = (setup.path("app.log"), setup.path("linked.yaml"));
    let exporter =
        Exporter::start(&[&log.to_string_lossy(), "--web.config.file", &web.to_string_lossy()], &setup.path("journal"));
    let status =
        |password: &str| plain(exporter.port, "GET", "/metrics", &basic("ann", password)).ok().map(|a| a.status);
    until("the old password", || status("old").filter(|s| *s == 200));
    assert_eq!(status("new"), Some(401));
    swap("..2");
    assert_eq!((status("old"), status("new")), (Some(401), Some(200)));
    swap("..3");
    assert_eq!((status("old"), status("new")), (Some(401), Some(200)));
    assert_eq!(plain(exporter.port, "GET", "/metrics", "").unwrap().status, 401);
    assert!(exporter.journal().contains("all users were taken away"), "{}", exporter.journal());
}

#[test]
fn everything_but_health_is_behind_the_password() {
    let setup = Setup::new();
    let hash = bcrypt::hash("right", 4).unwrap();
    let exporter = setup.start(&format!(
        "basic_auth_users: {{ann: '{hash}'}}\nhttp_server_config:\n  headers: {{X-Frame-Options: deny, Content-Security-Policy: \"default-src 'none'\"}}\n"
    ));
    until("health", || plain(exporter.port, "GET", "/-/ready", "").ok().filter(|a| a.status == 200));
    assert_eq!(plain(exporter.port, "GET", "/-/healthy", "").unwrap().status, 200);
    for (method, path) in [
        ("GET", "/metrics"),
        ("HEAD", "/metrics"),
        ("GET", "/"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/status?include=page"),
        ("POST", "/-/reload"),
        ("PUT", "/-/reload"),
        ("GET", "/no-such-page"),
        ("GET", "/-/healthy/"),
        ("GET", "//-/healthy"),
        ("GET", "/-/../metrics"),
        ("OPTIONS", "*"),
    ] {
        for headers in
            [String::new(), basic("ann", "wrong"), basic("bob", "right"), "Authorization: Bearer right\r\n".into()]
        {
            let answer =
                until("an answer", || plain(exporter.port, method, path, &headers).ok().filter(|a| a.status != 429));
            assert_eq!(answer.status, 401, "{method} {path} {headers}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"), "{}", answer.head);
            assert_eq!(answer.header("x-frame-options").as_deref(), Some("deny"));
        }
    }
    let right = basic("ann", "right");
    for (method, path, status) in [
        ("GET", "/metrics", 200),
        ("GET", "/", 200),
        ("GET", "/api/v1/status", 200),
        ("POST", "/-/reload", 200),
        ("GET", "/no", 404),
    ] {
        let answer = plain(exporter.port, method, path, &right).unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("x-frame-options").as_deref(), Some("deny"));
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(policy == "default-src 'none'", path != "/", "the page keeps its own policy: {policy}");
    }
    assert!(exporter.journal().contains("TLS is off"), "{}", exporter.journal());
}

#[test]
fn a_flood_of_wrong_passwords_stalls_neither_scrapes_nor_the_log() {
    let setup = Setup::new();
    let hash = bcrypt::hash("right", 8).unwrap();
    let exporter = setup.start(&format!("basic_auth_users: {{ann: '{hash}'}}\n"));
    let (port, right) = (exporter.port, basic("ann", "right"));
    until("a scrape", || plain(port, "GET", "/metrics", &right).ok().filter(|a| a.status == 200));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = |user: &'static str| {
            let mut answers = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = plain(port, "GET", "/metrics", &basic(user, &answers.to_string()));
                answers += usize::from(answer.is_ok_and(|a| matches!(a.status, 401 | 429)));
            }
            answers
        };
        let floods: Vec<_> =
            ["ann", "bob"].into_iter().cycle().take(8).map(|user| scope.spawn(move || flood(user))).collect();
        for i in 1..=20 {
            setup.log_error();
            let scrape = plain(port, "GET", "/metrics", &right).unwrap();
            assert_eq!(scrape.status, 200, "{}", scrape.head);
            assert_eq!(value(&scrape.text(), "zai_api_errors_total", "code=\"1113\""), f64::from(i));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(floods.into_iter().map(|f| f.join().unwrap()).sum::<usize>() > 0);
    });
}

#[test]
fn more_requests_than_the_limit_are_refused_and_health_is_answered() {
    let setup = Setup::new();
    let exporter = setup.start("rate_limit: {interval: 1h, burst: 3}\n");
    until("health", || plain(exporter.port, "GET", "/-/ready", "").ok().filter(|a| a.status == 200));
    let statuses: Vec<u16> = (0..5).map(|_| plain(exporter.port, "GET", "/metrics", "").unwrap().status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(plain(exporter.port, "GET", "/-/healthy", "").unwrap().status, 200);
}

#[test]
fn prometheus_scrapes_with_a_client_certificate_and_a_password() {
    let setup = Setup::new();
    setup.log_error();
    let hash = bcrypt::hash("right", 4).unwrap();
    let exporter = setup.start(&format!(
        "{PAIR}  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users: {{ann: '{hash}'}}\n"
    ));
    // Handshakes of a slow machine need longer than the other tests' quarter of a second.
    let scrape = "    scrape_interval: 1s\n    scrape_timeout: 1s\n    scheme: https\n    basic_auth: {username: ann, password: right}\n    \
                  tls_config: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key, server_name: localhost}\n";
    let prometheus = Prometheus::start(exporter.port, scrape, setup.folder.path());
    prometheus.until("sum(zai_api_errors_total)", |sum| sum == 1.0);
    setup.log_error();
    prometheus.until("sum(zai_api_errors_total)", |sum| sum == 2.0);
    prometheus.until("zai_exporter_web_connections", |connections| connections == 1.0);
}

#[test]
fn curl_scrapes_with_a_client_certificate_and_a_password() {
    let setup = Setup::new();
    let hash = bcrypt::hash("right", 4).unwrap();
    let exporter = setup.start(&format!(
        "{PAIR}  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users: {{ann: '{hash}'}}\n"
    ));
    let url = format!("https://localhost:{}/metrics", exporter.port);
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.current_dir(setup.folder.path()).args(["-sS", "--fail", "--cacert", "ca.crt", "--resolve"]);
        command.arg(format!("localhost:{}:127.0.0.1", exporter.port)).args(more).arg(&url).output().unwrap()
    };
    let all = ["--cert", "client.crt", "--key", "client.key", "--compressed", "-u", "ann:right"];
    let output = until("a scrape", || Some(curl(&all)).filter(|o| o.status.success()));
    assert!(String::from_utf8_lossy(&output.stdout).contains("zai_api_errors_total"));
    assert!(!curl(&all[..5]).status.success(), "without a password");
    assert!(!curl(&all[4..]).status.success(), "without a certificate");
}

#[test]
fn what_is_not_taken_down_by_the_end_is_cut() {
    let setup = Setup::new();
    let mut exporter = setup.start(PAIR);
    answered(&setup.client(), exporter.port, "/metrics", "", 200);
    // One that shakes no hands, one that asks half, one that says nothing any more.
    let silent = TcpStream::connect(("127.0.0.1", exporter.port)).unwrap();
    let mut half = setup.client().connect(exporter.port).unwrap();
    write!(half, "GET /metrics HT").unwrap();
    let mut idle = setup.client().connect(exporter.port).unwrap();
    write!(idle, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut idle).unwrap().status, 200);
    exporter.signal("-TERM");
    assert_eq!(exporter.wait(), Some(0));
    for mut stream in [silent, half.sock, idle.sock] {
        let mut rest = Vec::new();
        // Closed or reset: in any case it is over.
        let _ = stream.read_to_end(&mut rest);
    }
}
