//! Where logs are, and the labels that their counts get.

use std::collections::BTreeMap;

use regex::Regex;

/// One entry of `sources`.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Paths and globs.
    pub paths: Vec<String>,
    /// Patterns of file names that are left out.
    pub exclude: Vec<glob::Pattern>,
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
    pub fn of_paths(paths: &[String]) -> Self {
        Self { paths: paths.to_vec(), exclude: Vec::new(), labels: Labels::new(), path_labels: None }
    }

    /// The labels of the log at `path`.
    pub fn labels_of(&self, path: &str) -> Labels {
        let mut labels = self.labels.clone();
        if let Some(found) = &self.path_labels {
            labels.extend(found.of(path));
        }
        labels
    }

    /// Whether a file of this name is to be left out.
    pub fn excludes(&self, file_name: &str) -> bool {
        self.exclude.iter().any(|p| p.matches(file_name))
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
