//! Basic authentication. bcrypt is slow on purpose: it runs on a thread of its own, one check at a time, and what was right is
//! remembered, so that a scrape costs a hash and not a bcrypt. A flood of wrong passwords takes a quarter of a core at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Checks that wait for their turn; further ones are refused, so that one that is right waits a few seconds at most.
const WAITING: usize = 8;

/// After a wrong password nothing is checked for this many times as long as the check took.
const REST: u32 = 3;

/// Right passwords that are remembered.
const REMEMBERED: usize = 64;

/// The hash that the password of an unknown user is compared with, at the cost of the others: what it takes tells nothing.
const NOBODY: &str = "QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Without a user and password, or with wrong ones.
    Unauthorized,
    /// Too many passwords wait to be checked.
    Busy,
}

/// Checks passwords.
#[derive(Debug)]
pub struct Gate {
    key: hmac::Key,
    right: Arc<Mutex<VecDeque<hmac::Tag>>>,
    one: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Gate {
    /// A gate that remembers nothing yet. What it remembers is worth nothing to another process.
    pub fn new() -> Result<Self, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let (one, waiting) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(WAITING)));
        Ok(Self { key, right: Arc::default(), one, waiting })
    }

    /// Whether a request with these headers is one of `users`.
    pub async fn admits(&self, users: &BTreeMap<String, String>, headers: &HeaderMap) -> Result<(), Refusal> {
        let (user, password) = credentials(headers).ok_or(Refusal::Unauthorized)?;
        let known = users.get(&user);
        let hash = known.cloned().unwrap_or_else(|| nobody(users));
        let tag = self.tag(&user, &hash, &password);
        if known.is_some() && self.remembers(&tag) {
            return Ok(());
        }
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let right = self.check(place, password, hash).await && known.is_some();
        if !right {
            return Err(Refusal::Unauthorized);
        }
        self.remember(tag);
        Ok(())
    }

    /// Compares a password with a hash when it is its turn. It goes on without the one who asked: who hangs up and asks again gets no
    /// second thread.
    async fn check(&self, place: OwnedSemaphorePermit, password: Vec<u8>, hash: String) -> bool {
        let one = Arc::clone(&self.one);
        let (answer, right) = oneshot::channel();
        tokio::spawn(async move {
            let (Ok(_turn), _place) = (one.acquire_owned().await, place) else { return };
            let started = Instant::now();
            let compared = tokio::task::spawn_blocking(move || bcrypt::verify(&password, &hash).unwrap_or(false)).await;
            let compared = compared.unwrap_or(false);
            let rest = if compared { Duration::ZERO } else { started.elapsed() * REST };
            let _ = answer.send(compared);
            tokio::time::sleep(rest).await;
        });
        right.await.unwrap_or(false)
    }

    /// Each part with its length: no two triples are the same text.
    fn tag(&self, user: &str, hash: &str, password: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user.as_bytes(), hash.as_bytes(), password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign()
    }

    /// Tags cannot be guessed without the key, so the time of their comparison tells nothing.
    fn remembers(&self, tag: &hmac::Tag) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.iter().any(|known| known.as_ref() == tag.as_ref())
    }

    fn remember(&self, tag: hmac::Tag) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() == REMEMBERED {
            right.pop_front();
        }
        right.push_back(tag);
    }
}

/// User and password, as RFC 7617 sends them.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let decoded = BASE64.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = decoded.iter().position(|b| *b == b':')?;
    Some((String::from_utf8(decoded[..colon].to_vec()).ok()?, decoded[colon + 1..].to_vec()))
}

/// A hash that belongs to nobody, at the highest cost of those that belong to somebody.
fn nobody(users: &BTreeMap<String, String>) -> String {
    let cost = |hash: &String| hash.split('$').nth(2).and_then(|cost| cost.parse().ok());
    let highest: u32 = users.values().filter_map(cost).max().unwrap_or(10);
    format!("$2b${highest:02}${NOBODY}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn users(password: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("ann".to_string(), bcrypt::hash(password, 4).unwrap())])
    }

    fn headers(user: &str, password: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn only_the_right_password_of_a_user_opens() {
        runtime().block_on(async {
            let (gate, users) = (Gate::new().unwrap(), users("a:b"));
            assert_eq!(gate.admits(&users, &headers("ann", "a:b")).await, Ok(()));
            for (user, password) in [("ann", "a"), ("ann", ""), ("bob", "a:b"), ("", "a:b"), ("an", "n:a:b")] {
                let headers = headers(user, password);
                assert_eq!(gate.admits(&users, &headers).await, Err(Refusal::Unauthorized), "{user} {password}");
            }
            for value in ["", "Basic", "Basic !", "Basic YQ==", "Bearer YW5uOmE6Yg==", "Basic /zph"] {
                let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
                assert_eq!(gate.admits(&users, &headers).await, Err(Refusal::Unauthorized), "{value}");
            }
            assert_eq!(gate.admits(&users, &HeaderMap::new()).await, Err(Refusal::Unauthorized));
        });
    }

    #[test]
    fn what_was_right_is_remembered_until_the_hash_is_another_and_what_was_wrong_never() {
        runtime().block_on(async {
            let gate = Gate::new().unwrap();
            let old = users("old");
            assert_eq!(gate.admits(&old, &headers("ann", "old")).await, Ok(()));
            assert_eq!(gate.admits(&old, &headers("ann", "wrong")).await, Err(Refusal::Unauthorized));
            assert_eq!(gate.right.lock().unwrap().len(), 1);
            assert_eq!(gate.admits(&users("new"), &headers("ann", "old")).await, Err(Refusal::Unauthorized));
            assert_eq!(
                gate.admits(&BTreeMap::from([("bob".to_string(), old["ann"].clone())]), &headers("ann", "old")).await,
                Err(Refusal::Unauthorized)
            );
        });
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let gate = Gate::new().unwrap();
        for i in 0..=REMEMBERED {
            gate.remember(gate.tag("ann", "", i.to_string().as_bytes()));
        }
        assert_eq!(gate.right.lock().unwrap().len(), REMEMBERED);
        assert!(!gate.remembers(&gate.tag("ann", "", b"0")));
        assert!(gate.remembers(&gate.tag("ann", "", b"1")));
    }

    #[test]
    fn a_flood_is_refused_and_who_is_known_goes_through() {
        runtime().block_on(async {
            let (gate, users) = (Arc::new(Gate::new().unwrap()), users("right"));
            assert_eq!(gate.admits(&users, &headers("ann", "right")).await, Ok(()));
            let mut flood = tokio::task::JoinSet::new();
            for i in 0..100 {
                let (gate, users) = (Arc::clone(&gate), users.clone());
                flood.spawn(async move { gate.admits(&users, &headers("ann", &i.to_string())).await });
            }
            tokio::task::yield_now().await;
            assert_eq!(gate.admits(&users, &headers("ann", "right")).await, Ok(()), "without waiting for the flood");
            let answers = flood.join_all().await;
            let refused = |refusal| answers.iter().filter(|a| **a == Err(refusal)).count();
            assert!(refused(Refusal::Busy) >= 100 - WAITING - 1, "{answers:?}");
            assert_eq!(refused(Refusal::Busy) + refused(Refusal::Unauthorized), 100);
        });
    }

    #[test]
    fn an_unknown_user_costs_what_the_costliest_costs() {
        let users =
            BTreeMap::from([("ann".to_string(), "$2y$05$x".to_string()), ("bob".to_string(), "$2b$12$x".to_string())]);
        let hash = nobody(&users);
        assert!(hash.starts_with("$2b$12$"), "{hash}");
        assert!(hash.parse::<bcrypt::HashParts>().is_ok());
    }
}
