//! `stockctl metrics`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use testkit::server::free_port;
use testkit::{info, poll, Running, Server};

use crate::harness::{command, run, url};

/// Samples by name and labels, as they stand in the text.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        (series.to_string(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    let all: Vec<(String, f64)> = lines.map(read).collect();
    let count = all.len();
    let map: BTreeMap<String, f64> = all.into_iter().collect();
    assert_eq!(map.len(), count, "a series stands once");
    map
}

/// An exporter that runs until the test ends.
pub struct Exporter {
    _process: Running,
    pub address: String,
}

impl Exporter {
    pub fn start(words: &[&str]) -> Exporter {
        let words = [words, &["--listen", "127.0.0.1:0"]].concat();
        let mut child = command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("stockctl");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("Figures at http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let address = address.unwrap_or_else(|| panic!("{line}")).to_string();
        Exporter { _process: Running(child), address }
    }

    /// The head and the body of an answer.
    pub fn get(&self, path: &str) -> (String, String) {
        get(&self.address, path)
    }
}

pub fn get(address: &str, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).expect("the exporter listens");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") { whole(body) } else { body.to_string() };
    (head.to_string(), body)
}

/// A body that came in pieces, each with its length before it.
fn whole(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or_else(|_| panic!("{length}"));
        if length == 0 {
            break;
        }
        body.push_str(&after[..length]);
        rest = &after[length + 2..];
    }
    body
}

fn at(server: &Server, name: &str, labels: &str) -> String {
    let node = server.socket().display().to_string();
    let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
    format!("{name}{{node=\"{node}\"{labels}}}")
}

/// What the server refuses the module never sees.
#[test]
fn writes_that_the_server_refuses_are_counted() {
    let server = Server::start();
    server.client().script(
        "STOCK.SET k 5
         CONFIG SET maxmemory 1
         STOCK.RESERVE k o 1 => -OOM *
         CONFIG SET maxmemory 0
         CONFIG SET min-replicas-to-write 1
         STOCK.CONFIRM k o => -NOREPLICAS *
         STOCK.RELEASE k o => -NOREPLICAS *",
    );
    let samples = samples(&run(&server, &["metrics", "--once"]).ok().out);
    for (error, count) in [("OOM", 1.0), ("MISCONF", 0.0), ("NOREPLICAS", 2.0)] {
        let series = at(&server, "stock_refused_writes_total", &format!("error=\"{error}\""));
        assert_eq!(samples.get(&series), Some(&count), "{samples:?}");
    }
}

/// A field that INFO gains is a figure, too.
#[test]
fn every_number_of_info_is_exported() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 5
         STOCK.RESERVE k o 2 => [OK, *]
         STOCK.RESERVE k o2 9 => [SOLDOUT, *]",
    );
    let text = run(&server, &["metrics", "--once"]).ok().out;
    assert!(text.ends_with("# EOF\n"));
    let samples = samples(&text);
    let info = info(&mut c, "stock");
    let mut checked = 0;
    for (field, value) in &info {
        let name = field.strip_prefix("stock_").unwrap_or(field);
        // Of the longest backlog INFO also says whose it is, in words.
        if name.starts_with("replies_per_sec_")
            || name.ends_with("_at")
            || ["version", "encoding_version"].contains(&name)
        {
            continue;
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{field} {value}"));
        let series = match name.strip_prefix("replies_") {
            Some(reply) => vec![at(&server, "stock_replies_total", &format!("reply=\"{reply}\""))],
            None => {
                let name = name.strip_suffix("_ms").map_or(name.to_string(), |name| format!("{name}_seconds"));
                vec![at(&server, &format!("stock_{name}"), ""), at(&server, &format!("stock_{name}_total"), "")]
            }
        };
        let found = series.iter().find_map(|series| samples.get(series));
        assert_eq!(found, Some(&value), "{field}: {series:?} in\n{text}");
        checked += 1;
    }
    assert!(checked > 42, "{checked}");
    assert_eq!(samples[&at(&server, "stock_up", "")], 1.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(samples[&at(&server, "stock_node", &format!("role=\"primary\",version=\"{version}\""))], 1.0);
    for unit in ["stock_memory_bytes bytes", "stock_held_units units", "stock_sweep_lag_seconds seconds"] {
        assert!(text.contains(&format!("# UNIT {unit}\n")), "{unit}");
    }
    assert!(text.contains("# TYPE stock_replies counter\n") && text.contains("# TYPE stock_pools gauge\n"));
}

#[test]
fn pools_and_streams_have_series_of_their_own() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET hot 10
         STOCK.SETPOLICY hot {\"events\":\"events\"}
         STOCK.LIMIT hot user 2
         STOCK.RESERVE hot o1 2 FOR user u => [OK, *]
         STOCK.RESERVE hot o2 1 FOR user u => [LIMITED, *]
         STOCK.RESERVE hot o3 1 => -NODIM *
         STOCK.RESERVE mispelt o 1 => [NOPOOL, *]
         STOCK.SET cap UNLIMITED
         STOCK.SET quiet 7
         STOCK.SET ahead 0
         STOCK.SETPOLICY ahead {\"safety\":-10}
         STOCK.RESERVE ahead o 3 => [OK, *]
         STOCK.CONFIRM ahead o => [OK, *]
         STOCK.RELEASE hot o1 => [OK, *]
         STOCK.RESERVE hot o4 2 FOR user u => [OK, *]
         XGROUP CREATE events mail 0",
    );
    c.call(&[&b"STOCK.SET"[..], b"a\"\\\n\xff", b"3"]);
    c.call(&[&b"STOCK.RESERVE"[..], b"a\"\\\n\xff", b"o", b"1"]);
    let ended = run(
        &server,
        &[
            "metrics", "--once", "--pool", "quiet", "--pool", "cap", "--pool", "ahead", "--pool", "none", "--stream",
            "events",
        ],
    )
    .with(0);
    assert_eq!(ended.err, "--pool none: there is no such pool\n");
    let text = ended.out;
    let all = samples(&text);
    let of = |name: &str, labels: &str| all.get(&at(&server, name, labels)).copied();
    assert_eq!(of("stock_pool_on_hand_units", "pool=\"hot\""), Some(10.0));
    assert_eq!(of("stock_pool_held_units", "pool=\"hot\""), Some(2.0));
    assert_eq!(of("stock_pool_on_hand_units", "pool=\"ahead\""), Some(-3.0), "sold before it was there");
    assert_eq!(of("stock_pool_available_units", "pool=\"hot\""), Some(8.0));
    assert_eq!(of("stock_pool_orders", "pool=\"hot\",state=\"reserved\""), Some(1.0));
    assert_eq!(of("stock_pool_replies_total", "pool=\"hot\",reply=\"limited\""), Some(1.0));
    assert_eq!(of("stock_pool_limit_refusals_total", "pool=\"hot\",limit=\"user/life/units\""), Some(1.0));
    assert_eq!(of("stock_pool_nodim_total", "pool=\"hot\",dimension=\"user\""), Some(1.0));
    assert_eq!(of("stock_hot_key_calls", "db=\"0\",exists=\"0\",pool=\"mispelt\""), Some(1.0));
    assert_eq!(of("stock_pool_available_units", "pool=\"quiet\""), Some(7.0));
    assert_eq!(of("stock_pool_available_units", "pool=\"cap\""), None, "unlimited is no number");
    assert_eq!(of("stock_pool_held_units", "pool=\"cap\""), Some(0.0));
    assert_eq!(of("stock_pool_held_units", "pool=\"none\""), None);
    assert_eq!(of("stock_pool_held_units", "pool=\"a\\\"\\\\\\\\\\\\x0a\\\\xff\""), Some(1.0), "{text}");
    let entries = of("stock_stream_entries", "stream=\"events\"").expect("entries");
    assert!(entries >= 2.0);
    assert_eq!(of("stock_stream_group_lag_entries", "stream=\"events\",group=\"mail\""), Some(entries));
    assert_eq!(of("stock_stream_group_pending_entries", "stream=\"events\",group=\"mail\""), Some(0.0));
    // A group has no more to read than there is, whatever the server says after a trim.
    c.script("XREADGROUP GROUP mail worker COUNT 1 NOACK STREAMS events > => *");
    c.expect("XTRIM events MAXLEN 1", "*");
    let text = run(&server, &["metrics", "--once", "--stream", "events"]).ok().out;
    let lag =
        samples(&text).get(&at(&server, "stock_stream_group_lag_entries", "stream=\"events\",group=\"mail\"")).copied();
    assert_eq!(lag, Some(1.0));
    // Only what is asked for.
    let few = run(&server, &["metrics", "--once", "--top", "0"]).ok().out;
    assert!(!few.contains("stock_pool_") && !few.contains("stock_hot_key_calls"));
}

#[test]
fn a_lost_server_is_a_figure_and_comes_back() {
    let mut server = Server::start();
    let exporter = Exporter::start(&["--url", &url(&server), "metrics"]);
    let up = at(&server, "stock_up", "");
    let (head, body) = exporter.get("/metrics");
    assert!(
        head.starts_with("HTTP/1.1 200 OK") && head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert_eq!(samples(&body)[&up], 1.0);
    assert!(exporter.get("/").1.contains("/metrics"));
    assert!(exporter.get("/other").0.starts_with("HTTP/1.1 404"));
    let shows = |value: f64| {
        poll("the figure", || (samples(&exporter.get("/metrics").1).get(&up) == Some(&value)).then_some(()));
    };
    server.kill();
    shows(0.0);
    server.start_again();
    shows(1.0);
    // One that was never there, too.
    let port = free_port();
    let early = Exporter::start(&["--url", &format!("redis://127.0.0.1:{port}"), "metrics"]);
    assert_eq!(samples(&early.get("/metrics").1)[&format!("stock_up{{node=\"127.0.0.1:{port}\"}}")], 0.0);
    // An address that is taken is a wrong call.
    run(&server, &["metrics", "--listen", &exporter.address])
        .with(2)
        .err_has(&format!("cannot listen on {}", exporter.address));
}
