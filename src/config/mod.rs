//! The configuration file: as it is written ([`read`]), and as it is used ([`Config`]).

mod read;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::read::parse;
pub use self::source::{Exclusion, IN_FOLDERS, Labels, LogPath, PathLabels, SourceConfig, WILDCARDS};
use crate::catalogue::Catalogue;
use crate::ledger::UNKNOWN_CODES;
use crate::recognise::Recogniser;
use crate::yaml::{self, Mistake};

/// A line is cut at this length unless the configuration says otherwise.
pub const LINE_BYTES: usize = 1024 * 1024;

/// How many values a configured label may have.
pub const LABEL_VALUES: usize = 200;

/// The configuration in use: validated, immutable, swapped as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where logs are.
    pub sources: Vec<SourceConfig>,
    /// What errors look like.
    pub recogniser: Arc<Recogniser>,
    /// Limits.
    pub limits: Limits,
}

/// What keeps memory bounded whatever the logs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A line is cut at this length.
    pub line_bytes: usize,
    /// Values of each configured label; more become `other`.
    pub label_values: usize,
    /// Undocumented codes that keep their number; more become `other`.
    pub unknown_codes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: LINE_BYTES, label_values: LABEL_VALUES, unknown_codes: UNKNOWN_CODES }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file has mistakes.
    Mistakes(PathBuf, Vec<Mistake>),
    /// A path of the command line is no glob.
    Path(String, String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, e) => write!(f, "cannot read the configuration {}: {e}", path.display()),
            Self::Mistakes(path, mistakes) => f.write_str(&yaml::listed(path, mistakes)),
            Self::Path(text, fault) => write!(f, "cannot follow `{text}`: it is no glob: {fault}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, e) => Some(e),
            Self::Mistakes(..) | Self::Path(..) => None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            recogniser: Arc::new(Recogniser::new(Arc::new(Catalogue::built_in()), &[], TimeZone::system())),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads the file at `path`; without one, the defaults.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        Self::read(path, &Self::text(path)?)
    }

    /// The text of the file at `path`.
    pub fn text(path: &Path) -> Result<String, ConfigError> {
        std::fs::read_to_string(path).map_err(|e| ConfigError::Unreadable(path.to_path_buf(), e))
    }

    /// Reads the `text` of the file at `path`.
    pub fn read(path: &Path, text: &str) -> Result<Self, ConfigError> {
        parse(text).map_err(|mistakes| ConfigError::Mistakes(path.to_path_buf(), mistakes))
    }

    /// Adds the paths of the command line as a source of its own, without labels.
    pub fn with_paths(mut self, paths: &[String]) -> Result<Self, ConfigError> {
        let parse = |text: &String| LogPath::parse(text).map_err(|fault| ConfigError::Path(text.clone(), fault));
        let paths: Vec<LogPath> = paths.iter().filter(|p| !p.is_empty()).map(parse).collect::<Result<_, _>>()?;
        if !paths.is_empty() {
            self.sources.insert(0, SourceConfig::of_paths(paths));
        }
        Ok(self)
    }
}
