//! How far a scan is, shown on a terminal while it runs.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use kdam::{Bar, BarExt as _};

/// A bar on standard error, if that is a terminal. That it cannot be drawn is no reason to end a scan.
pub struct Shown(Option<Bar>);

impl Shown {
    /// A bar for these files.
    pub fn of(files: &[PathBuf]) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bytes = files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum::<u64>();
        let bar = Bar::builder().total(usize::try_from(bytes).unwrap_or(usize::MAX)).unit("B").unit_scale(true);
        Self(bar.leave(false).build().ok())
    }

    /// `stream`, whose bytes the bar counts as they are read.
    pub fn count<R: Read>(&mut self, stream: R) -> Counted<'_, R> {
        Counted { stream, shown: self }
    }

    /// Wipes the bar, so that the result stands in its place.
    pub fn wipe(mut self) {
        if let Some(bar) = &mut self.0 {
            let _ = bar.clear();
            let _ = bar.writer.print(b"\r");
        }
    }
}

/// A stream whose bytes a bar counts.
pub struct Counted<'a, R> {
    stream: R,
    shown: &'a mut Shown,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(room)?;
        if let Some(bar) = &mut self.shown.0 {
            let _ = bar.update(read);
        }
        Ok(read)
    }
}
