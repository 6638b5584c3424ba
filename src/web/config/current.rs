//! The web configuration that is in use now. Whoever asks for it looks whether its files have changed: a connection and a request are
//! few, a look is four calls of `stat`, and a certificate that was renewed is used by the next connection.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::files::Files;
use super::{WebConfig, WebConfigError};
use crate::metrics::Own;

/// The web configuration in use.
#[derive(Debug)]
pub struct Current {
    path: Option<PathBuf>,
    own: Own,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<WebConfig>,
    files: Files,
    /// Why the files as they are now are not used.
    refused: Option<String>,
}

impl Current {
    /// Reads the file at `path`; without one, all doors are open.
    pub fn new(path: Option<PathBuf>, own: Own) -> Result<Self, WebConfigError> {
        let mut files = Files::default();
        let config = path.as_deref().map_or_else(|| Ok(WebConfig::default()), |path| files.load(path))?;
        own.web_config_successful.set(1);
        Ok(Self { path, own, state: Mutex::new(State { config: Arc::new(config), files, refused: None }) })
    }

    /// The configuration as its files are now; the last good one, if they cannot be used.
    pub fn get(&self) -> Arc<WebConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = self.path.as_ref().filter(|_| state.files.changed()) {
            let mut files = Files::default();
            let loaded = files.load(path).and_then(|config| allowed(path, &state.config, config));
            let same = files.content() == state.files.content();
            state.files = files;
            // What is the same as before was used or refused before.
            if !same {
                self.swap(&mut state, loaded);
            }
        }
        Arc::clone(&state.config)
    }

    fn swap(&self, state: &mut State, loaded: Result<WebConfig, WebConfigError>) {
        self.own.web_config_successful.set(i64::from(loaded.is_ok()));
        match loaded {
            Ok(config) => {
                tracing::info!("the web configuration was read again: {}", config.summary());
                state.config = Arc::new(config);
                state.refused = None;
            }
            Err(e) => {
                let reason = e.to_string();
                if state.refused.as_ref() != Some(&reason) {
                    tracing::error!("the web configuration was not used, the old one stays: {reason}");
                }
                state.refused = Some(reason);
            }
        }
    }
}

/// A file that was emptied for a moment or written in part, by an editor or by mistake, must not open a door.
fn allowed(path: &std::path::Path, old: &WebConfig, new: WebConfig) -> Result<WebConfig, WebConfigError> {
    let what = match (old.tls.is_some(), new.tls.is_some()) {
        (true, false) => "TLS was taken away; restart the exporter if it is to serve in plain text",
        (false, true) => "TLS was added; restart the exporter to switch it on",
        _ if new.clients < old.clients => {
            "less is asked of clients' certificates; restart the exporter if it is to let them in"
        }
        _ if !old.users.is_empty() && new.users.is_empty() => {
            "all users were taken away; restart the exporter if it is to serve everybody"
        }
        _ => return Ok(new),
    };
    Err(WebConfigError::NeedsRestart(path.to_path_buf(), what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    const HASH: &str = "$2b$04$dUUMYhkyUE1lL37K/1hMyu.4LImMuSrTqlPAqHWFEDaOVxQzWHATm";

    #[test]
    fn a_bad_file_keeps_the_old_one_and_no_reload_opens_a_door() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&format!("basic_auth_users: {{ann: {HASH}}}\n"));
        let own = Own::new(&Registry::new()).unwrap();
        let current = Current::new(Some(path.clone()), own.clone()).unwrap();
        for bad in ["", "basic_auth_users: {}\n", "basic_auth_users: {bob: secret}\n", "nonsense: 1\n"] {
            write(bad);
            assert!(current.get().users.contains_key("ann"), "{bad}");
            assert_eq!(own.web_config_successful.get(), 0, "{bad}");
        }
        write(&format!("basic_auth_users: {{bob: {HASH}}}\n"));
        assert_eq!(current.get().users.keys().collect::<Vec<_>>(), ["bob"]);
        assert_eq!(own.web_config_successful.get(), 1);
        std::fs::remove_file(&path).unwrap();
        assert!(current.get().users.contains_key("bob"));
        assert_eq!(own.web_config_successful.get(), 0);
    }
}
