//! Connections: accepted, encrypted, bounded in number, size and time, and ended in order.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::config::Current;
use crate::metrics::Own;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take for the head of its next request: between two scrapes it is silent.
const NEXT_HEAD: Duration = Duration::from_secs(150);

/// The longest head of a request.
const HEAD_BYTES: usize = 32 * 1024;

/// How long an answer may take before its connection can be displaced like one that waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests that are being answered may go on when the exporter ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait where the system can open no further connection.
const BREATH: Duration = Duration::from_millis(100);

/// How often that is said.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    /// The pages.
    pub routes: Router,
    /// TLS.
    pub config: Arc<Current>,
    /// Their number.
    pub own: Own,
    /// The most connections at once.
    pub limit: usize,
}

impl Server {
    /// Serves on `listener` until `stop` resolves.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let places = Arc::new(Places { limit: self.limit, own: self.own.clone(), taken: Mutex::default() });
        let (ending, _) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut said = None;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        if let Some(place) = places.take() {
                            drop(connections.spawn(self.connection(stream, place, ending.subscribe())));
                        }
                    }
                    Err(e) => out_of_breath(&e, &places, &mut said).await,
                },
            }
        }
        drop(listener);
        drop(ending);
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever has not got an answer by then will not wait for one; the rest is aborted with the set.
        let _ = tokio::time::timeout(DRAIN, all).await;
    }

    fn connection(
        &self,
        stream: TcpStream,
        place: Place,
        ending: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + use<> {
        let tls = self.config.get().tls.clone();
        let routes = self.routes.clone();
        async move {
            // Without it, the last part of an answer waits for the first to be acknowledged.
            let _ = stream.set_nodelay(true);
            let place = Arc::new(place);
            let talk = async {
                match tls {
                    None => talk(stream, routes, &place, ending).await,
                    Some(tls) => {
                        if let Some(stream) = shake_hands(TlsAcceptor::from(tls), stream).await {
                            talk(stream, routes, &place, ending).await;
                        }
                    }
                }
            };
            tokio::select! { () = talk => {}, () = place.displaced.notified() => {} }
        }
    }
}

/// Scanners and probes of ports fail at it all the time: that is no news.
async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(e)) => tracing::debug!("a TLS handshake failed: {e}"),
        Err(_) => tracing::debug!("a TLS handshake took longer than {HANDSHAKE:?}"),
    }
    None
}

/// Answers the requests of a connection, one after the other.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    place: &Arc<Place>,
    mut ending: watch::Receiver<()>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request: Request<Incoming>| {
        let busy = Busy::new(place);
        let answer = routes.call(request);
        async move {
            let response: Response<Body> = answer.await?;
            // The place is busy until the last part of the answer was taken.
            Ok::<_, Infallible>(response.map(|body| {
                body.map_frame(move |frame| {
                    let _ = &busy;
                    frame
                })
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!("a connection ended: {e}");
    }
}

/// A client that went away before it was accepted is no reason to wait; too few descriptors are.
async fn out_of_breath(e: &io::Error, places: &Places, said: &mut Option<Instant>) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        if said.is_none_or(|at| at.elapsed() > SAID_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!("cannot accept a connection: {e}; another one is closed for it");
        }
        places.displace(Instant::now());
        tokio::time::sleep(BREATH).await;
    }
}

/// The places of connections. Where all are taken, the one that has been waiting longest for a request makes room for a new one: who
/// opens connections and says nothing keeps nobody out. Who asks and does not take the answer has a little longer.
#[derive(Debug)]
struct Places {
    limit: usize,
    own: Own,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Seat>,
}

#[derive(Debug)]
struct Seat {
    /// Whether a request is being answered, or one is waited for.
    busy: bool,
    since: Instant,
    displaced: Arc<Notify>,
}

impl Places {
    /// A place for a new connection; none, if all are taken by requests that are being answered.
    fn take(self: &Arc<Self>) -> Option<Place> {
        let now = Instant::now();
        if self.lock().seats.len() >= self.limit && !self.displace(now) {
            return None;
        }
        let mut taken = self.lock();
        let id = taken.next;
        taken.next += 1;
        let displaced = Arc::new(Notify::new());
        taken.seats.insert(id, Seat { busy: false, since: now, displaced: Arc::clone(&displaced) });
        self.count(&taken);
        Some(Place { places: Arc::clone(self), id, displaced })
    }

    /// Ends a connection that can be done without.
    fn displace(&self, now: Instant) -> bool {
        let mut taken = self.lock();
        let idle = |seat: &Seat| !seat.busy || now.saturating_duration_since(seat.since) > PATIENCE;
        let idle = taken.seats.iter().filter(|(_, seat)| idle(seat));
        let Some(id) = idle.min_by_key(|(_, seat)| (seat.busy, seat.since)).map(|(id, _)| *id) else { return false };
        // It counts no longer, though its task needs a moment to end.
        if let Some(seat) = taken.seats.remove(&id) {
            seat.displaced.notify_one();
        }
        self.own.web_displaced.inc();
        self.count(&taken);
        true
    }

    fn count(&self, taken: &Taken) {
        self.own.web_connections.set(i64::try_from(taken.seats.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    id: u64,
    displaced: Arc<Notify>,
}

impl Place {
    fn note(&self, busy: bool) {
        if let Some(seat) = self.places.lock().seats.get_mut(&self.id) {
            (seat.busy, seat.since) = (busy, Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.seats.remove(&self.id);
        self.places.count(&taken);
    }
}

/// A request that is being answered.
struct Busy(Arc<Place>);

impl Busy {
    fn new(place: &Arc<Place>) -> Self {
        place.note(true);
        Self(Arc::clone(place))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.note(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    fn places(limit: usize) -> Arc<Places> {
        let own = Own::new(&Registry::new()).unwrap();
        Arc::new(Places { limit, own, taken: Mutex::default() })
    }

    fn is_there(place: &Place) -> bool {
        place.places.lock().seats.contains_key(&place.id)
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_is_answered_does_not() {
        let places = places(3);
        let [answered, idle, newer] = [(); 3].map(|()| Arc::new(places.take().unwrap()));
        let busy = Busy::new(&answered);
        let fourth = places.take().unwrap();
        assert!(is_there(&answered) && !is_there(&idle) && is_there(&newer) && is_there(&fourth));
        drop(busy);
        let fifth = places.take().unwrap();
        assert!(is_there(&answered) && !is_there(&newer), "its answer was the last thing that happened");
        drop([fourth, fifth]);
        assert_eq!(places.own.web_connections.get(), 1);
        assert_eq!(places.own.web_displaced.get(), 2);
    }

    #[test]
    fn where_all_are_answered_a_new_one_is_refused_until_one_takes_too_long() {
        let places = places(2);
        let [first, second] = [(); 2].map(|()| Arc::new(places.take().unwrap()));
        let _busy = [Busy::new(&first), Busy::new(&second)];
        assert!(places.take().is_none());
        assert!(!places.displace(Instant::now()));
        assert!(places.displace(Instant::now() + PATIENCE * 2));
        assert!(!is_there(&first) && is_there(&second));
        assert!(places.take().is_some());
    }

    #[test]
    fn one_that_was_displaced_before_it_began_ends_all_the_same() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let places = places(1);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        // Without a waiter at that time the notice would be lost.
        runtime.block_on(first.displaced.notified());
    }
}
