//! The files of a web configuration: the one that was named, and those that it names. What they looked like when they were read tells
//! whether they have changed since.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::Xxh3;

use super::{WebConfig, WebConfigError, parse};

/// No certificate, key or configuration is longer.
const LONGEST: u64 = 1024 * 1024;

/// A file that changed this shortly before it was read may change again without any sign: times have the grain of the kernel's clock.
const UNSETTLED: Duration = Duration::from_secs(2);

/// Device, inode, size, and the times of the last change of content and of inode, in nanoseconds.
type Stamp = (u64, u64, u64, i128, i128);

/// What was read.
#[derive(Debug, Default)]
pub struct Files {
    stamps: BTreeMap<PathBuf, Option<Stamp>>,
    unsettled: bool,
    content: u128,
}

impl Files {
    /// Reads the web configuration at `path`, with all that it names.
    pub fn load(&mut self, path: &Path) -> Result<WebConfig, WebConfigError> {
        let unreadable = |e: io::Error| WebConfigError::Unreadable(path.to_path_buf(), e.to_string());
        let text = self.read(path).map_err(unreadable)?;
        let text = String::from_utf8(text).map_err(|_| unreadable(io::Error::other("it is not UTF-8")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        parse(&text, folder, &mut |file| self.read(file))
            .map_err(|mistakes| WebConfigError::Mistakes(path.to_path_buf(), mistakes))
    }

    /// Whether a file may hold something else than what was read.
    pub fn changed(&self) -> bool {
        self.unsettled
            || self.stamps.iter().any(|(path, stamp)| fs::metadata(path).ok().as_ref().map(stamp_of) != *stamp)
    }

    /// A hash of all that was read: a file that is written again with the same content changes nothing.
    pub fn content(&self) -> u128 {
        self.content
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let found = fs::metadata(path);
        self.stamps.insert(path.to_path_buf(), found.as_ref().ok().map(stamp_of));
        let bytes = found.and_then(|metadata| {
            self.unsettled |= is_young(&metadata);
            contents(path, &metadata)
        });
        let mut hash = Xxh3::new();
        hash.update(&self.content.to_le_bytes());
        hash.update(path.as_os_str().as_encoded_bytes());
        // A file that cannot be read is not an empty one.
        hash.update(&[0, u8::from(bytes.is_ok())]);
        hash.update(bytes.as_deref().unwrap_or_default());
        self.content = hash.digest128();
        bytes
    }
}

/// A FIFO or a device would keep the reader waiting, or never end.
fn contents(path: &Path, metadata: &Metadata) -> io::Result<Vec<u8>> {
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(bytes)
}

fn stamp_of(metadata: &Metadata) -> Stamp {
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let changed = nanos(metadata.ctime(), metadata.ctime_nsec());
    (metadata.dev(), metadata.ino(), metadata.len(), nanos(metadata.mtime(), metadata.mtime_nsec()), changed)
}

fn is_young(metadata: &Metadata) -> bool {
    // A time in the future is no sign of youth: such a file would be read at every request.
    let age = |changed: SystemTime| SystemTime::now().duration_since(changed).ok();
    let inode = u64::try_from(metadata.ctime()).map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let ages = [metadata.modified().ok().and_then(age), inode.ok().and_then(age)];
    ages.into_iter().flatten().any(|age| age < UNSETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_a_device_and_a_huge_file_are_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let huge = folder.path().join("huge");
        fs::File::create(&huge).unwrap().set_len(LONGEST + 1).unwrap();
        for path in [Path::new("/dev/zero"), folder.path(), &huge] {
            assert!(matches!(Files::default().load(path), Err(WebConfigError::Unreadable(..))), "{}", path.display());
        }
    }

    #[test]
    fn a_change_without_any_sign_is_looked_for_while_it_is_possible() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        fs::write(&path, "").unwrap();
        let mut files = Files::default();
        files.load(&path).unwrap();
        assert!(files.changed(), "it was written just now");
        files.unsettled = false;
        assert!(!files.changed());
        fs::write(&path, "#").unwrap();
        assert!(files.changed());
    }
}
