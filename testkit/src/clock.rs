//! A server whose wall clock the test moves: windows of a month pass at once, and to the
//! millisecond.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The library that answers for the clock, built once per run. Whoever builds the module has a C
/// compiler: it links.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let dir = tempfile::Builder::new().prefix("stock-clock-").tempdir().expect("a directory");
        let (source, path) = (dir.path().join("clock.c"), dir.path().join("clock.so"));
        fs::write(&source, include_str!("clock.c")).expect("the source");
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&path)
            .arg(&source)
            .status()
            .expect("cc runs");
        assert!(done.success(), "cc builds the clock");
        (dir, path)
    });
    path
}

/// The clock of one server.
pub struct Clock {
    _dir: TempDir,
    path: PathBuf,
    file: File,
}

impl Clock {
    pub fn at(now_ms: i64) -> Clock {
        let dir = tempfile::Builder::new().prefix("stock-time-").tempdir().expect("a directory");
        let path = dir.path().join("now");
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).open(&path).expect("a file");
        let clock = Clock { _dir: dir, path, file };
        clock.set(now_ms);
        clock
    }

    pub fn set(&self, now_ms: i64) {
        self.file.write_all_at(&now_ms.to_ne_bytes(), 0).expect("the clock is set");
    }

    /// What a process needs in its environment to go by this clock.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", library().to_path_buf()), ("STOCK_CLOCK", self.path.clone())]
    }
}
