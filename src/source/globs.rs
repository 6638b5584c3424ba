//! Globs to paths. The `glob` crate's own walk panics at a name that is not UTF-8, and follows links from folder to folder without an
//! end: whoever may write into a followed folder could stop the exporter with either. Its patterns are used, for one name at a time.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::{Pattern, PatternError};

use crate::config::{IN_FOLDERS, WILDCARDS};

/// A part of a glob, between two slashes.
enum Step {
    /// A name as it stands.
    Name(String),
    /// Names that match.
    Like(Pattern),
    /// `**`: any number of folders.
    Folders,
}

/// The files that a glob means now, in order; `**` stands for any number of folders, each of which is visited once, whatever links
/// lead to it.
pub fn glob_paths(pattern: &str) -> Result<Vec<PathBuf>, PatternError> {
    let steps: Vec<Step> = pattern.split('/').filter(|name| !name.is_empty()).map(step).collect::<Result<_, _>>()?;
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = Vec::new();
    expand(Path::new(start), &steps, &mut found);
    // By bytes: to compare paths part by part costs more than to find them.
    found.sort_by(|one, two| one.as_os_str().cmp(two.as_os_str()));
    found.dedup();
    Ok(found)
}

fn step(name: &str) -> Result<Step, PatternError> {
    match name {
        "**" => Ok(Step::Folders),
        name if name.contains(WILDCARDS) => Pattern::new(name).map(Step::Like),
        name => Ok(Step::Name(name.to_string())),
    }
}

fn expand(at: &Path, steps: &[Step], found: &mut Vec<PathBuf>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(at.to_path_buf());
        return;
    };
    match step {
        Step::Name(name) if rest.is_empty() => {
            found.extend(Some(at.join(name)).filter(|p| fs::symlink_metadata(p).is_ok()));
        }
        Step::Name(name) => expand(&at.join(name), rest, found),
        Step::Like(pattern) => {
            let names = names(at).into_iter().filter(|name| pattern.matches_with(&name.to_string_lossy(), IN_FOLDERS));
            names.for_each(|name| expand(&at.join(name), rest, found));
        }
        Step::Folders => folders(at).iter().for_each(|folder| expand(folder, rest, found)),
    }
}

/// The names in a folder; none in one that cannot be read.
fn names(folder: &Path) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(here).into_iter().flatten();
    entries.flatten().map(|entry| PathBuf::from(entry.file_name())).collect()
}

/// A folder and all below it, but for hidden ones: the real ones first, so that a link to one of them adds no second name.
fn folders(top: &Path) -> Vec<PathBuf> {
    let (mut seen, mut found, mut links) = (HashSet::new(), Vec::new(), Vec::new());
    let mut open = vec![top.to_path_buf()];
    while let Some(folder) = open.pop().or_else(|| links.pop()) {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let Ok(meta) = fs::metadata(here) else { continue };
        if !meta.is_dir() || !seen.insert((meta.dev(), meta.ino())) {
            continue;
        }
        for name in names(&folder).iter().filter(|name| !name.to_string_lossy().starts_with('.')) {
            let path = folder.join(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => open.push(path),
                Ok(meta) if meta.is_symlink() => links.push(path),
                _ => {}
            }
        }
        found.push(folder);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/b/c", ".hidden", "d"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["top.log", ".top.log", "a/one.log", "a/b/c/two.log", ".hidden/x.log", "d/[x].log", "a/other"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    fn found(folder: &Path, pattern: &str) -> Vec<String> {
        let paths = glob_paths(&format!("{}/{pattern}", folder.display())).unwrap();
        paths.iter().map(|p| p.strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn names_match_within_a_folder_and_two_stars_below_it() {
        let folder = folder();
        assert_eq!(found(folder.path(), "*.log"), ["top.log"]);
        assert_eq!(found(folder.path(), ".*.log"), [".top.log"]);
        assert_eq!(found(folder.path(), "*/*.log"), ["a/one.log", "d/[x].log"]);
        assert_eq!(found(folder.path(), "**/*.log"), ["a/b/c/two.log", "a/one.log", "d/[x].log", "top.log"]);
        assert_eq!(found(folder.path(), "a/**/two.log"), ["a/b/c/two.log"]);
        assert_eq!(found(folder.path(), "?/[a-o]*.log"), ["a/one.log"]);
        assert_eq!(found(folder.path(), "a/none.log"), [""; 0]);
        assert!(glob_paths("/a/**b").is_err() && glob_paths("/a/[").is_err());
    }

    #[test]
    fn links_in_a_circle_end_and_give_a_folder_no_second_name() {
        let folder = folder();
        for n in 0..30 {
            symlink(folder.path(), folder.path().join(format!("a/up{n}"))).unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("far.log"), "").unwrap();
        symlink(elsewhere.path(), folder.path().join("linked")).unwrap();
        let all = ["a/b/c/two.log", "a/one.log", "d/[x].log", "linked/far.log", "top.log"];
        assert_eq!(found(folder.path(), "**/*.log"), all);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_a_name() {
        let folder = folder();
        fs::write(folder.path().join(OsStr::from_bytes(b"\xff.log")), "").unwrap();
        assert_eq!(found(folder.path(), "*.log"), ["top.log", "\u{FFFD}.log"]);
    }
}
