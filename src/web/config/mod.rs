//! The web configuration: TLS, headers, users and a limit of requests, in the format of the Prometheus exporter toolkit. As it is
//! written ([`read`], [`tls`]), as it is used ([`WebConfig`]), and as it changes ([`Current`]).

mod current;
mod files;
mod http;
mod peer;
mod read;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use rustls::ServerConfig;

pub use self::current::Current;
use self::peer::Clients;
pub use self::read::parse;
use crate::yaml::{self, Mistake};

/// The web configuration in use: validated, immutable, swapped as a whole. The default leaves all doors open.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// How connections are encrypted; without it they are not.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whose connections are taken.
    clients: Clients,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may ask, with the bcrypt hashes of their passwords; without any, everybody.
    pub users: BTreeMap<String, String>,
    /// How many requests are answered.
    pub rate: Option<Rate>,
}

/// So many requests at once, and one more after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time after which one more request is answered.
    pub interval: Duration,
    /// Requests that are answered at once.
    pub burst: u32,
}

impl fmt::Debug for WebConfig {
    /// Without hashes and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("tls", &self.tls.is_some())
            .field("clients", &self.clients)
            .field("headers", &self.headers)
            .field("users", &self.users.len())
            .field("rate", &self.rate)
            .finish()
    }
}

/// Why a web configuration cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum WebConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, String),
    /// The file, or one that it names, has mistakes.
    Mistakes(PathBuf, Vec<Mistake>),
    /// A running exporter does not open what was closed, and does not change what its scrapers speak.
    NeedsRestart(PathBuf, &'static str),
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, e) => write!(f, "cannot read the web configuration {}: {e}", path.display()),
            Self::Mistakes(path, mistakes) => f.write_str(&yaml::listed(path, mistakes)),
            Self::NeedsRestart(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for WebConfigError {}

impl WebConfig {
    /// Reads the file at `path`, with the certificates and keys that it names.
    pub fn load(path: &Path) -> Result<Self, WebConfigError> {
        files::Files::default().load(path)
    }

    /// What it closes, for one line of a log or of `check-config`.
    pub fn summary(&self) -> String {
        let tls = if self.tls.is_some() { "TLS" } else { "plain text" };
        let users = match self.users.len() {
            0 => "no password".to_string(),
            1 => "1 user".to_string(),
            n => format!("{n} users"),
        };
        format!("{tls}, {users}")
    }
}
