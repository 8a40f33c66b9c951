//! What the documents say is true: each line of their sessions is typed, each parameter is asked for, and the example
//! configuration boots.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::server::Server;

fn document(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The steps of a fenced block: what is typed, and what is answered.
fn session(page: &str, name: &str) -> Vec<(String, Vec<String>)> {
    let text = document(page);
    let fence = format!("```redis-cli {name}");
    let block = text.lines().skip_while(|line| *line != fence).skip(1).take_while(|line| *line != "```");
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in block {
        match (line.strip_prefix("> "), steps.last_mut()) {
            (Some(typed), _) => steps.push((typed.into(), Vec::new())),
            (None, Some((_, answer))) => answer.push(line.trim_end().into()),
            (None, None) => panic!("{name}: an answer before anything is typed: {line}"),
        }
    }
    assert!(steps.len() > 5, "{name} is there");
    steps
}

/// What redis-cli prints for a line that is typed.
fn typed(server: &Server, line: &str) -> Vec<String> {
    let mut cli = Command::new("redis-cli")
        .args(["--no-raw", "-s"])
        .arg(server.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli is installed");
    writeln!(cli.stdin.take().expect("its input"), "{line}").expect("it listens");
    let output = cli.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).lines().map(|l| l.trim_end().to_string()).collect()
}

/// Whether a line is as written, where `<ms>` stands for a time of this century.
fn fits(written: &str, printed: &str) -> bool {
    let Some((before, after)) = written.split_once("<ms>") else { return written == printed };
    let middle = printed.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    middle.is_some_and(|ms| ms.len() == 13 && ms.bytes().all(|b| b.is_ascii_digit()))
}

fn follow(page: &str, name: &str) {
    let server = Server::start();
    for (line, written) in session(page, name) {
        let printed = typed(&server, &line);
        let same = printed.len() == written.len() && written.iter().zip(&printed).all(|(w, p)| fits(w, p));
        assert!(same, "{name}: > {line}\n{page}: {written:#?}\nprinted: {printed:#?}");
    }
}

#[test]
fn the_first_sale_is_as_written() {
    follow("README.md", "first-sale");
}

#[test]
fn the_limits_are_as_written() {
    follow("docs/guides/limits.md", "limits");
}

#[test]
fn the_carts_are_as_written() {
    follow("README.md", "carts");
}

#[test]
fn the_events_are_as_written() {
    follow("docs/guides/events.md", "events");
}

fn configured(client: &mut testkit::client::Client) -> BTreeMap<String, String> {
    client.say("CONFIG GET stock.*").items().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

#[test]
fn parameters_are_the_same_everywhere() {
    let server = Server::start();
    let actual = configured(&mut server.client());
    let readme: BTreeMap<String, String> = document("README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `stock."))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (format!("stock.{}", cells[0].trim_matches('`')), cells[1].trim_matches('"').to_string())
        })
        .collect();
    assert_eq!(readme, actual, "the README's table against CONFIG GET");
    let example: BTreeMap<String, String> = document("redis.conf.example")
        .lines()
        .filter(|line| line.starts_with("stock."))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_string(), value.trim_matches('"').to_string()))
        .collect();
    assert_eq!(example, actual, "the example configuration against CONFIG GET");
}

#[test]
fn the_example_configuration_boots() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("redis.conf");
    let text = document("redis.conf.example");
    // The harness loads the module itself, from where it was built.
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("loadmodule")).collect();
    fs::write(&path, text.join("\n").replace("stock.hold-seconds 900", "stock.hold-seconds 901")).expect("written");
    let server = Server::with(&["--include", path.to_str().expect("a plain path")]);
    assert_eq!(configured(&mut server.client())["stock.hold-seconds"], "901");
}
