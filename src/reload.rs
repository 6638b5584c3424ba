//! Reloading the configuration: read whole, validated whole, then swapped; a bad one changes nothing.

use std::path::PathBuf;
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
    /// The text that is in use: a folder's event about another file of it changes nothing.
    text: Mutex<Option<String>>,
}

impl Reloader {
    /// A reloader of `file`, to which the command line's `paths` are added.
    pub fn new(file: Option<PathBuf>, paths: Vec<String>) -> Self {
        let text = file.as_ref().and_then(|f| std::fs::read_to_string(f).ok());
        Self { file, paths, refused: Mutex::default(), text: Mutex::new(text) }
    }

    /// The configuration file.
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Reads the configuration.
    pub fn load(&self) -> Result<Arc<Config>, ConfigError> {
        Ok(Arc::new(Config::load(self.file.as_deref())?.with_paths(&self.paths)))
    }

    /// Reloads if the file's content is another than the one in use.
    pub async fn reload_if_changed(&self, engine: &Handle) {
        let text = self.file.as_ref().and_then(|f| std::fs::read_to_string(f).ok());
        let changed = {
            let mut known = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = text.is_some() && *known != text;
            if changed {
                *known = text;
            }
            changed
        };
        if changed {
            // The reason of a refusal has been logged.
            let _ = self.reload(engine).await;
        }
    }

    /// Reloads.
    pub async fn reload(&self, engine: &Handle) -> Result<(), ConfigError> {
        let loaded = self.load();
        let refused = loaded.as_ref().err().map(ToString::to_string);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        match loaded {
            Ok(config) => {
                engine.configure(config).await;
                tracing::info!("the configuration was reloaded");
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
