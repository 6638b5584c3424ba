//! Clients that mean harm, or do it by mistake: whatever they send, keep back or break off, logs are followed, scrapes are answered and
//! memory stays bounded. The long run is a command of its own:
//!
//!     ZAI_ABUSE_CONNECTIONS=10000 cargo test --release --test abuse -- --ignored --nocapture
#![allow(missing_docs, clippy::float_cmp)] // counts are whole numbers

#[path = "common/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "common/tls.rs"]
#[allow(dead_code)]
mod tls;

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use process::{ERROR, Exporter, PATIENCE, value};
use rustix::process::{Resource, getrlimit, setrlimit};
use tls::{Answer, Authority, Client};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// More memory than an exporter of a small log, its connections and their answers can need.
const MEMORY: u64 = 96 * 1024 * 1024;

/// An exporter of one log, and what was written to it.
struct Victim {
    folder: tempfile::TempDir,
    exporter: Exporter,
    written: Cell<u32>,
}

impl Victim {
    fn start(folder: tempfile::TempDir, args: &[&str]) -> Self {
        let log = folder.path().join("app.log");
        fs::write(&log, "").unwrap();
        let log = log.to_string_lossy().into_owned();
        let args: Vec<&str> = std::iter::once(log.as_str()).chain(args.iter().copied()).collect();
        let exporter = Exporter::start(&args, &folder.path().join("journal"));
        Self { folder, exporter, written: Cell::new(0) }
    }

    fn plain(limit: usize) -> Self {
        let victim = Self::start(tempfile::tempdir().unwrap(), &[&format!("--web.max-connections={limit}")]);
        victim.exporter.scrape_until("the first pass", |_| true);
        victim
    }

    /// One that speaks TLS, with the authority of its certificate.
    fn behind_tls(limit: usize) -> (Self, Authority) {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.issue(&["localhost"]).write(folder.path(), "server");
        let web = folder.path().join("web.yaml");
        fs::write(&web, "tls_server_config: {cert_file: server.crt, key_file: server.key}\n").unwrap();
        let web = web.to_string_lossy().into_owned();
        (Self::start(folder, &[&format!("--web.max-connections={limit}"), "--web.config.file", &web]), authority)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.exporter.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a connection of their own and reads one answer.
    fn send(&self, bytes: &str) -> io::Result<Answer> {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes())?;
        Answer::read(&mut stream)
    }

    fn log_error(&self) {
        let mut file = OpenOptions::new().append(true).open(self.path("app.log")).unwrap();
        file.write_all(ERROR.as_bytes()).unwrap();
        self.written.set(self.written.get() + 1);
    }

    /// What is logged now is counted, whatever goes on; returns the scrape that shows it, and how long it took.
    fn goes_on(&self, scrape: impl Fn() -> Option<String>) -> (String, Duration) {
        self.log_error();
        let (start, expected) = (Instant::now(), f64::from(self.written.get()));
        while start.elapsed() < PATIENCE {
            if let Some(text) = scrape() {
                let counted = value(&text, "zai_api_errors_total", "code=\"1113\"");
                assert_eq!(counted, expected, "a scrape shows all that was written before it");
                assert!(self.exporter.peak_memory() < MEMORY, "{} bytes", self.exporter.peak_memory());
                return (text, start.elapsed());
            }
        }
        panic!("no scrape was answered; its log:\n{}", self.exporter.journal());
    }

    fn goes_on_in_plain_text(&self) -> (String, Duration) {
        self.goes_on(|| self.exporter.scrape())
    }
}

/// Whether the other side has closed; what it sent before is read and dropped.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).is_ok_or_reset()
}

trait OkOrReset {
    fn is_ok_or_reset(&self) -> bool;
}

impl OkOrReset for io::Result<usize> {
    /// Without data left unread it is an end, with some a reset.
    fn is_ok_or_reset(&self) -> bool {
        self.as_ref().map_or_else(|e| e.kind() == io::ErrorKind::ConnectionReset, |_| true)
    }
}

fn open_files(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(
        limit.current.is_none_or(|n| n > wanted),
        "the limit of open files is {:?}: too low for this run",
        limit.current
    );
}

#[test]
fn connections_that_say_nothing_make_room() {
    let victim = Victim::plain(16);
    let mut held: Vec<TcpStream> = Vec::new();
    for i in 0..400 {
        let mut stream = victim.connect();
        // Nothing, half a head, or a whole request whose connection is then kept.
        match i % 3 {
            0 => {}
            1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc").unwrap(),
            _ => stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap(),
        }
        held.push(stream);
        if i % 40 == 0 {
            let (scrape, _) = victim.goes_on_in_plain_text();
            assert!(value(&scrape, "zai_exporter_web_connections", "") <= 16.0);
        }
    }
    let (scrape, _) = victim.goes_on_in_plain_text();
    assert!(value(&scrape, "zai_exporter_web_connections_displaced_total", "") >= 300.0, "{scrape}");
    assert!(is_closed(&mut held[0]), "the one that waited longest is closed");
}

#[test]
fn handshakes_that_never_end_make_room() {
    let (victim, authority) = Victim::behind_tls(16);
    let client = Client::new(&authority.certificate(), None, rustls::ALL_VERSIONS);
    let scrape = || client.ask(victim.exporter.port, "/metrics", "").ok().filter(|a| a.status == 200).map(|a| a.text());
    victim.goes_on(scrape);
    let mut held = Vec::new();
    for i in 0..200 {
        let mut stream = victim.connect();
        // The beginning of a handshake message of 512 bytes, or nothing.
        let hello: &[u8] = if i % 2 == 0 { &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] } else { &[] };
        stream.write_all(hello).unwrap();
        held.push(stream);
    }
    victim.goes_on(scrape);
    assert!(is_closed(&mut held[0]));
}

#[test]
fn heads_beyond_the_limit_are_refused() {
    let victim = Victim::plain(16);
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(1_000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000));
    for head in [long, many, path] {
        let mut stream = victim.connect();
        // It is refused before all of it is sent: then the rest of it, or of the answer, may be lost.
        let sent = stream.write_all(head.as_bytes());
        match Answer::read(&mut stream) {
            Ok(answer) => assert!(matches!(answer.status, 431 | 414), "{}", answer.head),
            Err(e) => assert!(sent.is_err() || e.kind() == io::ErrorKind::ConnectionReset, "{e}"),
        }
        victim.goes_on_in_plain_text();
    }
    let fits = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(16_000));
    assert_eq!(victim.send(&fits).unwrap().status, 200);
}

#[test]
fn what_is_no_request_is_refused() {
    let victim = Victim::plain(16);
    for bytes in [
        "\r\n\r\nnonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /metrics HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        match victim.send(bytes) {
            Ok(answer) => assert!((400..600).contains(&answer.status), "{bytes:?}: {}", answer.head),
            Err(e) => assert_ne!(e.kind(), io::ErrorKind::WouldBlock, "{bytes:?} waits for ever"),
        }
    }
    victim.goes_on_in_plain_text();
}

#[test]
fn pipelined_requests_are_all_answered_in_their_order() {
    let victim = Victim::plain(16);
    victim.log_error();
    let mut stream = victim.connect();
    let pair = format!("{SCRAPE}GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(pair.repeat(100).as_bytes()).unwrap();
    for _ in 0..100 {
        let scrape = Answer::read(&mut stream).unwrap();
        assert_eq!(value(&scrape.text(), "zai_api_errors_total", "code=\"1113\""), 1.0);
        assert_eq!(Answer::read(&mut stream).unwrap().text(), "healthy\n");
    }
    victim.goes_on_in_plain_text();
}

#[test]
fn old_and_headless_clients_are_answered() {
    let victim = Victim::plain(16);
    let mut stream = victim.connect();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    assert!(text.starts_with("http/1.0 200") && !text.contains("chunked"), "{text}");
    let mut body = String::new();
    GzDecoder::new(&answer[head + 4..]).read_to_string(&mut body).unwrap();
    assert!(body.contains("zai_api_errors_total"));

    for path in ["/metrics", "/", "/api/v1/status", "/-/healthy", "/-/ready"] {
        let mut stream = victim.connect();
        write!(stream, "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{path}: {answer}");
    }
    assert_eq!(victim.send("DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap().status, 405);
    victim.goes_on_in_plain_text();
}

#[test]
fn answers_are_encoded_as_the_client_accepts() {
    let victim = Victim::plain(16);
    for (accepted, status, encoded) in [
        (None, 200, false),
        (Some(""), 200, false),
        (Some("gzip"), 200, true),
        (Some("GZip"), 200, true),
        (Some("deflate, gzip;q=1.0, *;q=0.5"), 200, true),
        (Some("gzip;q=0.5, identity;q=0.8"), 200, false),
        (Some("gzip;q=0"), 200, false),
        (Some("gzip;q=0.001"), 200, true),
        (Some("br, zstd"), 200, false),
        (Some("*"), 200, true),
        (Some("*;q=0, gzip;q=1"), 200, true),
        (Some("identity;q=0, gzip"), 200, true),
        (Some("identity"), 200, false),
        (Some("identity;q=0"), 406, false),
        (Some("*;q=0"), 406, false),
        (Some("gzip;q=nonsense"), 200, false),
        (Some(",,;;q=,gzip;;"), 200, false),
    ] {
        let header = accepted.map(|value| format!("Accept-Encoding: {value}\r\n")).unwrap_or_default();
        let answer = victim.send(&format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{header}\r\n")).unwrap();
        assert_eq!(answer.status, status, "{accepted:?}");
        assert_eq!(
            answer.header("content-encoding").as_deref() == Some("gzip"),
            encoded,
            "{accepted:?}: {}",
            answer.head
        );
        let mut text = answer.text();
        if encoded {
            text.clear();
            GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
        }
        assert!(status != 200 || text.contains("zai_api_errors_total"), "{accepted:?}");
        assert!(status != 200 || answer.header("vary").is_some_and(|v| v.eq_ignore_ascii_case("accept-encoding")));
    }
}

#[test]
fn bodies_are_neither_waited_for_nor_kept() {
    let victim = Victim::plain(16);
    let small = victim.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(small.status, 200);
    let announced =
        victim.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n").unwrap();
    assert_eq!(announced.status, 200);
    for request in ["GET /metrics", "POST /-/reload", "PUT /no-such-page"] {
        let mut stream = victim.connect();
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
        // Endless, if it were for the client: the other side hangs up.
        let sent = (0..4_096).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
        assert!(sent < 4_096, "{request}: 256 MiB were taken");
        victim.goes_on_in_plain_text();
    }
}

#[test]
fn scrapes_that_are_dropped_half_way_leave_nothing_behind() {
    let victim = Victim::plain(64);
    for i in 0..300 {
        let mut stream = victim.connect();
        stream.write_all(SCRAPE.as_bytes()).unwrap();
        if i % 2 == 0 {
            // In the middle of the answer; otherwise before it.
            stream.read_exact(&mut [0; 100]).unwrap();
        }
        drop(stream);
        if i % 50 == 0 {
            victim.goes_on_in_plain_text();
        }
    }
    victim.exporter.scrape_until("only its own connection", |s| value(s, "zai_exporter_web_connections", "") == 1.0);
    let (_, _) = victim.goes_on_in_plain_text();
}

#[test]
fn without_a_free_descriptor_connections_make_room() {
    let victim = Victim::plain(64);
    // The log is open, and the limit is lowered behind the exporter's back: it cannot accept what it was started for.
    victim.exporter.limit_open_files(8);
    let held: Vec<TcpStream> = (0..40).map(|_| victim.connect()).collect();
    let (scrape, _) = victim.goes_on_in_plain_text();
    assert!(value(&scrape, "zai_exporter_web_connections_displaced_total", "") > 0.0);
    assert!(victim.exporter.journal().contains("cannot accept a connection"), "{}", victim.exporter.journal());
    drop(held);
}

#[test]
fn connections_leave_descriptors_for_logs() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.log"), "").unwrap();
    let journal = folder.path().join("journal");
    let mut exporter = Command::new("prlimit")
        .args(["--nofile=64:64", "--", env!("CARGO_BIN_EXE_zai-exporter"), "serve", "--web.listen-address=127.0.0.1:0"])
        .arg(folder.path().join("app.log"))
        .stderr(fs::File::create(&journal).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    let said = || fs::read_to_string(&journal).unwrap();
    while !said().contains("16 connections at most and not 128") && Instant::now() < end {
        std::thread::yield_now();
    }
    exporter.kill().unwrap();
    exporter.wait().unwrap();
    assert!(said().contains("16 connections at most and not 128"), "{}", said());
}

#[test]
fn many_scrapes_at_once_share_commits_and_all_show_what_was_written() {
    let victim = Victim::plain(128);
    let commits = |scrape: &str| value(scrape, "zai_exporter_state_commits_total", "");
    let shared = (0..20).any(|_| {
        let before = commits(&victim.exporter.scrape().unwrap());
        let mut scrapers: Vec<TcpStream> = (0..100).map(|_| victim.connect()).collect();
        let (head, last) = SCRAPE.as_bytes().split_at(SCRAPE.len() - 1);
        for scraper in &mut scrapers {
            scraper.write_all(head).unwrap();
        }
        let mut most = before;
        for scraper in &mut scrapers {
            // Without news there would be nothing to commit.
            victim.log_error();
            scraper.write_all(last).unwrap();
        }
        let written = f64::from(victim.written.get());
        for (i, scraper) in scrapers.iter_mut().enumerate() {
            let answer = Answer::read(scraper).unwrap();
            assert_eq!(answer.status, 200);
            let counted = value(&answer.text(), "zai_api_errors_total", "code=\"1113\"");
            let before_it = written - 99.0 + i as f64;
            assert!((before_it..=written).contains(&counted), "scrape {i} of {written} shows {counted}");
            most = most.max(commits(&answer.text()));
        }
        most - before < 100.0
    });
    assert!(shared, "each scrape had a commit of its own, twenty times");
}

/// Who asks and does not read keeps no place for longer than the patience with answers, if others want it.
#[test]
#[ignore = "takes minutes: see the module's documentation"]
fn answers_that_nobody_reads_make_room() {
    let victim = Victim::plain(8);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = victim.connect();
        // More answers than the buffers of both sides hold.
        stream.write_all(SCRAPE.repeat(600).as_bytes()).unwrap();
        held.push(stream);
    }
    let (scrape, took) = victim.goes_on_in_plain_text();
    println!(
        "8 of 8 places held by who does not read: the next scrape took {took:?}; peak {} bytes",
        victim.exporter.peak_memory()
    );
    assert!(value(&scrape, "zai_exporter_web_connections", "") <= 8.0);
}

/// A head that never ends is cut off after [`NEXT_HEAD`], a handshake that never ends after [`HANDSHAKE`], without anybody else.
#[test]
#[ignore = "takes minutes: see the module's documentation"]
fn what_never_ends_is_cut_off_in_time() {
    const NEXT_HEAD: Duration = Duration::from_secs(150);
    const HANDSHAKE: Duration = Duration::from_secs(10);
    let (behind_tls, _) = Victim::behind_tls(128);
    let victim = Victim::plain(8);
    let until_closed = |mut stream: TcpStream, dribble: bool, limit: Duration| {
        let start = Instant::now();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        loop {
            assert!(start.elapsed() < limit + PATIENCE, "still open");
            // A byte from time to time, as slowloris does.
            if dribble && stream.write_all(b"x").is_err() {
                return start.elapsed();
            }
            match stream.read(&mut [0; 512]) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Ok(n) if n > 0 => {}
                _ => return start.elapsed(),
            }
        }
    };
    std::thread::scope(|scope| {
        let (half, idle, silent) =
            (victim.connect(), victim.connect(), || until_something_listens(behind_tls.exporter.port));
        let half = scope.spawn(move || {
            let mut half = half;
            half.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
            until_closed(half, true, NEXT_HEAD)
        });
        let idle = scope.spawn(move || until_closed(idle, false, NEXT_HEAD));
        let silent = scope.spawn(move || until_closed(silent(), false, HANDSHAKE));
        let (half, idle, silent) = (half.join().unwrap(), idle.join().unwrap(), silent.join().unwrap());
        println!("half a head: {half:?}; no request: {idle:?}; no handshake: {silent:?}");
        assert!(half >= NEXT_HEAD.mul_f32(0.9) && idle >= NEXT_HEAD.mul_f32(0.9) && silent >= HANDSHAKE.mul_f32(0.9));
    });
    victim.goes_on_in_plain_text();
}

fn until_something_listens(port: u16) -> TcpStream {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return stream;
        }
        std::thread::yield_now();
    }
    panic!("nothing listens on {port}");
}

/// Handshakes are work for the thread that serves: a flood of them makes scrapes slower, and the log is followed by another thread.
#[test]
#[ignore = "takes minutes: see the module's documentation"]
fn a_flood_of_handshakes_stalls_nothing() {
    let (victim, authority) = Victim::behind_tls(128);
    let port = victim.exporter.port;
    let client = || Client::new(&authority.certificate(), None, rustls::ALL_VERSIONS);
    let scraper = client();
    let scrape = || scraper.ask(port, "/metrics", "").ok().filter(|a| a.status == 200).map(|a| a.text());
    victim.goes_on(scrape);
    let end = Instant::now() + Duration::from_secs(20);
    let flood = |client: Client| {
        let mut shaken = 0;
        while Instant::now() < end {
            shaken += usize::from(client.connect(port).is_ok());
        }
        shaken
    };
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4).map(|_| scope.spawn(|| flood(client()))).collect();
        let mut worst = Duration::ZERO;
        while Instant::now() < end {
            worst = worst.max(victim.goes_on(scrape).1);
        }
        let shaken: usize = floods.into_iter().map(|f| f.join().unwrap()).sum();
        println!("{shaken} handshakes in 20 s; from a line to the scrape that shows it {worst:?} at worst");
        assert!(shaken > 0);
    });
}

/// Ten thousand connections at once, of all bad kinds, held open by their clients.
#[test]
#[ignore = "takes minutes: see the module's documentation"]
fn ten_thousand_connections_stall_nothing() {
    let number: u32 = std::env::var("ZAI_ABUSE_CONNECTIONS").ok().map_or(10_000, |n| n.parse().unwrap());
    open_files(u64::from(number) + 200);
    let victim = Victim::plain(128);
    let before = victim.exporter.peak_memory();
    let (mut held, mut worst) = (Vec::new(), Duration::ZERO);
    let start = Instant::now();
    for i in 0..number {
        let mut stream = victim.connect();
        let bytes: Vec<u8> = match i % 4 {
            0 => Vec::new(),
            1 => format!("GET /metrics HTTP/1.1\r\nX-Long: {}", "a".repeat(30_000)).into_bytes(),
            2 => SCRAPE.as_bytes().to_vec(),
            _ => SCRAPE.repeat(20).into_bytes(),
        };
        // Whoever was displaced meanwhile cannot send: that is what is wanted.
        let _ = stream.write_all(&bytes);
        held.push(stream);
        if i % 500 == 0 {
            worst = worst.max(victim.goes_on_in_plain_text().1);
        }
    }
    let (scrape, last) = victim.goes_on_in_plain_text();
    println!(
        "{number} connections in {:?}; from a line to the scrape that shows it {:?} at worst; peak memory {before} bytes before, {} after; {} connections, {} displaced",
        start.elapsed(),
        worst.max(last),
        victim.exporter.peak_memory(),
        value(&scrape, "zai_exporter_web_connections", ""),
        value(&scrape, "zai_exporter_web_connections_displaced_total", ""),
    );
    assert!(value(&scrape, "zai_exporter_web_connections", "") <= 128.0);
    assert!(value(&scrape, "process_open_fds", "") < 400.0);
    drop(held);
    victim.exporter.scrape_until("only its own connection", |s| value(s, "zai_exporter_web_connections", "") == 1.0);
}
