//! Reloading the configuration: read whole, validated whole, then swapped; a bad one changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, ConfigError};
use crate::runner::Handle;

/// Reloads the configuration of a running engine.
#[derive(Debug)]
pub struct Reloader {
    file: Option<PathBuf>,
    paths: Vec<String>,
    /// Why the last reload was refused.
    refused: Mutex<Option<String>>,
    /// The text that was last read: a folder's event about another file of it changes nothing.
    text: Mutex<Option<String>>,
}

impl Reloader {
    /// A reloader of `file`, to which the command line's `paths` are added.
    pub fn new(file: Option<PathBuf>, paths: Vec<String>) -> Self {
        Self { file, paths, refused: Mutex::default(), text: Mutex::default() }
    }

    /// The configuration file.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Reads the configuration.
    pub fn load(&self) -> Result<Arc<Config>, ConfigError> {
        let Some(file) = &self.file else { return self.of(Config::default()) };
        let text = Config::text(file)?;
        self.is_new(&text);
        self.parse(&text)
    }

    /// Reloads if the file's content is another than the one that was last read.
    pub async fn reload_if_changed(&self, engine: &Handle) {
        // A file that is gone for a moment while it is replaced has not changed yet.
        let Some(text) = self.file.as_ref().and_then(|file| Config::text(file).ok()) else { return };
        if self.is_new(&text) {
            // The reason of a refusal has been logged.
            let _ = self.apply(self.parse(&text), engine).await;
        }
    }

    /// Reloads.
    pub async fn reload(&self, engine: &Handle) -> Result<(), ConfigError> {
        self.apply(self.load(), engine).await
    }

    fn parse(&self, text: &str) -> Result<Arc<Config>, ConfigError> {
        self.of(Config::read(self.file.as_deref().unwrap_or(Path::new("")), text)?)
    }

    fn of(&self, config: Config) -> Result<Arc<Config>, ConfigError> {
        config.with_paths(&self.paths).map(Arc::new)
    }

    /// Whether the text is another than the one that was last read, which it is from now on.
    fn is_new(&self, text: &str) -> bool {
        let mut known = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let new = known.as_deref() != Some(text);
        if new {
            *known = Some(text.to_string());
        }
        new
    }

    async fn apply(&self, loaded: Result<Arc<Config>, ConfigError>, engine: &Handle) -> Result<(), ConfigError> {
        let refused = loaded.as_ref().err().map(ToString::to_string);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        match loaded {
            Ok(config) => {
                // An engine that has ended is told of by the end of the program.
                if engine.configure(config).await {
                    tracing::info!("the configuration was reloaded");
                }
                Ok(())
            }
            Err(e) => {
                engine.refuse_config();
                tracing::error!("the configuration was not reloaded, the old one stays: {e}");
                Err(e)
            }
        }
    }

    /// Why the last reload was refused.
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
