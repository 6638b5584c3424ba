//! A folder of logs, and exporters that follow them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::process::Exporter;

/// A folder that is removed when it is dropped.
pub struct Setup {
    pub folder: tempfile::TempDir,
}

impl Setup {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub fn append(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    pub fn start(&self, args: &[&str]) -> Exporter {
        Exporter::start(args, &self.path("journal"))
    }

    /// An exporter that gets all it needs to know from a variable.
    pub fn start_with(&self, variable: &str) -> Exporter {
        Exporter::start_with(variable, &self.path("journal"))
    }
}
