//! Values by path. A path compares part by part, which with ten thousand of them is a seventh of what a first look costs; these compare
//! by their bytes, after what names the same way twice was taken out (`a//b`, `a/./b`, `a/`). They stand in order, and a look goes
//! through them by their numbers: to find each of them anew was a tenth of it.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A map whose keys are paths, in the order of their bytes. The numbers of its values hold until one is added or taken away.
#[derive(Debug)]
pub struct PathMap<V>(Vec<(Arc<Path>, V)>);

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> PathMap<V> {
    /// The number of a path that has a value.
    fn number(&self, path: &Path) -> Option<usize> {
        let key = key(path);
        self.0.binary_search_by(|(other, _)| bytes(other).cmp(bytes(&key))).ok()
    }

    /// The value of a path.
    pub fn get(&self, path: &Path) -> Option<&V> {
        self.number(path).map(|number| self.nth(number))
    }

    /// The value of a path, to be changed.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut V> {
        self.number(path).map(|number| self.nth_mut(number))
    }

    /// Whether a path has a value.
    pub fn contains(&self, path: &Path) -> bool {
        self.number(path).is_some()
    }

    /// The path of a number.
    pub fn path(&self, number: usize) -> &Arc<Path> {
        &self.0[number].0
    }

    /// The value of a number.
    pub fn nth(&self, number: usize) -> &V {
        &self.0[number].1
    }

    /// The value of a number, to be changed.
    pub fn nth_mut(&mut self, number: usize) -> &mut V {
        &mut self.0[number].1
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All paths and their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Path>, &V)> {
        self.0.iter().map(|(path, value)| (path, value))
    }

    /// All values, in the order of their paths.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&Path, &mut V) -> bool) {
        self.0.retain_mut(|(path, value)| keep(path, value));
    }
}

/// Adds many at once. A path that has a value keeps it, and of several new ones the first.
impl<P: AsRef<Path>, V> Extend<(P, V)> for PathMap<V> {
    fn extend<I: IntoIterator<Item = (P, V)>>(&mut self, new: I) {
        self.0.extend(new.into_iter().map(|(path, value)| (Arc::from(&*key(path.as_ref())), value)));
        self.0.sort_by(|(one, _), (two, _)| bytes(one).cmp(bytes(two)));
        self.0.dedup_by(|(next, _), (first, _)| bytes(next) == bytes(first));
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// The path as a key: as it is, if it is written in the shortest way, as nearly every path is.
fn key(path: &Path) -> Cow<'_, Path> {
    let bytes = bytes(path);
    let mut parts = bytes.strip_prefix(b"/").unwrap_or(bytes).split(|b| *b == b'/');
    if parts.any(|part| part.is_empty() || part == b".") {
        return Cow::Owned(path.components().collect::<PathBuf>());
    }
    Cow::Borrowed(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(paths: &[&str]) -> PathMap<usize> {
        let mut map = PathMap::default();
        map.extend(paths.iter().enumerate().map(|(n, path)| (path, n)));
        map
    }

    fn paths<V>(map: &PathMap<V>) -> Vec<&str> {
        map.iter().map(|(path, _)| path.to_str().unwrap()).collect()
    }

    #[test]
    fn ways_of_writing_one_path_are_one_key() {
        let same =
            ["/var/log/app.log", "/var//log/app.log", "/var/./log/app.log", "/var/log/app.log/", "//var/log/app.log"];
        let map = map(&same);
        assert_eq!(paths(&map), ["/var/log/app.log"]);
        for same in same {
            assert_eq!(map.get(Path::new(same)), Some(&0), "{same}");
        }
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
                assert_eq!(bytes(&key(one)) == bytes(&key(two)), one == two, "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn paths_come_in_the_order_of_their_bytes() {
        assert_eq!(paths(&map(&["a/b", "a.log", "a", "a-b"])), ["a", "a-b", "a.log", "a/b"]);
    }

    #[test]
    fn what_has_a_value_keeps_it_and_of_new_ones_the_first_counts() {
        let mut map = map(&["b", "d"]);
        map.extend([("d", 10), ("c", 11), ("a", 12), ("c", 13)]);
        assert_eq!(paths(&map), ["a", "b", "c", "d"]);
        assert_eq!(map.values().collect::<Vec<_>>(), [&12, &0, &11, &1]);
        map.retain(|path, _| path != Path::new("b"));
        assert_eq!(map.number(Path::new("c")), Some(1));
        assert_eq!((map.path(1).to_str(), map.nth(1)), (Some("c"), &11));
    }
}
