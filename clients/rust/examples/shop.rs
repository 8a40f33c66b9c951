//! A small shop: `cargo run -p redis-stock-client --example shop -- 6379 [--cluster]`

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::Client;
use redis_stock_client::*;

// One hash tag: the pools of a cart share a slot.
const PEN: &str = "{618}pen";
const INK: &str = "{618}ink";
const CAP: &str = "{618}cap";

/// How long one answer may take.
const ANSWER: Duration = Duration::from_millis(500);

/// A connection to one server: made anew when it breaks, also if it was never there.
pub fn one_server(url: &str) -> redis::RedisResult<Stock> {
    let config =
        ConnectionManagerConfig::new().set_response_timeout(Some(ANSWER)).set_min_delay(Duration::from_millis(20));
    Ok(Stock::new(ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?))
}

/// A connection to every node of a cluster; `url` is one of them. The library waits 1.3 s and
/// longer after a TRYAGAIN, if it is not told otherwise.
pub async fn cluster(url: &str, replicas: bool) -> redis::RedisResult<Stock> {
    let builder = ClusterClient::builder([url]).response_timeout(ANSWER).min_retry_wait(20).max_retry_wait(200);
    let builder = if replicas { builder.read_routing_strategy(RandomReplicaStrategy) } else { builder };
    let shop = Stock::cluster(builder.build()?.get_async_connection().await?);
    Ok(if replicas { shop.reads_from_replicas() } else { shop })
}

/// What a buyer is told.
fn tell(no: &Refused) -> String {
    match &no.why {
        Why::Limited(limit) => format!("{} {}, {} of {}", no.word, limit.limit, limit.used, limit.max),
        Why::SoldOut { available } => format!("{}, {available} left", no.word),
        _ => format!("{} {}", no.word, no.key),
    }
}

/// The whole story.
pub async fn sell(shop: &Stock) -> Result<(), Error> {
    let quarter = Hold::Seconds(900);

    // Before the sale. Absent: a second run does not put sold units back.
    for (key, stock) in [(PEN, 10), (INK, 5), (CAP, UNLIMITED)] {
        shop.call(set(key, stock, OnlyIf::Absent)).await?;
    }
    shop.call(limit(PEN, "user", 2, &LimitOptions { per: "DAY".into(), ..Default::default() })).await?;
    shop.call(limit(CAP, "user", 4, &LimitOptions::default())).await?;
    println!("preloaded");

    // One call per sale: it checks stock and limits, takes the units, and remembers the order.
    if let Outcome::Done(held) = shop.call(reserve(PEN, "order-1", 2, quarter, by("user", 42))).await? {
        println!("held: {}, {} left", held.quantity, held.available);
    }
    // Where an answer gets lost the call is made again, and Exists tells where the order stands.
    for (order, user) in [("order-lost", 43), ("order-slow", 44)] {
        if shop.call(reserve(PEN, order, 1, quarter, by("user", user))).await?.is_held() {
            println!("held: {order}");
        }
    }

    if let Outcome::Refused(no) = shop.call(reserve(PEN, "order-2", 1, Hold::OfPool, by("user", 42))).await? {
        println!("refused: {}", tell(&no));
    }
    if let Outcome::Refused(no) = shop.call(reserve(INK, "order-3", 6, Hold::OfPool, by("user", 45))).await? {
        println!("refused: {}", tell(&no));
    }

    // A cart: all of it, or nothing.
    let lines = [(PEN, 1), (INK, 1), (CAP, 2)];
    if shop.call(reserve_cart("order-cart", &lines, quarter, by("user", 45))).await?.is_held() {
        println!("cart held");
    }
    let lines = [(INK, 3), (CAP, 3)];
    if let Outcome::Refused(no) = shop.call(reserve_cart("order-cart-2", &lines, quarter, by("user", 45))).await? {
        println!("cart refused: {} {}", no.word, no.key);
    }

    // Paid, cancelled, and the page that polls.
    if let Outcome::Done(paid) = shop.call(confirm(PEN, "order-1", Confirm::default())).await? {
        println!("paid: {} {}", paid.quantity, paid.sold);
    }
    if shop.call(confirm_cart("order-cart", &[PEN, INK, CAP], false)).await?.is_done() {
        println!("cart paid");
    }
    if let Outcome::Done(back) = shop.call(release(PEN, "order-lost")).await? {
        println!("cancelled: {} {}", back.quantity, back.available);
    }
    if let Some(order) = shop.call(order(PEN, "order-1")).await? {
        println!("poll: {} {}", order.state, order.quantity);
    }

    // The payment comes when the hold is over.
    shop.call(reserve(INK, "order-late", 1, Hold::Millis(1), by("user", 46))).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    if let Outcome::Refused(no) = shop.call(confirm(INK, "order-late", Confirm::default())).await? {
        println!("too late: {}", no.word);
        let late = Confirm { late: true, ..Default::default() };
        if let Outcome::Done(paid) = shop.call(confirm(INK, "order-late", late)).await? {
            println!("honoured: OK {}", paid.quantity);
        }
    }

    // One of the two pens comes back. The token makes the refund repeatable.
    let refund = return_units(PEN, "order-1", 1, "refund-1", &Return::default());
    if let Outcome::Done(back) = shop.call(refund).await? {
        println!("refunded: {} {} {}", back.quantity, back.available, back.sold);
    }

    // Errors are bugs of the caller, and not caught by a shop.
    for (order, attributes) in [("order-1", by("user", 42)), ("order-4", Attributes::none())] {
        if let Err(bug) = shop.call(reserve(PEN, order, 1, Hold::OfPool, attributes)).await {
            println!("bug: {}", bug.code.unwrap_or_default());
        }
    }

    let left = shop.call(available(&[PEN, INK])).await?;
    println!("left: {} {}", left[0].unwrap_or_default(), left[1].unwrap_or_default());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let port = args.get(1).ok_or("usage: shop PORT [--cluster]")?;
    let url = format!("redis://127.0.0.1:{port}");
    let in_cluster = args.iter().any(|arg| arg == "--cluster");
    let shop = if in_cluster { cluster(&url, false).await? } else { one_server(&url)? };
    Ok(sell(&shop).await?)
}
