//! `serve`: everything is made and wired here, and ended in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use prometheus::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::cli::{Failure, ReadFrom, Serve};
use crate::engine::Engine;
use crate::metrics::{Data, Own};
use crate::reload::Reloader;
use crate::runner::{self, Handle, Intervals, Watch};
use crate::state::{RealDisk, Store};
use crate::wake::{self, Bell, Folders, Watched};
use crate::web::config::Current;
use crate::web::{self, Guard, Server, Site};
use crate::{journal, rlimit};

/// Runs until a signal ends it.
pub fn serve(args: Serve) -> Result<(), Failure> {
    journal::start(args.log_level, args.log_format);
    rlimit::raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::runtime(format!("cannot start the asynchronous runtime: {e}")))?;
    runtime.block_on(run(args))
}

async fn run(args: Serve) -> Result<(), Failure> {
    // First of all: until then a signal would end the process, and the start may take long.
    let signals = Signals::new().map_err(|e| Failure::runtime(format!("cannot listen for signals: {e}")))?;
    check(&args)?;
    let reloader = Reloader::new(args.config_file.clone(), args.paths.clone());
    let config = reloader.load().map_err(|e| Failure::usage(e.to_string()))?;
    if config.sources.is_empty() {
        return Err(Failure::usage("nothing to follow: name files or globs, or `sources` in --config.file"));
    }
    let registry = Registry::new();
    let (data, own) =
        metrics(&registry, &config).map_err(|e| Failure::runtime(format!("cannot register metrics: {e}")))?;
    let doors = doors(&args, &own)?;
    let store = args.state_dir.as_deref().map(open_store).transpose()?;
    let listener = web::bind(&args.listen).await;
    let listener = listener.map_err(|e| Failure::runtime(format!("cannot listen on {}: {e}", args.listen)))?;

    let from_end = args.read_from == ReadFrom::End;
    let started = runner::wall_clock();
    let engine = Engine::new(config, store, from_end, data.clone(), own.clone(), started);
    let (handle, mailbox) = runner::handle();
    let (files, list) = watch::channel(Watched::default());
    let healthy = Arc::new(AtomicBool::new(true));
    let bells = Watch {
        files,
        changed: Bell::new(handle.waker()),
        appeared: Bell::new(handle.waker()),
        healthy: Arc::clone(&healthy),
    };
    let read = own.read_bytes.clone();
    tokio::spawn(wake::watch_files(list, bells.changed.clone(), healthy, move || read.get()));
    let thread = runner::start(engine, own.clone(), &handle, mailbox, bells, Intervals::default());
    let (thread, ended) = thread.map_err(|e| Failure::runtime(format!("cannot start the engine's thread: {e}")))?;

    let telemetry_path = args.telemetry_path.clone();
    let site =
        Arc::new(Site { engine: handle.clone(), registry, data, own: own.clone(), started, reloader, telemetry_path });
    let _folders = watch_config(&site);
    let Signals { hangup, stop: stopping } = signals;
    tokio::spawn(reload_on_hangup(hangup, Arc::clone(&site)));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %args.listen, "listening");
    let guard =
        Guard::new(Arc::clone(&doors)).map_err(|_| Failure::runtime("cannot get random bytes from the system"))?;
    let routes = web::routes(site, &Arc::new(guard));
    let server = Server { routes, config: doors, own, limit: rlimit::connections(args.max_connections) };
    server.serve(listener, stop_signal(stopping, ended)).await;
    stop(&handle, thread)
}

fn open_store(dir: &Path) -> Result<Store, Failure> {
    let store = Store::open(dir, Box::new(RealDisk));
    store.map_err(|e| Failure::runtime(format!("cannot use the state directory {}: {e}", dir.display())))
}

/// Reads the web configuration. One that cannot be used ends the program: serving in plain text what was meant to be protected would be
/// worse than not serving.
fn doors(args: &Serve, own: &Own) -> Result<Arc<Current>, Failure> {
    let current = Current::new(args.web_config.clone(), own.clone()).map_err(|e| Failure::usage(e.to_string()))?;
    let config = current.get();
    if args.web_config.is_some() {
        tracing::info!("the web configuration was read: {}", config.summary());
    }
    if !config.users.is_empty() && config.tls.is_none() {
        tracing::warn!("passwords are asked for and TLS is off: whoever sees the traffic reads them");
    }
    Ok(Arc::new(current))
}

/// What clap cannot know to be wrong.
fn check(args: &Serve) -> Result<(), Failure> {
    web::parse_address(&args.listen).map_err(|e| Failure::usage(format!("--web.listen-address: {e}")))?;
    let path = &args.telemetry_path;
    let taken = web::PATHS;
    if !path.starts_with('/') || path.contains(['{', '}', '?', '#', ':', '*']) || taken.contains(&path.as_str()) {
        return Err(Failure::usage(format!(
            "--web.telemetry-path: `{path}` must be a path such as /metrics, and none of {taken:?}"
        )));
    }
    Ok(())
}

fn metrics(registry: &Registry, config: &crate::config::Config) -> Result<(Data, Own), prometheus::Error> {
    let data = Data::new(Arc::clone(&config.recogniser.catalogue));
    let own = Own::new(registry)?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok((data, own))
}

/// Reloads when something changes in the configuration's folder: a ConfigMap is swapped by a symbolic link in it.
fn watch_config(site: &Arc<Site>) -> Option<Folders> {
    let file = site.reloader.file()?;
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let changed = Arc::new(Notify::new());
    let notify = Arc::clone(&changed);
    let bell = Bell::new(move || notify.notify_one());
    let mut folders = Folders::new(bell.clone(), bell.clone());
    folders.watch([(folder, false)]);
    let site = Arc::clone(site);
    tokio::spawn(async move {
        loop {
            changed.notified().await;
            // A swap is several events; the last of them finds it whole.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            bell.heard();
            site.reloader.reload_if_changed(&site.engine).await;
        }
    });
    Some(folders)
}

/// The signals that are heard.
struct Signals {
    hangup: Signal,
    stop: [Signal; 2],
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        Ok(Self { hangup: signal(SignalKind::hangup())?, stop })
    }
}

async fn reload_on_hangup(mut hangup: Signal, site: Arc<Site>) {
    while hangup.recv().await.is_some() {
        let _ = site.reloader.reload(&site.engine).await;
    }
}

/// A signal, or the end of the engine: without it there is nothing to serve, and whoever supervises should know.
async fn stop_signal([mut term, mut int]: [Signal; 2], ended: tokio::sync::oneshot::Receiver<()>) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, _ = ended => {} }
    tracing::info!("stopping: the last lines are read and committed");
}

fn stop(handle: &Handle, thread: std::thread::JoinHandle<()>) -> Result<(), Failure> {
    handle.stop();
    let message =
        "the engine's thread panicked; what was counted since the last commit is read again at the next start";
    thread.join().map_err(|_| Failure::runtime(message))
}
