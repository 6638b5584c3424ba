//! Where logs are, and the labels that their counts get.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use regex_lite::Regex;

/// One entry of `sources`.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Paths and globs.
    pub paths: Vec<LogPath>,
    /// What globs leave out.
    pub exclude: Vec<Exclusion>,
    /// Labels that every log of the source gets.
    pub labels: Labels,
    /// Labels that are read from the path.
    pub path_labels: Option<PathLabels>,
}

/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// A pattern whose named groups become labels.
#[derive(Debug, Clone)]
pub struct PathLabels(Regex);

/// `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<n>.log`, the kubelet's layout.
const KUBERNETES: &str = r"/(?<namespace>[^/_]+)_(?<pod>[^/_]+)_[^/_]+/(?<container>[^/]+)/[^/]+$";

impl SourceConfig {
    /// The source of the command line's paths.
    pub fn of_paths(paths: Vec<LogPath>) -> Self {
        Self { paths, exclude: Vec::new(), labels: Labels::new(), path_labels: None }
    }

    /// Whether a path is one that the source names, by itself or by a glob.
    pub fn names(&self, path: &Path) -> bool {
        self.paths.iter().any(|p| p.names(path))
    }

    /// The labels of the log at `path`.
    pub fn labels_of(&self, path: &str) -> Labels {
        let mut labels = self.labels.clone();
        if let Some(found) = &self.path_labels {
            labels.extend(found.of(path));
        }
        labels
    }

    /// Whether a file is to be left out.
    pub fn excludes(&self, path: &Path) -> bool {
        self.exclude.iter().any(|e| e.matches(path))
    }
}

/// What makes a path a glob.
pub const WILDCARDS: [char; 3] = ['*', '?', '['];

/// Within a folder, a wildcard stands for no more than a name; hidden files need their dot written.
pub const IN_FOLDERS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A path or glob that names logs. It is absolute, so that the same log has the same name however it was written.
#[derive(Debug, Clone)]
pub struct LogPath {
    /// As a path: what it means if that exists, even with wildcards in it.
    path: PathBuf,
    /// As a glob, if it has wildcards.
    glob: Option<Pattern>,
    /// The folder in which its files appear, and whether they appear below it too.
    folder: (PathBuf, bool),
}

impl LogPath {
    /// A path or glob as it was written.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Without a working directory it stays as it is.
        let path = std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text));
        let Some(wild) = text.find(WILDCARDS) else {
            let folder = path.parent().unwrap_or(&path).to_path_buf();
            return Ok(Self { path, glob: None, folder: (folder, false) });
        };
        Pattern::new(text).map_err(|e| e.to_string())?;
        let (fixed, wildcards) = text.split_at(text[..wild].rfind('/').map_or(0, |slash| slash + 1));
        let folder = std::path::absolute(if fixed.is_empty() { "." } else { fixed });
        let folder = folder.unwrap_or_else(|_| PathBuf::from(fixed));
        // What stands before the first wildcard is no pattern, and neither is the working directory.
        let pattern = format!("{}/{wildcards}", Pattern::escape(folder.to_string_lossy().trim_end_matches('/')));
        let glob = Pattern::new(&pattern).map_err(|e| e.to_string())?;
        Ok(Self { path, glob: Some(glob), folder: (folder, wildcards.contains('/') || wildcards.starts_with("**")) })
    }

    /// The path, if it is to be taken as it stands: it has no wildcard, or exists all the same.
    pub fn literal(&self) -> Option<&Path> {
        (self.glob.is_none() || self.path.exists()).then_some(&self.path)
    }

    /// The path as a glob, if it has wildcards.
    pub fn glob(&self) -> Option<&str> {
        self.glob.as_ref().map(Pattern::as_str)
    }

    /// The folder in which its files appear, and whether they appear below it too.
    pub fn folder(&self) -> (&Path, bool) {
        (&self.folder.0, self.folder.1)
    }

    fn names(&self, path: &Path) -> bool {
        self.path == path || self.glob.as_ref().is_some_and(|g| g.matches_path_with(path, IN_FOLDERS))
    }
}

/// What a glob leaves out: by name, or, where the pattern holds a slash, by path.
#[derive(Debug, Clone)]
pub enum Exclusion {
    /// A pattern of file names.
    Name(Pattern),
    /// A pattern of paths.
    Path(LogPath),
}

impl Exclusion {
    /// A pattern as it was written.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return LogPath::parse(text).map(Self::Path);
        }
        Pattern::new(text).map(Self::Name).map_err(|e| e.to_string())
    }

    fn matches(&self, path: &Path) -> bool {
        match self {
            Self::Name(pattern) => pattern.matches(&path.file_name().unwrap_or_default().to_string_lossy()),
            Self::Path(pattern) => pattern.names(path),
        }
    }
}

impl PathLabels {
    /// `kubernetes`, or a regular expression with named groups.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = if text == "kubernetes" { KUBERNETES } else { text };
        let regex = Regex::new(pattern).map_err(|e| format!("not a regular expression: {e}"))?;
        if regex.capture_names().flatten().next().is_none() {
            return Err("has no named group such as (?<pod>[^/]+); without one it gives no label".to_string());
        }
        Ok(Self(regex))
    }

    /// The names of the labels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.capture_names().flatten()
    }

    fn of(&self, path: &str) -> Labels {
        let captures = self.0.captures(path);
        let value = |name: &str| captures.as_ref().and_then(|c| c.name(name)).map_or("", |m| m.as_str());
        self.names().map(|name| (name.to_string(), value(name).to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_log_has_the_same_name_however_it_was_written() {
        let here = std::env::current_dir().unwrap();
        for text in ["app.log", "./app.log", ".//app.log", here.join("app.log").to_str().unwrap()] {
            assert_eq!(LogPath::parse(text).unwrap().literal(), Some(&*here.join("app.log")), "{text}");
        }
        for text in ["logs/*.log", "./logs/*.log", here.join("logs/*.log").to_str().unwrap()] {
            let path = LogPath::parse(text).unwrap();
            assert!(path.names(&here.join("logs/a.log")) && !path.names(&here.join("logs/b/a.log")), "{text}");
            assert_eq!(path.folder(), (&*here.join("logs"), false), "{text}");
        }
        assert!(LogPath::parse("/var/log/[.log").is_err());
    }

    #[test]
    fn the_folder_of_a_glob_is_what_stands_before_its_first_wildcard() {
        for (text, folder, below) in [
            ("/var/log/app/*.log", "/var/log/app", false),
            ("/var/log/pods/*/app/*.log", "/var/log/pods", true),
            ("/var/log/**/*.log", "/var/log", true),
            ("/var/log/app-*/x.log", "/var/log", true),
            ("/*.log", "/", false),
            ("/app.log", "/", false),
        ] {
            assert_eq!(LogPath::parse(text).unwrap().folder(), (Path::new(folder), below), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_named_by_name_or_by_path() {
        let excludes = |pattern: &str, path: &str| Exclusion::parse(pattern).unwrap().matches(Path::new(path));
        assert!(excludes("*-debug.log", "/var/log/app/x-debug.log"));
        assert!(!excludes("*-debug.log", "/var/log/app-debug.log/x.log"));
        assert!(excludes("/var/log/app/tmp/*.log", "/var/log/app/tmp/x.log"));
        assert!(excludes("/var/log/**/tmp/*", "/var/log/app/a/b/tmp/x.log"));
        assert!(!excludes("/var/log/*/x.log", "/var/log/app/tmp/x.log"), "a wildcard stays within a folder");
    }

    #[test]
    fn a_pod_is_read_from_the_kubelets_path() {
        let labels = PathLabels::parse("kubernetes").unwrap().of("/var/log/pods/shop_api-7d9_0a1b-2c/app/0.log");
        let expected = [("namespace", "shop"), ("pod", "api-7d9"), ("container", "app")];
        assert_eq!(labels, expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    }

    #[test]
    fn a_pattern_without_a_group_is_refused() {
        assert!(PathLabels::parse("/srv/.*").unwrap_err().contains("no named group"));
        assert!(PathLabels::parse("/srv/(").unwrap_err().contains("regular expression"));
    }
}
