//! A wall clock for one server, which the bench moves: a day passes at once. The library is that of
//! the tests.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{ensure, Context, Result};
use tempfile::TempDir;

pub struct Clock {
    dir: TempDir,
    file: File,
}

impl Clock {
    /// A clock that stands at this time, in Unix ms.
    pub fn at(now_ms: i64) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("stock-bench-clock-").tempdir()?;
        let source = dir.path().join("clock.c");
        fs::write(&source, include_str!("../../testkit/src/clock.c"))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(dir.path().join("clock.so")).arg(&source);
        ensure!(compiler.status().context("running cc")?.success(), "cc does not build the clock");
        let file = File::create(dir.path().join("now"))?;
        let clock = Self { dir, file };
        clock.set(now_ms)?;
        Ok(clock)
    }

    pub fn set(&self, now_ms: i64) -> Result<()> {
        Ok(self.file.write_all_at(&now_ms.to_ne_bytes(), 0)?)
    }

    /// What a process needs in its environment to go by this clock.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.dir.path().join("clock.so")), ("STOCK_CLOCK", self.dir.path().join("now"))]
    }
}
