//! A small shop: `cargo run --example shop -- redis://127.0.0.1:6379 [--cluster]`

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use redis::{cmd, from_redis_value, Cmd, RedisResult, Value};

/// What every shop writes again.
#[path = "stock.rs"]
pub mod stock;
use stock::{decided, Answer, Shop};

// One hash tag: the pools of a cart share a slot.
const PEN: &str = "{618}pen";
const INK: &str = "{618}ink";
const CAP: &str = "{618}cap";

/// `STOCK.VERB key words…`: the words of a line that have no blanks.
fn on(verb: &str, key: &str, words: &str) -> Cmd {
    let mut command = cmd(&format!("STOCK.{verb}"));
    command.arg(key).arg(words.split_whitespace().collect::<Vec<_>>());
    command
}

fn cart(verb: &str, order: &str, keys: &[&str], words: &str) -> Cmd {
    let mut command = cmd(&format!("STOCK.{verb}"));
    command.arg(order).arg(keys.len()).arg(keys).arg(words.split_whitespace().collect::<Vec<_>>());
    command
}

/// A command that decides something.
fn sale(shop: &mut Shop, key: &str, command: Cmd) -> RedisResult<Answer> {
    decided(shop.call(key, &command)?)
}

/// Numbers in a row, as text.
fn show(values: &[Value]) -> String {
    let shown = values.iter().map(|value| match value {
        Value::Int(n) => n.to_string(),
        other => from_redis_value(other).unwrap_or_default(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The whole story, told to `out`.
pub fn run(url: &str, cluster: bool, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let mut shop = Shop::open(url, cluster)?;

    // Before the sale. NX: a second run does not put sold units back.
    for (key, stock) in [(PEN, "10 NX"), (INK, "5 NX"), (CAP, "UNLIMITED NX")] {
        shop.call(key, &on("SET", key, stock))?;
    }
    shop.call(PEN, &on("LIMIT", PEN, "user 2 PER DAY"))?;
    shop.call(CAP, &on("LIMIT", CAP, "user 4"))?;
    writeln!(out, "preloaded")?;

    // One call per sale: it checks stock and limits, takes the units, and remembers the order.
    if let Answer::Done(taken) = sale(&mut shop, PEN, on("RESERVE", PEN, "order-1 2 EX 900 FOR user 42"))? {
        writeln!(out, "held: {}, {} left", show(&taken[..1]), show(&taken[1..2]))?;
    }
    // Where an answer gets lost the call is made again, and EXISTS tells where the order stands.
    for (order, user) in [("order-lost", 43), ("order-slow", 44)] {
        if let Answer::Done(_) = sale(&mut shop, PEN, on("RESERVE", PEN, &format!("{order} 1 EX 900 FOR user {user}")))?
        {
            writeln!(out, "held: {order}")?;
        }
    }

    if let Answer::Refused(word, why) = sale(&mut shop, PEN, on("RESERVE", PEN, "order-2 1 FOR user 42"))? {
        writeln!(out, "refused: {word} {}, {} of {}", show(&why[1..2]), show(&why[3..4]), show(&why[4..5]))?;
    }
    if let Answer::Refused(word, why) = sale(&mut shop, INK, on("RESERVE", INK, "order-3 6 FOR user 45"))? {
        writeln!(out, "refused: {word}, {} left", show(&why[1..]))?;
    }

    // A cart: all of it, or nothing.
    let all = [PEN, INK, CAP];
    if let Answer::Done(_) = sale(&mut shop, PEN, cart("MRESERVE", "order-cart", &all, "QTY 1 1 2 EX 900 FOR user 45"))?
    {
        writeln!(out, "cart held")?;
    }
    let refused = sale(&mut shop, INK, cart("MRESERVE", "order-cart-2", &[INK, CAP], "QTY 3 3 FOR user 45"))?;
    if let Answer::Refused(word, why) = refused {
        writeln!(out, "cart refused: {word} {}", show(&why[..1]))?;
    }

    // Paid, cancelled, and the page that polls.
    if let Answer::Done(sold) = sale(&mut shop, PEN, on("CONFIRM", PEN, "order-1"))? {
        writeln!(out, "paid: {}", show(&sold))?;
    }
    if let Answer::Done(_) = sale(&mut shop, PEN, cart("MCONFIRM", "order-cart", &all, ""))? {
        writeln!(out, "cart paid")?;
    }
    if let Answer::Done(back) = sale(&mut shop, PEN, on("RELEASE", PEN, "order-lost"))? {
        writeln!(out, "cancelled: {}", show(&back))?;
    }
    let order = shop.call(PEN, &on("ORDER", PEN, "order-1"))?;
    let order: std::collections::HashMap<String, Value> = from_redis_value(&order)?;
    writeln!(out, "poll: {} {}", show(&[order["state"].clone()]), show(&[order["qty"].clone()]))?;

    // The payment comes when the hold is over.
    sale(&mut shop, INK, on("RESERVE", INK, "order-late 1 PX 1 FOR user 46"))?;
    sleep(Duration::from_millis(50));
    if let Answer::Refused(word, _) = sale(&mut shop, INK, on("CONFIRM", INK, "order-late"))? {
        writeln!(out, "too late: {word}")?;
        if let Answer::Done(sold) = sale(&mut shop, INK, on("CONFIRM", INK, "order-late LATE"))? {
            writeln!(out, "honoured: OK {}", show(&sold[..1]))?;
        }
    }

    // One of the two pens comes back. The token makes the refund repeatable.
    if let Answer::Done(back) = sale(&mut shop, PEN, on("RETURN", PEN, "order-1 QTY 1 TOKEN refund-1"))? {
        writeln!(out, "refunded: {}", show(&back))?;
    }

    // Errors are bugs of the caller, and not caught by a shop.
    for words in ["order-1 1 FOR user 42", "order-4 1"] {
        if let Err(bug) = shop.call(PEN, &on("RESERVE", PEN, words)) {
            writeln!(out, "bug: {}", bug.code().unwrap_or_default())?;
        }
    }

    let left: Vec<i64> = from_redis_value(&shop.call(PEN, &on("AVAILABLE", PEN, INK))?)?;
    writeln!(out, "left: {} {}", left[0], left[1])?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let url = args.get(1).ok_or("usage: shop redis://127.0.0.1:6379 [--cluster]")?;
    run(url, args.iter().any(|arg| arg == "--cluster"), &mut io::stdout())
}
