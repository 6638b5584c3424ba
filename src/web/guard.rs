//! What stands before every page: the configured headers, the limit of requests, the password.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::config::{Current, Rate};
use super::password::{Gate, Refusal};

/// What guards the pages.
#[derive(Debug)]
pub struct Guard {
    current: Arc<Current>,
    gate: Gate,
    bucket: Mutex<Bucket>,
}

impl Guard {
    /// A guard that keeps to the configuration as it is at each request.
    pub fn new(current: Arc<Current>) -> Result<Self, ring::error::Unspecified> {
        Ok(Self { current, gate: Gate::new()?, bucket: Mutex::default() })
    }
}

/// Adds the configured headers. An answer's own win: the status page's policy knows its own scripts.
pub async fn add_headers(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let config = guard.current.get();
    let mut response = next.run(request).await;
    for (name, value) in &config.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// Lets through who may.
pub async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let config = guard.current.get();
    if let Some(rate) = config.rate
        && !guard.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(rate, Instant::now())
    {
        return busy("more requests than rate_limit allows\n");
    }
    if config.users.is_empty() {
        return next.run(request).await;
    }
    match guard.gate.admits(&config.users, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(Refusal::Unauthorized) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"zai-exporter\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, challenge, "a user and the right password are needed\n").into_response()
        }
        Err(Refusal::Busy) => busy("too many passwords wait to be checked\n"),
    }
}

fn busy(text: &'static str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], text).into_response()
}

/// Requests that may still be answered: they come one by one, and add up to the burst.
#[derive(Debug, Default)]
struct Bucket {
    rate: Option<Rate>,
    left: u32,
    /// When the last one came.
    filled: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let filled = self.filled.filter(|_| self.rate == Some(rate));
        let Some(filled) = filled else {
            *self = Self { rate: Some(rate), left: rate.burst - 1, filled: Some(now) };
            return true;
        };
        let elapsed = now.saturating_duration_since(filled);
        let came = u32::try_from(elapsed.as_nanos() / rate.interval.as_nanos()).unwrap_or(u32::MAX);
        let left = self.left.saturating_add(came).min(rate.burst);
        // What is over of an interval counts, unless the bucket is full.
        let over = if left == rate.burst { Duration::ZERO } else { elapsed.saturating_sub(rate.interval * came) };
        self.filled = now.checked_sub(over);
        self.left = left.saturating_sub(1);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_answered_and_then_one_an_interval() {
        let rate = Rate { interval: Duration::from_secs(1), burst: 2 };
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let mut at = |millis| bucket.take(rate, start + Duration::from_millis(millis));
        assert_eq!([at(0), at(0), at(0), at(999)], [true, true, false, false]);
        assert_eq!([at(1_000), at(1_500), at(2_000), at(2_000)], [true, false, true, false]);
        assert_eq!([at(9_000), at(9_000), at(9_000), at(10_000)], [true, true, false, true]);
        let other = Rate { interval: Duration::from_secs(1), burst: 1 };
        assert!(bucket.take(other, start + Duration::from_secs(10)), "a new limit begins anew");
    }
}
