//! `stockctl top` against a server that sells.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::server::free_port;
use testkit::Server;

use crate::harness::{command, run, url, Ended};

/// Sells while stockctl looks.
fn while_selling(server: &Server, words: &[&str]) -> Ended {
    let url = url(server);
    let mut looking = command(&[&["--url", &url, "top", "--every", "1"], words].concat());
    let child = looking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("stockctl");
    let (mut c, begin) = (server.client(), Instant::now());
    let mut n = 0;
    while begin.elapsed() < Duration::from_millis(1600) {
        c.expect(&format!("STOCK.RESERVE sku:618 o{n}{} 1", words[0]), "[OK, *]");
        c.expect("STOCK.RESERVE sku:mispelt o 1", "[NOPOOL, *]");
        n += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("an end");
    Ended {
        code: output.status.code().expect("a code"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn two_looks_show_what_happened_between_them() {
    let server = Server::start();
    server.client().expect("STOCK.SET sku:618 1000000", "OK");
    let all = while_selling(&server, &["--json"]).ok().json();
    let rate = |name: &str| all["replies_per_second"][name].as_f64().expect("a rate");
    assert!(rate("reserved") > 5.0 && rate("reserved") < 200.0, "{all}");
    assert!((rate("reserved") - rate("nopool")).abs() < 10.0 && rate("soldout") == 0.0, "{all}");
    assert_eq!(
        (&all["pools"], &all["lost"], &all["ledger"]),
        (&1.into(), &serde_json::json!([]), &serde_json::Value::Null)
    );
    assert!(all["held_units"].as_i64().expect("units") > 5);
    let hot =
        |key: &str| all["hot"].as_array().expect("keys").iter().find(|hot| hot["key"] == key).expect("the key").clone();
    assert_eq!((&hot("sku:618")["exists"], &hot("sku:mispelt")["exists"]), (&true.into(), &false.into()));
    assert!(all["servers"][0]["cpu_cores"].as_f64().expect("cores") < 1.5);
    while_selling(&server, &["--once"]).ok().says(&["stockctl top  20", "calls/s  reserved ", "? sku:mi", "sku:618 "]);
}

#[test]
fn a_ledger_that_is_not_there_is_said() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/metrics", free_port());
    run(&server, &["top", "--once", "--every", "1", "--ledger", &url])
        .ok()
        .says(&["ledger   127.0.0.1:", "cannot be reached"]);
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let server = Server::start();
    let ended = run(&server, &["top"]).with(2);
    assert!(ended.err.contains("--once") && ended.out.is_empty(), "{}", ended.err);
}

/// In a terminal of 80x24 it draws, sorts, and leaves the terminal as it was.
#[test]
fn it_lives_in_a_terminal() {
    let server = Server::start();
    server.client().script(
        "STOCK.SET sku:618 10
         STOCK.RESERVE sku:618 o 1 => [OK, *]",
    );
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: this machine has no `script`, which makes a terminal");
        return;
    }
    let line =
        format!("stty rows 24 cols 80; '{}' --url '{}' top --every 1", env!("CARGO_BIN_EXE_stockctl"), url(&server));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm-256color");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script");
    let mut keys = child.stdin.take().expect("a keyboard");
    for key in ["h", "x", "q"] {
        std::thread::sleep(Duration::from_millis(1200));
        keys.write_all(key.as_bytes()).expect("a key");
        keys.flush().expect("a key");
    }
    let output = child.wait_with_output().expect("an end");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    for part in ["stockctl top", "sku:618", "held*", "\u{1b}[?1049h", "\u{1b}[?1049l"] {
        assert!(out.contains(part), "{part:?} in {out:?}");
    }
}
