//! Starts the examples.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn examples(language: &str) -> PathBuf {
    root().join("examples").join(language)
}

pub fn driver(name: &str) -> PathBuf {
    root().join("tests/clients/drive").join(name)
}

#[track_caller]
fn installed(path: &Path) {
    assert!(path.exists(), "{} is missing: `make deps` installs what the examples need", path.display());
}

/// Python with redis-py, as scripts/deps.sh installs it.
#[track_caller]
pub fn python() -> Command {
    let exe = std::env::current_exe().expect("the path of this test");
    let target = exe.ancestors().nth(3).expect("the target directory");
    let python = target.join("python/bin/python");
    installed(&python);
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Node.js with ioredis and node-redis.
#[track_caller]
pub fn node() -> Command {
    installed(&examples("node").join("node_modules"));
    Command::new("node")
}

/// Runs a program to its end and answers what it said. It must end well.
#[track_caller]
pub fn told(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{said}\n{}", done.status, String::from_utf8_lossy(&done.stderr));
    said
}
