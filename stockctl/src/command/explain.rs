//! `stockctl explain`: why a pool sells, or does not.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use redis::Value;
use serde_json::json;

use super::{attribute, push_attributes, Attribute};
use crate::connect::Servers;
use crate::failure::Ended;
use crate::reply::{bytes, field, int, json, list, number, pairs, text};
use crate::text::{escape, now_ms, when};

/// Why can nobody buy it: what STOCK.RESERVE would answer, and each step on the way
///
/// Exit code 1: it would not sell, or there is no such pool. Where the server has been asked about
/// the pool in the last five minutes, the last line says what it answered (STOCK.STATS); replicas
/// have nothing to say there.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The pool's key
    key: OsString,
    /// So many units
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    qty: i64,
    /// An attribute that the shop sends with FOR: user=42; several times for several
    #[arg(long = "for", value_name = "DIM=VALUE", value_parser = OsStringValueParser::new().try_map(attribute))]
    attributes: Vec<Attribute>,
}

/// Asks, and shows the steps.
///
/// # Errors
/// As [`Servers::ask_key`]: `Failure::Refused` for an error reply, such as that of an unknown
/// dimension.
pub async fn run(args: &Args, servers: &mut Servers, as_json: bool) -> Result<Ended> {
    let key = args.key.as_bytes();
    let mut ask = redis::cmd("STOCK.EXPLAIN");
    ask.arg(key).arg(args.qty);
    push_attributes(&mut ask, &args.attributes);
    let (address, answer) = servers.ask_key(key, &ask).await?;
    let mut ask = redis::cmd("STOCK.STATS");
    ask.arg(key);
    // Beside the point where the user may not ask it.
    let stats = servers.ask_key(key, &ask).await.map_or(Value::Nil, |(_, stats)| stats);
    let word = list(field(&answer, "answer")).first().map(bytes).unwrap_or_default();
    let ended = if word == b"OK" { Ended::Well } else { Ended::Unwell };
    if as_json {
        let all = json!({"key": escape(key), "server": address, "explain": json(&answer), "stats": json(&stats)});
        println!("{all}");
    } else {
        for line in lines(args, &address, &answer, &stats, now_ms()) {
            println!("{line}");
        }
    }
    Ok(ended)
}

/// What is shown.
fn lines(args: &Args, address: &str, answer: &Value, stats: &Value, now_ms: i64) -> Vec<String> {
    let mut lines = vec![format!("{}, asked at {address}", escape(args.key.as_bytes()))];
    let what = args.attributes.iter().map(|a| format!(" {}={}", escape(&a.dimension), escape(&a.value)));
    let with: String = what.collect();
    let whom = if with.is_empty() { String::new() } else { format!(" for{with}") };
    lines.push(format!("{} unit(s){whom}: {}", args.qty, verdict(list(field(answer, "answer")), now_ms)));
    let mut step = |name: &str, text: String| lines.push(format!("  {name:<12} {text}"));
    if number(answer, "exists") == 0 {
        step("exists", "no: it was never made, was deleted, or the shop spells it otherwise".to_string());
        return lines;
    }
    step("exists", "yes".to_string());
    step("suspended", if number(answer, "suspended") == 1 { "yes" } else { "no" }.to_string());
    step("sale", sale(number(answer, "from_ms"), number(answer, "until_ms"), now_ms));
    step("orders", format!("{} of at most {}", number(answer, "orders"), number(answer, "max_orders")));
    let missing: Vec<String> = list(field(answer, "missing")).iter().map(text).collect();
    if !missing.is_empty() {
        step("missing", format!("{}: limits count by it, and this call does not say it", missing.join(", ")));
    }
    step("stock", stock(field(answer, "stock")));
    for limit in list(field(answer, "limits")) {
        step("limit", self::limit(limit, now_ms));
    }
    step("returning", returning(field(answer, "returning")));
    if let Some(asked) = asked(stats) {
        step("5 minutes", asked);
    }
    lines
}

/// The answer of STOCK.RESERVE in words.
fn verdict(answer: &[Value], now_ms: i64) -> String {
    let word = answer.first().map(text).unwrap_or_default();
    let part = |at: usize| answer.get(at).unwrap_or(&Value::Nil);
    let at = |n: usize| when(int(part(n)).unwrap_or_default(), now_ms);
    match word.as_str() {
        "OK" => format!("OK, it would be held until {}", at(3)),
        "NOPOOL" => "NOPOOL, there is no such pool".to_string(),
        "SUSPENDED" => "SUSPENDED, until STOCK.RESUME".to_string(),
        "EARLY" => format!("EARLY, the sale opens at {}", at(2)),
        "ENDED" => format!("ENDED, the sale was over at {}", at(2)),
        "SOLDOUT" => format!("SOLDOUT, {} could be had", text(part(2))),
        "LIMITED" => {
            let values: Vec<String> = list(part(3)).iter().map(text).collect();
            let resets_ms = int(part(6)).unwrap_or_default();
            let until =
                if resets_ms == 0 { "it does not reset".to_string() } else { format!("it resets at {}", at(6)) };
            let (limit, values) = (text(part(2)), values.join(" "));
            format!("LIMITED by {limit} [{values}]: {} of {} used, {until}", text(part(4)), text(part(5)))
        }
        _ => format!("{word}, {}", text(part(1))),
    }
}

fn sale(from_ms: i64, until_ms: i64, now_ms: i64) -> String {
    match (from_ms, until_ms) {
        (0, 0) => "always open".to_string(),
        (from, 0) => format!("from {}", when(from, now_ms)),
        (0, until) => format!("until {}", when(until, now_ms)),
        (from, until) => format!("from {} until {}", when(from, now_ms), when(until, now_ms)),
    }
}

fn stock(stock: &Value) -> String {
    let n = |name| text(field(stock, name));
    if field(stock, "on_hand") == &Value::Nil {
        return format!("unlimited, {} held", n("held"));
    }
    // As `shortfall` of STOCK.GET: a safety below 0 is a pre-sale, and not short.
    let short = number(stock, "held") + number(stock, "safety") - number(stock, "on_hand");
    let note = if short > 0 { format!("; short by {short}") } else { String::new() };
    let (on_hand, held, safety, available) = (n("on_hand"), n("held"), n("safety"), n("available"));
    format!("{on_hand} on hand - {held} held - {safety} safety = {available} available{note}")
}

fn limit(limit: &Value, now_ms: i64) -> String {
    let (name, verdict) = (text(field(limit, "limit")), text(field(limit, "verdict")));
    let names = |of: &str| list(field(limit, of)).iter().map(text).collect::<Vec<_>>().join(" ");
    if field(limit, "used") == &Value::Nil {
        let why = if verdict == "nodim" { "an error" } else { "not counted" };
        return format!("{verdict} {name}: {why} without {}", names("missing"));
    }
    let resets_ms = number(limit, "resets_ms");
    let until = if resets_ms == 0 { String::new() } else { format!(", resets {}", when(resets_ms, now_ms)) };
    let max = number(limit, "max");
    let of = if max < 0 { "unlimited".to_string() } else { format!("of {max}") };
    format!("{verdict} {name} [{}]: {} {of} used{until}", names("values"), number(limit, "used"))
}

fn returning(returning: &Value) -> String {
    let n = |name| match field(returning, name) {
        Value::Nil => "?".to_string(),
        known => text(known),
    };
    format!(
        "{} within 1 min, {} within 5, {} within 15, {} within 60, {} later",
        n("within_1m"),
        n("within_5m"),
        n("within_15m"),
        n("within_60m"),
        n("later")
    )
}

/// How calls were answered lately; none where there were none.
fn asked(stats: &Value) -> Option<String> {
    let counts = pairs(field(stats, "last_5m"));
    let counts = counts.iter().filter(|(_, n)| int(n).is_some_and(|n| n > 0));
    let mut parts: Vec<String> = counts.map(|(name, n)| format!("{} {}", text(n), text(name))).collect();
    for (dimension, n) in pairs(field(stats, "nodim")) {
        parts.push(format!("{} without {} (since the start)", text(n), text(dimension)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
