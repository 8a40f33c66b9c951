//! Which code a measurement ran on: its report says so.

use std::path::Path;
use std::process::Command;

/// The commit that runs; marked where the code differs from it.
pub fn commit() -> String {
    // A long campaign runs on a copy of the program, whose commit its starter knows.
    if let Ok(known) = std::env::var("STOCK_COMMIT") {
        return known;
    }
    let head = said_by("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    match said_by("git", &["status", "--porcelain", "--", "src"]) {
        Some(changed) if changed.is_empty() => head,
        _ => format!("{head} with changes"),
    }
}

/// The compiler, and the size and checksum of a library that it built.
pub fn of_library(path: &Path) -> String {
    let compiler = compiler();
    let bytes = path.metadata().map_or(0, |file| file.len());
    let sum = path.to_str().and_then(|path| said_by("sha256sum", &[path])).unwrap_or_default();
    format!("{compiler}, {bytes} bytes, SHA-256 {}", sum.get(..16).unwrap_or("unknown"))
}

/// The compiler, as it names itself.
pub fn compiler() -> String {
    said_by("rustc", &["--version"]).unwrap_or_else(|| "an unknown compiler".into())
}

fn said_by(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}
