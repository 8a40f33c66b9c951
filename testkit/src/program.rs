//! The project's programs, as cargo has built them, and processes that end with their test.

use std::path::PathBuf;
use std::process::Child;

/// A program that cargo builds beside this one, or one folder above where this is a test.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built beside {}: cargo build -p {name}", this.display()))
}

/// A process; kill -9 when it is let go.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
