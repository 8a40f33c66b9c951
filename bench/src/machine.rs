//! Where and how it was measured: the head of the report.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::client::Connection;
use crate::sizes::Sizes;

/// The head of the report.
pub fn describe(sizes: &Sizes, module: &Path, note: Option<&str>) -> String {
    let note = note.map_or(String::new(), |note| format!("\n**{note}**\n"));
    format!(
        "# Benchmarks

Written by `make bench` (see [bench/](../../bench)); do not edit.

![CPU per call](benchmarks.svg)

{date}, {cpu}, {cores} cores, {kernel}; load of the machine at the beginning {load}. Rounds: {rounds}, of {calls} calls (of scripts and carts fewer). Servers have fresh directories, unix sockets, no snapshots. The rows take turns within each round, each round on a fresh server; a ratio is that of two rows in the same round, and its median over the rounds is judged. Every order and every user is new; one thread drives {width} connections.

The module: commit {commit}, {build}.
{note}
```sh
make bench                                       # all of this; SERVERS=\"redis-server path/of/valkey-server\" for several
make bench ROUNDS=1 CALLS=20000 SCALE=0.05       # a short run
make bench PART=rows                             # or tails, memory, rdb: printed, and no file is written
```
",
        date = line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        cpu = cpu(),
        commit = testkit::build::commit(),
        build = testkit::build::of_library(module),
        cores = std::thread::available_parallelism().map_or(0, usize::from),
        kernel = line("uname", &["-sr"]),
        load = load(),
        rounds = sizes.rounds,
        calls = sizes.calls,
        width = crate::compare::WIDTH,
    )
}

/// The server's name and version.
pub fn server_name(connection: &mut Connection) -> Result<String> {
    let fields = connection.info("server")?;
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    Ok(if field("valkey_version").is_empty() {
        format!("Redis {}", field("redis_version"))
    } else {
        format!("Valkey {}", field("valkey_version"))
    })
}

fn line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_string()
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    name.unwrap_or("a processor that does not tell its name").to_string()
}

/// How many processes ran on average in the last minute.
fn load() -> String {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split(' ').next().map(String::from))
        .unwrap_or_default()
}
