//! A small disk of its own: a tmpfs, which can be full, or be mounted again so that nobody writes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{give_to_nobody, is_root};

pub struct Disk {
    path: PathBuf,
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(path).status();
    status.is_ok_and(|status| status.success())
}

impl Disk {
    /// Mounts it over a directory. None where this user may not: the caller has nothing to test.
    pub fn at(path: &Path) -> Option<Disk> {
        if !is_root() || !mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], path) {
            eprintln!("not tested: only root may mount a small disk");
            return None;
        }
        give_to_nobody(path);
        Some(Disk { path: path.to_path_buf() })
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("a file");
        for size in [1 << 16, 1 << 10, 1] {
            let bytes = vec![0u8; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// All room is there again.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    /// Whether anything can be written from now on. Nobody may have a file open for writing.
    pub fn remount(&self, writable: bool) {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        assert!(mount(&["-o", options], &self.path), "{options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
