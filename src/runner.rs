//! The engine's thread: when to look, and what to do in between. All waiting is here.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::engine::{Engine, Standing};
use crate::metrics::{Own, WatchMode};
use crate::recognise::time::Millis;
use crate::wake::{Bell, Folders, folder_of};

/// How often files are looked at while the system tells of changes: for what it may have missed.
const SLOW_POLL: Duration = Duration::from_secs(2);

/// How often they are looked at where it does not.
const FAST_POLL: Duration = Duration::from_millis(250);

/// How often globs are expanded without a hint.
const DISCOVER: Duration = Duration::from_secs(10);

/// The shortest time between two looks that hints ask for; a look's own cost times [`REST`], if that is longer, so that
/// looking at many files never takes more than a small part of a core.
const LOOK_GAP: Duration = Duration::from_millis(20);

const REST: u32 = 50;

/// How many polls in a row must find what no hint announced before hints are no longer trusted.
const MISSED: u32 = 2;

/// What the engine is asked for.
#[derive(Debug)]
pub enum Command {
    /// A bell was rung.
    Wake,
    /// Look, commit and show.
    Commit(oneshot::Sender<()>),
    /// Tell what the status page shows besides what is committed.
    Describe(oneshot::Sender<Standing>),
    /// Use another configuration.
    Configure(Arc<Config>, oneshot::Sender<()>),
    /// A new configuration was refused.
    RefuseConfig,
    /// Read what is there, commit, and end.
    Stop,
}

/// The way to a running engine.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: Sender<Command>,
    ready: Arc<AtomicBool>,
}

impl Handle {
    /// Whether the first pass over the existing files is committed.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Looks, commits and shows; returns when that is done.
    pub async fn commit(&self) -> bool {
        self.ask(Command::Commit).await.is_some()
    }

    /// What the status page shows besides what is committed; nothing if the engine has ended.
    pub async fn describe(&self) -> Option<Standing> {
        self.ask(Command::Describe).await
    }

    /// Uses another configuration.
    pub async fn configure(&self, config: Arc<Config>) -> bool {
        self.ask(|done| Command::Configure(config, done)).await.is_some()
    }

    /// Notes that a new configuration was refused.
    pub fn refuse_config(&self) {
        let _ = self.commands.send(Command::RefuseConfig);
    }

    /// Ends the engine.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// A way to wake the engine.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let commands = self.commands.clone();
        move || {
            let _ = commands.send(Command::Wake);
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).ok()?;
        answer.await.ok()
    }
}

/// The bells and lists by which the engine and the watchers speak.
#[derive(Debug)]
pub struct Watch {
    /// The list of files to watch.
    pub files: watch::Sender<Vec<PathBuf>>,
    /// Rung when a followed file may have changed.
    pub changed: Bell,
    /// Rung when a file may have appeared.
    pub appeared: Bell,
    /// Whether all files are watched.
    pub healthy: Arc<AtomicBool>,
}

/// Makes the way to an engine that does not run yet.
pub fn handle() -> (Handle, Receiver<Command>) {
    let (commands, mailbox) = channel();
    (Handle { commands, ready: Arc::default() }, mailbox)
}

/// Starts the engine's thread. The channel ends when the thread does, for whatever reason.
pub fn start(
    engine: Engine,
    own: Own,
    handle: &Handle,
    mailbox: Receiver<Command>,
    watch: Watch,
) -> std::io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
    let folders = Folders::new(watch.appeared.clone(), false);
    let ready = Arc::clone(&handle.ready);
    let runner = Runner { engine, own, mailbox, watch, folders, ready, mode: None, missed: 0, waiting: Vec::new() };
    let (alive, ended) = oneshot::channel();
    let body = move || {
        let _alive: oneshot::Sender<()> = alive;
        runner.run();
    };
    let thread = std::thread::Builder::new().name("engine".to_string()).spawn(body)?;
    Ok((thread, ended))
}

struct Runner {
    engine: Engine,
    own: Own,
    mailbox: Receiver<Command>,
    watch: Watch,
    folders: Folders,
    ready: Arc<AtomicBool>,
    mode: Option<WatchMode>,
    /// Polls in a row that found what no hint announced.
    missed: u32,
    /// Scrapes that wait for the next commit.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Runner {
    fn run(mut self) {
        self.rewatch();
        let mut next_look = Instant::now();
        let mut next_discover = Instant::now() + DISCOVER;
        let (mut last_look, mut cost) = (Instant::now(), Duration::ZERO);
        loop {
            let now = Instant::now();
            if self.watch.appeared.heard() || now >= next_discover {
                self.engine.discover();
                self.rewatch();
                next_discover = now + DISCOVER;
                next_look = now;
            }
            if now >= next_look || !self.waiting.is_empty() {
                let hinted = self.watch.changed.heard();
                let before = self.own.read_bytes.get();
                let polled = now >= next_look && !hinted && self.waiting.is_empty();
                let more = self.engine.look(wall_clock());
                self.trust(polled && self.own.read_bytes.get() > before && self.is_ready(), hinted);
                self.answer();
                last_look = Instant::now();
                cost = last_look - now;
                next_look = last_look + if more { Duration::ZERO } else { self.poll_interval().max(cost * REST) };
            }
            match self.mailbox.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
                Ok(command) => {
                    if self.obey(command) {
                        return self.stop();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
            if self.watch.changed.is_rung() {
                next_look = next_look.min(last_look + LOOK_GAP.max(cost * REST));
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Carries a command out; `true` ends the engine.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Wake => {}
            Command::Commit(done) => self.waiting.push(done),
            Command::Describe(reply) => drop(reply.send(self.engine.standing(wall_clock()))),
            Command::Configure(config, done) => {
                self.engine.set_config(config, wall_clock());
                self.rewatch();
                let _ = done.send(());
            }
            Command::RefuseConfig => self.engine.refuse_config(),
            Command::Stop => return true,
        }
        // All that is in the mailbox by now shares the next look and commit.
        while let Ok(more) = self.mailbox.try_recv() {
            if self.obey(more) {
                return true;
            }
        }
        false
    }

    /// Commits for the scrapes that wait, all at once.
    fn answer(&mut self) {
        if self.engine.is_ready() {
            self.ready.store(true, Ordering::Release);
        }
        if self.waiting.is_empty() {
            return;
        }
        if self.engine.is_ready() {
            self.engine.commit(wall_clock());
        }
        for done in self.waiting.drain(..) {
            let _ = done.send(());
        }
    }

    /// Tells the watchers what there is to watch.
    fn rewatch(&mut self) {
        let files = self.engine.watched();
        self.watch.files.send_if_modified(|old| {
            let changed = *old != files;
            *old = files;
            changed
        });
        let config = Arc::clone(self.engine.config());
        for pattern in config.sources.iter().flat_map(|s| &s.paths) {
            let (folder, below) = folder_of(pattern);
            self.folders.watch(&folder, below);
        }
        self.note_mode();
    }

    /// Learns whether hints can be trusted: polls that find what no hint announced tell that they cannot.
    fn trust(&mut self, found_unannounced: bool, hinted: bool) {
        if hinted {
            self.missed = 0;
        } else if found_unannounced {
            self.missed = self.missed.saturating_add(1);
        }
        self.note_mode();
    }

    fn note_mode(&mut self) {
        let watching = self.watch.healthy.load(Ordering::Acquire) && self.folders.healthy();
        let mode = if watching && self.missed < MISSED { WatchMode::Events } else { WatchMode::Poll };
        if self.mode != Some(mode) {
            if self.missed == MISSED && watching {
                tracing::warn!("the file system does not tell of changes; files are polled instead");
            }
            self.mode = Some(mode);
            self.own.set_watch_mode(mode);
        }
    }

    fn poll_interval(&self) -> Duration {
        if self.mode == Some(WatchMode::Events) { SLOW_POLL } else { FAST_POLL }
    }

    /// The last lines are read and committed.
    fn stop(&mut self) {
        while self.engine.look(wall_clock()) {}
        self.engine.commit(wall_clock());
        for done in self.waiting.drain(..) {
            let _ = done.send(());
        }
    }
}

/// Milliseconds since the epoch.
pub fn wall_clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX))
}
