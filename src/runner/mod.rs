//! The engine's thread: looks when it is time to ([`pace`]), and does what is asked in between. All waiting is here.

mod pace;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{oneshot, watch};

pub use self::pace::Intervals;
use self::pace::{Cause, Looked, Pace};
use crate::config::{Config, LogPath};
use crate::engine::{Engine, Standing};
use crate::metrics::{Own, WatchMode};
use crate::recognise::time::Millis;
use crate::wake::{Bell, Folders, Watched};

/// How many commands are carried out between two looks: whoever goes on asking does not keep the engine from looking.
const AT_ONCE: usize = 1_000;

/// How long the last lines are read. Kubernetes kills 30 seconds after it asked a process to end, systemd after 90.
const LAST_LINES: Duration = Duration::from_secs(5);

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
    /// What there is to watch.
    pub files: watch::Sender<Watched>,
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
    intervals: Intervals,
) -> std::io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
    let folders = Folders::new(watch.appeared.clone(), watch.changed.clone());
    let ready = Arc::clone(&handle.ready);
    let pace = Pace::new(intervals, Instant::now());
    let runner = Runner { engine, own, mailbox, watch, folders, ready, pace, mode: None, waiting: Vec::new() };
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
    pace: Pace,
    /// The mode that was last told.
    mode: Option<WatchMode>,
    /// Scrapes that wait for the next commit.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Runner {
    fn run(mut self) {
        loop {
            let now = Instant::now();
            let discovers = self.pace.discovers(now);
            if discovers {
                self.discover(now);
            }
            if self.pace.looks(Instant::now()) || !self.waiting.is_empty() {
                self.look(discovers);
            }
            match self.mailbox.recv_timeout(self.pace.rest(Instant::now())) {
                Ok(command) => {
                    if self.obey_all(command) {
                        return self.stop();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
            if self.watch.changed.is_rung() {
                self.pace.hint();
            }
            if self.watch.appeared.is_rung() {
                self.pace.hint_appeared();
            }
        }
    }

    /// Looks for new files. Folders are watched before: what appears meanwhile is told of.
    fn discover(&mut self, begun: Instant) {
        self.watch.appeared.heard();
        self.watch_folders();
        self.engine.discover();
        self.watch_files();
        self.pace.discovered(begun, Instant::now());
    }

    /// Looks, answers the scrapes that wait, and learns from what was found whether hints can be trusted.
    fn look(&mut self, discovered: bool) {
        let begun = Instant::now();
        let cause = if self.watch.changed.heard() {
            Cause::Hint
        } else if discovered || !self.waiting.is_empty() {
            Cause::Asked
        } else {
            Cause::Poll
        };
        let before = self.own.read_bytes.get();
        let more = self.engine.look(wall_clock());
        let was_ready = self.ready.load(Ordering::Acquire);
        let found = self.own.read_bytes.get() > before && was_ready;
        // The first scrape shows it.
        self.note_mode();
        self.answer();
        self.pace.looked(begun, Instant::now(), Looked { cause, found, more });
        // Now nobody waits.
        self.engine.keep_in_time(wall_clock());
        if self.engine.is_ready() && !was_ready {
            // Before, watches would have told of nothing but the exporter's own reading. What came meanwhile is looked for.
            self.discover(Instant::now());
        }
        self.tell_of_files(None);
        self.note_mode();
    }

    /// Carries a command out, and what is in the mailbox by now: all of it shares the next look and commit. `true` ends the engine.
    fn obey_all(&mut self, first: Command) -> bool {
        let mut next = Some(first);
        let mut left = AT_ONCE;
        while let Some(command) = next.take() {
            if self.obey(command) {
                return true;
            }
            left -= 1;
            next = if left > 0 { self.mailbox.try_recv().ok() } else { None };
        }
        false
    }

    /// Carries a command out; `true` ends the engine. Nobody waits for what a client that has gone asked for.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Wake => {}
            Command::Commit(done) if done.is_closed() => {}
            Command::Commit(done) => self.waiting.push(done),
            Command::Describe(reply) if reply.is_closed() => {}
            Command::Describe(reply) => drop(reply.send(self.engine.standing(wall_clock()))),
            Command::Configure(config, done) => {
                self.engine.set_config(config, wall_clock());
                self.discover(Instant::now());
                let _ = done.send(());
            }
            Command::RefuseConfig => self.engine.refuse_config(),
            Command::Stop => return true,
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

    /// Watches the folders of globs, once the existing files are read.
    fn watch_folders(&mut self) {
        if !self.engine.is_ready() {
            return;
        }
        let config = Arc::clone(self.engine.config());
        let globs = config.sources.iter().flat_map(|s| &s.paths).filter(|p| p.glob().is_some());
        self.folders.watch(globs.map(LogPath::folder));
    }

    /// Tells the watcher of files which there are, but for those whose folder is watched: ten thousand files in a folder need one watch,
    /// not ten thousand.
    fn watch_files(&mut self) {
        if !self.engine.is_ready() {
            return;
        }
        let files = self.folders.uncovered(self.engine.watched());
        self.tell_of_files(Some(files));
        self.note_mode();
    }

    /// Tells the watcher of files which there are, if that has changed, and how many were opened and rotated.
    fn tell_of_files(&self, paths: Option<Vec<PathBuf>>) {
        let (opened, rotations) = (self.engine.opened(), self.own.rotations.get());
        self.watch.files.send_if_modified(|told| {
            let paths = paths.filter(|paths| told.paths != *paths);
            let changed = paths.is_some() || (told.opened, told.rotations) != (opened, rotations);
            (told.opened, told.rotations) = (opened, rotations);
            told.paths = paths.unwrap_or_else(|| std::mem::take(&mut told.paths));
            changed
        });
    }

    fn note_mode(&mut self) {
        self.pace.set_watching(self.watch.healthy.load(Ordering::Acquire) && self.folders.healthy());
        let mode = self.pace.mode();
        if self.mode != Some(mode) {
            if self.pace.misses_hints() {
                tracing::warn!("the file system does not tell of changes; files are polled instead");
            }
            self.mode = Some(mode);
            self.own.set_watch_mode(mode);
        }
    }

    /// The last lines are read and committed; of a backlog as much as can be in a while, since the next start goes on from there.
    fn stop(&mut self) {
        let begun = Instant::now();
        while self.engine.look(wall_clock()) && begun.elapsed() < LAST_LINES {}
        self.engine.commit(wall_clock());
        for done in self.waiting.drain(..) {
            let _ = done.send(());
        }
        self.engine.keep();
    }
}

/// Milliseconds since the epoch.
pub fn wall_clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use prometheus::Registry;

    use super::*;
    use crate::metrics::Data;

    /// Starts an engine on a log, which nobody tells of anything.
    fn started(
        log: &Path,
        (handle, mailbox): (&Handle, Receiver<Command>),
    ) -> (Own, JoinHandle<()>, watch::Receiver<Watched>) {
        let config = Arc::new(Config::default().with_paths(&[log.display().to_string()]).unwrap());
        let data = Data::new(Arc::clone(&config.recogniser.catalogue));
        let own = Own::new(&Registry::new()).unwrap();
        let engine = Engine::new(config, None, false, data, own.clone(), wall_clock());
        // The list of files is heard by nobody, and nobody rings.
        let (files, list) = watch::channel(Watched::default());
        let watch =
            Watch { files, changed: Bell::new(|| ()), appeared: Bell::new(|| ()), healthy: Arc::new(true.into()) };
        let milli = Duration::from_millis(1);
        let intervals = Intervals { slow_poll: 5 * milli, fast_poll: milli, discover: 20 * milli, gap: milli };
        let (thread, _ended) = start(engine, own.clone(), handle, mailbox, watch, intervals).unwrap();
        (own, thread, list)
    }

    #[test]
    fn scrapes_whose_clients_have_gone_cost_neither_the_stack_nor_a_commit() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let (handle, mailbox) = handle();
        for _ in 0..200_000 {
            handle.commands.send(Command::Commit(oneshot::channel().0)).unwrap();
            handle.commands.send(Command::Describe(oneshot::channel().0)).unwrap();
        }
        let (reply, answer) = oneshot::channel();
        handle.commands.send(Command::Commit(reply)).unwrap();
        let (own, thread, _list) = started(log.path(), (&handle, mailbox));
        answer.blocking_recv().unwrap();
        handle.stop();
        thread.join().unwrap();
        let commits = own.commits.get();
        assert!(commits <= 3, "the first pass, the one scrape, and the end: {commits}");
    }

    #[test]
    fn lines_count_where_no_hint_is_ever_given() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut file = log.reopen().unwrap();
        let (handle, mailbox) = handle();
        let (own, thread, _list) = started(log.path(), (&handle, mailbox));

        let until = Instant::now() + Duration::from_secs(60);
        let wait = || {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        };
        while !handle.is_ready() {
            wait();
        }
        assert_eq!(own.watch_mode.with_label_values(&["events"]).get(), 1);
        let mut written = 0;
        while own.watch_mode.with_label_values(&["poll"]).get() == 0 {
            if own.read_lines.get() == written {
                file.write_all(b"a line\n").unwrap();
                written += 1;
            }
            wait();
        }
        while own.read_lines.get() < written {
            wait();
        }
        assert!(written >= 2, "one poll may find what a hint is still to tell of");
        handle.stop();
        thread.join().unwrap();
    }
}
