//! Every client library sends each command to the node that owns its slot: counted on the
//! servers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use redis_stock::command::spec::{Access, KeyPositions};
use redis_stock::command::TABLE;

use crate::programs::libraries;
use testkit::cluster::{slot_of, Cluster, PRIMARIES};
use testkit::info;

/// How many pools, in as many slots.
const POOLS: usize = 12;

/// One call: the key that decides about the slot, and the words.
type Line = Vec<String>;

/// Every command on one pool, for pools all over the slots. The arguments only have to be so many:
/// a call that ends in an error of its own was routed all the same.
fn single() -> Vec<Line> {
    let specs = || TABLE.iter().filter(|spec| spec.keys == KeyPositions::First && spec.access != Access::Replicated);
    let keys = (0..POOLS).map(|n| format!("sku:{n}"));
    keys.flat_map(|key| {
        specs().map(move |spec| {
            let padding = (spec.arity.unsigned_abs() as usize).saturating_sub(2);
            let words = [key.as_str(), spec.name, key.as_str()].into_iter().chain(std::iter::repeat_n("1", padding));
            words.map(String::from).collect()
        })
    })
    .collect()
}

/// Carts of two pools that share a tag.
fn carts() -> Vec<Line> {
    let line = |tag: usize, verb: &str, rest: &str| {
        let line = format!("{{{tag}}}a STOCK.{verb} order-{tag} 2 {{{tag}}}a {{{tag}}}b {rest}");
        line.split_whitespace().map(String::from).collect()
    };
    let split = |tag: usize| {
        let line = format!("{{{tag}}}a STOCK.MSPLIT order-{tag} part-{tag} 2 {{{tag}}}a {{{tag}}}b QTY 1 1");
        line.split_whitespace().map(String::from).collect()
    };
    let set = |tag: usize, pool: &str| {
        vec![format!("{{{tag}}}{pool}"), "STOCK.SET".into(), format!("{{{tag}}}{pool}"), "9".into()]
    };
    (0..POOLS)
        .flat_map(|tag| {
            [
                set(tag, "a"),
                set(tag, "b"),
                line(tag, "MRESERVE", "QTY 1 1"),
                line(tag, "MEXTEND", "EX 2000"),
                split(tag),
                line(tag, "MCONFIRM", ""),
                line(tag, "MRETURN", ""),
            ]
        })
        .collect()
}

/// How often each command was called, how many redirects were answered, and how often clients asked
/// where keys are.
struct Counts {
    calls: BTreeMap<String, i64>,
    moved: i64,
    asked: i64,
}

fn count(cluster: &Cluster) -> Counts {
    let mut counts = Counts { calls: BTreeMap::new(), moved: 0, asked: 0 };
    for node in &cluster.nodes {
        let mut client = node.client();
        let number = |line: &str, name: &str| -> i64 {
            line.split(',').find_map(|part| part.strip_prefix(name)).map_or(0, |n| n.parse().expect("a number"))
        };
        for (name, line) in info(&mut client, "commandstats") {
            let calls = number(&line, "calls=");
            if name == "cmdstat_command|getkeys" {
                counts.asked += calls;
            } else if let Some(command) =
                name.strip_prefix("cmdstat_").filter(|n| n.to_uppercase().starts_with("STOCK."))
            {
                *counts.calls.entry(command.to_uppercase()).or_default() += calls;
            }
        }
        for (name, line) in info(&mut client, "errorstats") {
            if ["errorstat_MOVED", "errorstat_ASK"].contains(&name.as_str()) {
                counts.moved += number(&line, "count=");
            }
        }
    }
    counts
}

/// Sends the lines through a program, once to warm up and once counted: redirects, questions for
/// keys.
#[track_caller]
fn through(cluster: &Cluster, command: &mut Command, lines: &[Line]) -> (i64, i64) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut tell = child.stdin.take().expect("its input");
    let text: String = lines.iter().map(|line| format!("{}\n", json(line))).collect();
    writeln!(tell, "{text}MARK").expect("the program listens");
    assert_eq!(said.next().expect("a line").expect("text"), "warm");
    let before = count(cluster);
    write!(tell, "go\n{text}").expect("the program listens");
    drop(tell);
    assert_eq!(said.next().expect("a line").expect("text"), "done");
    assert!(child.wait().expect("its end").success());
    let after = count(cluster);
    everything_ran_once(&before, &after, lines);
    (after.moved - before.moved, after.asked - before.asked)
}

/// Each call was made, and executed by one node.
#[track_caller]
fn everything_ran_once(before: &Counts, after: &Counts, lines: &[Line]) {
    let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
    for line in lines {
        *wanted.entry(line[1].clone()).or_default() += 1;
    }
    let ran =
        |name: &String| after.calls.get(name).copied().unwrap_or(0) - before.calls.get(name).copied().unwrap_or(0);
    let found: BTreeMap<String, i64> = wanted.keys().map(|name| (name.clone(), ran(name))).collect();
    // The background calls this one, too.
    let drop_sweep = |mut counts: BTreeMap<String, i64>| {
        counts.remove("STOCK.SWEEP");
        counts
    };
    assert_eq!(drop_sweep(found), drop_sweep(wanted));
}

/// The words are plain: quotes are all they need.
fn json(line: &Line) -> String {
    let words: Vec<String> = line.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(","))
}

#[track_caller]
fn lines_reach_all_nodes(cluster: &Cluster, lines: &[Line]) {
    for node in 0..PRIMARIES {
        assert!(lines.iter().any(|line| cluster.owner_by(0, slot_of(line[0].as_bytes())) == node));
    }
}

#[test]
fn no_call_takes_a_detour() {
    let cluster = Cluster::steady();
    let port = cluster.nodes[1].port();
    let (single, carts) = (single(), carts());
    lines_reach_all_nodes(&cluster, &single);
    lines_reach_all_nodes(&cluster, &carts);
    for library in libraries().filter(|library| library.routes) {
        for (what, lines) in [("single pools", &single), ("carts", &carts)] {
            let (moved, asked) = through(&cluster, &mut library.program(port, &["--cluster", "lines"]), lines);
            assert_eq!((moved, asked), (0, 0), "{}, {what}: redirects, COMMAND GETKEYS", library.name);
        }
    }
}
