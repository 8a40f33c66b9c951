//! What the tests ask of every client library:
//! `drive redis-rs PORT [--cluster] [--resp3] [--replicas] MODE [ARGS]`, see clients/README.md.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use redis_stock_client::*;
use serde_json::Value as Json;

#[path = "../shop.rs"]
#[allow(dead_code, reason = "its main is the other example's")]
mod shop;
mod typed;

type Ended = Result<(), Box<dyn std::error::Error>>;

fn main() -> Ended {
    let (flags, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(run(&flags, &words))
}

async fn run(flags: &[String], words: &[String]) -> Ended {
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let [_, port, mode, args @ ..] = words else { return Err("usage: drive redis-rs PORT [FLAGS] MODE [ARGS]".into()) };
    let protocol = if flag("--resp3") { "?protocol=resp3" } else { "" };
    let url = format!("redis://127.0.0.1:{port}/{protocol}");
    let replicas = flag("--replicas");
    let stock = if flag("--cluster") { shop::cluster(&url, replicas).await? } else { shop::one_server(&url)? };
    let patience = std::env::var("STOCK_PATIENCE_MS").ok().and_then(|ms| ms.parse().ok());
    let stock = patience.map_or(stock.clone(), |ms| stock.patience(Duration::from_millis(ms)));
    match (mode.as_str(), args) {
        ("shop", _) => Ok(shop::sell(&stock).await?),
        ("driver", _) => driver(&stock).await,
        ("lines", _) => lines(&stock, replicas).await,
        ("carts", [tag, count]) => carts(&stock, tag, count.parse()?).await,
        ("collect", [count]) => collect(&stock, count.parse()?).await,
        ("bench", args) => bench(&stock, &url, args.first().map_or(Ok(10_000), |count| count.parse())?).await,
        (other, _) => Err(format!("an unknown mode {other}").into()),
    }
}

/// Makes typed calls, a line each; a list is a pipeline.
async fn driver(stock: &Stock) -> Ended {
    let typed = |call: &Json| typed::typed(call["method"].as_str().unwrap_or_default(), &call["args"]);
    for line in io::stdin().lines() {
        let asked: Json = serde_json::from_str(&line?)?;
        if let (Some(value), Some(count)) = (asked["bucket"].as_str(), asked["count"].as_u64()) {
            // A character of the vectors is a byte.
            let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
            println!("{}", bucket_of(value, count as u32));
            io::stdout().flush()?;
            continue;
        }
        if let Some(ask) = asked.get("ask") {
            let word = |of: &Json, name: &str| of[name].as_str().unwrap_or_default().to_string();
            let number = |name: &str| ask[name].as_u64().unwrap_or_default();
            let (bucket, quantity) = (number("bucket") as u32, number("quantity"));
            let asked = ask_of(&refused(&asked["refused"]), &word(ask, "order"), bucket, quantity, &word(ask, "by"));
            println!("{}", asked.as_deref().unwrap_or("null"));
            io::stdout().flush()?;
            continue;
        }
        let answer = match asked.as_array() {
            Some(calls) => stock.pipeline(calls.iter().map(typed)).await.into_iter().map(typed::written).collect(),
            None => typed::written(stock.call(typed(&asked)).await),
        };
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// A refusal as the vectors of asks write it.
fn refused(json: &Json) -> Refused {
    let text = |value: &Json| value.as_str().unwrap_or_default().into();
    let why = match json["word"].as_str() {
        Some("SOLDOUT") => Why::SoldOut { available: 0 },
        Some("LIMITED") => Why::Limited(Limited {
            limit: text(&json["limit"]),
            value: json["value"].as_array().into_iter().flatten().map(text).collect(),
            used: 1,
            max: 1,
            resets_ms: 0,
        }),
        _ => Why::Early { from_ms: 1 },
    };
    Refused { word: json["word"].as_str().unwrap_or_default().into(), key: "k".into(), why }
}

/// Sends what it reads, one JSON list a line: the key, and the words. MARK tells that the warm-up
/// is over.
async fn lines(stock: &Stock, replicas: bool) -> Ended {
    let mut input = io::stdin().lock().lines();
    while let Some(line) = input.next() {
        let line = line?;
        if line == "MARK" {
            println!("warm");
            input.next();
            continue;
        }
        let words: Vec<String> = serde_json::from_str(&line)?;
        let mut command = Cmd::new();
        command.arg(&words[1..]);
        let key_at = match words[1].as_str() {
            "STOCK.MSPLIT" => 4,
            cart if cart.starts_with("STOCK.M") => 3,
            _ => 1,
        };
        let call = Call::new(command, key_at, |_: &Value| Ok(()));
        // Errors are of no interest here.
        let _ = stock.call(if replicas { call.reading() } else { call }).await;
    }
    println!("done");
    Ok(())
}

/// Reserves carts of two pools: the word of each answer.
async fn carts(stock: &Stock, tag: &str, count: usize) -> Ended {
    let lines = [(format!("{{{tag}}}a"), 1), (format!("{{{tag}}}b"), 1)];
    for n in 0..count {
        match stock.call(reserve_cart(format!("order-{n}"), &lines, Hold::OfPool, Attributes::none())).await? {
            Outcome::Done(_) => println!("OK"),
            Outcome::Exists(_) => println!("EXISTS"),
            Outcome::Refused(no) => println!("{}", no.word),
        }
    }
    Ok(())
}

/// So many buyers ask at once, one unit each, two of them with what the server refuses: the answer
/// of each, then the payments.
async fn collect(stock: &Stock, count: usize) -> Ended {
    let shop = Collector::new(stock.clone(), 32, Duration::from_millis(1));
    // One waiter that goes away does not take its batch with it.
    let gone = shop.reserve("k", "gone", 1, Hold::Seconds(900), by("user", "gone"));
    let _ = tokio::time::timeout(Duration::ZERO, gone).await;
    let buyers: Vec<_> = (0..count).map(|n| tokio::spawn(buy(shop.clone(), n, count))).collect();
    for buyer in buyers {
        buyer.await??;
    }
    Ok(())
}

async fn buy(shop: Collector, n: usize, count: usize) -> Result<(), Error> {
    let order = format!("o{n}");
    // The last but one has no dimension that the limit needs; the last one asks for nothing.
    let attributes = if n == count - 2 { Attributes::none() } else { by("user", n / 2) };
    let quantity = i64::from(n != count - 1);
    match shop.reserve("k", &order, quantity, Hold::Seconds(900), attributes).await {
        Ok(Outcome::Done(_)) => {
            println!("{order} OK");
            let paid = shop.confirm("k", &order).await?;
            println!("paid {order} {}", if matches!(paid, Outcome::Done(_)) { "OK" } else { "no" });
        }
        Ok(Outcome::Exists(_)) => println!("{order} EXISTS"),
        Ok(Outcome::Refused(no)) => println!("{order} {}", no.word),
        Err(error) => match &error.code {
            Some(code) => println!("{order} {code}"),
            None => return Err(error),
        },
    }
    Ok(())
}

/// Single calls in turn, and the lower quarter of each, since whatever else runs on the machine
/// only adds.
async fn bench(stock: &Stock, url: &str, count: usize) -> Ended {
    let mut bare = redis::aio::ConnectionManager::new(redis::Client::open(url)?).await?;
    stock.call(set("bench", UNLIMITED, OnlyIf::Absent)).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for n in 0..count {
        let start = Instant::now();
        let held = stock.call(reserve("bench", format!("a{n}"), 1, Hold::Seconds(900), by("user", n))).await?;
        let middle = Instant::now();
        let mut command = redis::cmd("STOCK.RESERVE");
        command.arg("bench").arg(format!("b{n}")).arg(1).arg("EX").arg(900).arg("FOR").arg("user").arg(n);
        let _: Value = command.query_async(&mut bare).await?;
        without.push(middle.elapsed());
        with.push(middle - start);
        assert!(held.is_held());
    }
    with.sort_unstable();
    without.sort_unstable();
    let (took, call) = (with[count / 4].as_nanos() as f64, without[count / 4].as_nanos() as f64);
    println!("redis-rs: a bare call takes {:.0} us, the library {:+.1} %", call / 1000.0, 100.0 * (took / call - 1.0));
    Ok(())
}
