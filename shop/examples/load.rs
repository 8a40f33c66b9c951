//! `make shop-load`: how much the shop serves on this machine, with Redis, the ledger, the workers
//! and this program on the same cores. Bounded: three times five seconds, and thirty sell-outs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{json, Value};

const SECONDS: Duration = Duration::from_secs(5);
/// Orders of one buyer, the most that a shop's limit can be, and buyers of each connection: more
/// than they can order in time.
const ORDERS_EACH: usize = 100;
const BUYERS_EACH: usize = 32;
/// Connections that view pages, and that buy.
const VIEWERS: usize = 16;
const BUYERS: usize = 48;
/// Pages that listen, and how often the last unit is sold before their eyes.
const PAGES: usize = 200;
const ROUNDS: usize = 30;

/// A shop of its own, ended when dropped.
struct Shop(Child, String);

impl Shop {
    fn open(args: &[&str]) -> Result<Self> {
        // Both were built beside this program.
        let program = std::env::current_exe()?;
        let mut child = Command::new(program.with_file_name("../stock-shop"))
            .arg("--module")
            .arg(program.with_file_name("../libredis_stock.so"))
            .args(["--port", "0", "--opens-in", "0", "--hold-seconds", "3600"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .context("starting stock-shop: cargo build --release -p redis-stock -p stock-shop")?;
        let line = BufReader::new(child.stdout.take().context("its output")?).lines().next().context("no line")??;
        let base =
            line.split("open: ").nth(1).and_then(|rest| rest.split("/ ").next()).context("no address")?.to_owned();
        Ok(Self(child, base))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Somebody with a cookie.
#[derive(Clone)]
struct Buyer {
    cookie: String,
    token: String,
}

impl Buyer {
    async fn come(client: &Client, base: &str) -> Result<Self> {
        let page = client.get(format!("{base}/")).send().await?;
        let cookie =
            page.headers().get("set-cookie").context("a cookie")?.to_str()?.split(';').next().unwrap_or_default();
        let cookie = cookie.to_owned();
        let html = page.text().await?;
        let token = html.split("data-token=\"").nth(1).and_then(|rest| rest.split('"').next()).context("a token")?;
        Ok(Self { cookie, token: token.to_owned() })
    }

    async fn post(&self, client: &Client, url: String, body: Value) -> Result<u16> {
        let request = client.post(url).header("cookie", &self.cookie).header("x-token", &self.token).json(&body);
        let response = request.send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let shop = Shop::open(&["--units", "1000000", "--limit", "100"])?;
    rate("page views", views(&shop.1, VIEWERS).await?);
    rate("orders", orders(&shop.1, BUYERS).await?);
    println!("both at once:");
    let (viewed, ordered) = tokio::join!(views(&shop.1, VIEWERS), orders(&shop.1, BUYERS));
    rate("  page views", viewed?);
    rate("  orders", ordered?);
    drop(shop);
    let shop = Shop::open(&["--units", "0", "--limit", "100"])?;
    let mut seen = sold_out(&shop.1).await?;
    println!(
        "the last unit is sold, {ROUNDS} times, before {PAGES} open pages: from the click until a page shows it \
         p50 {} ms, p99 {} ms, the slowest {} ms",
        part(&mut seen, 50).as_millis(),
        part(&mut seen, 99).as_millis(),
        part(&mut seen, 100).as_millis()
    );
    Ok(())
}

fn rate(what: &str, mut took: Vec<Duration>) {
    let per_second = took.len() as u64 / SECONDS.as_secs();
    let (p50, p99) = (part(&mut took, 50), part(&mut took, 99));
    println!("{what}: {per_second} a second, p50 {:.1} ms, p99 {:.1} ms", ms(p50), ms(p99));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// So many of 100 are not slower.
fn part(took: &mut [Duration], of_100: usize) -> Duration {
    took.sort_unstable();
    let at = (took.len() * of_100).div_ceil(100).max(1) - 1;
    took.get(at).copied().unwrap_or_default()
}

/// The product page again and again, each time by somebody new: the page is made for each.
async fn views(base: &str, connections: usize) -> Result<Vec<Duration>> {
    let client = Client::new();
    let until = Instant::now() + SECONDS;
    let one = |client: Client, url: String| async move {
        let mut took = Vec::new();
        while Instant::now() < until {
            let start = Instant::now();
            let page = client.get(&url).send().await?;
            ensure!(page.status() == 200, "{}", page.status());
            page.bytes().await?;
            took.push(start.elapsed());
        }
        Ok(took)
    };
    let all = (0..connections).map(|_| tokio::spawn(one(client.clone(), format!("{base}/"))));
    gather(join_all(all).await)
}

/// Orders, each with a checkout id of its own: each takes a unit, or this fails.
async fn orders(base: &str, connections: usize) -> Result<Vec<Duration>> {
    let client = Client::new();
    let mut buyers = Vec::new();
    for _ in 0..connections * BUYERS_EACH {
        buyers.push(Buyer::come(&client, base).await?);
    }
    let until = Instant::now() + SECONDS;
    let one = |client: Client, url: String, mine: Vec<Buyer>| async move {
        let mut took = Vec::new();
        let mut number = 0;
        while Instant::now() < until {
            // Who runs out of buyers would make the rate look lower than it is.
            let buyer = mine.get(number / ORDERS_EACH).context("the buyers have bought all that they may")?;
            number += 1;
            let start = Instant::now();
            let checkout = format!("{:016x}", rand::random::<u64>());
            let status = buyer.post(&client, url.clone(), json!({ "checkout": checkout, "qty": 1 })).await?;
            ensure!(status == 200, "an order was answered {status}");
            took.push(start.elapsed());
        }
        Ok(took)
    };
    let all = buyers
        .chunks(BUYERS_EACH)
        .map(|mine| tokio::spawn(one(client.clone(), format!("{base}/api/buy"), mine.to_vec())));
    gather(join_all(all.collect::<Vec<_>>()).await)
}

fn gather(all: Vec<Result<Result<Vec<Duration>>, tokio::task::JoinError>>) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for one in all {
        took.extend(one??);
    }
    Ok(took)
}

/// From the click of the last buyer until each open page has the news.
async fn sold_out(base: &str) -> Result<Vec<Duration>> {
    let client = Client::new();
    let mut pages = Vec::new();
    for _ in 0..PAGES {
        pages.push(client.get(format!("{base}/api/product/events")).send().await?);
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let buyer = Buyer::come(&client, base).await?;
        let arrive = buyer.post(&client, format!("{base}/api/office/restock"), json!({ "number": 1 })).await?;
        ensure!(arrive == 200, "restock: {arrive}");
        for page in join_all(pages.iter_mut().map(|page| wait_for(page, false))).await {
            page?;
        }
        // As long as pages are paced, so that none is in its pause.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let start = Instant::now();
        let checkout = format!("{:016x}", rand::random::<u64>());
        let buy = buyer.post(&client, format!("{base}/api/buy"), json!({ "checkout": checkout, "qty": 1 }));
        let (bought, seen) = tokio::join!(buy, join_all(pages.iter_mut().map(|page| wait_for(page, true))));
        ensure!(bought? == 200, "the last unit was not sold");
        for at in seen {
            took.push(at?.duration_since(start));
        }
    }
    Ok(took)
}

/// When the page heard that it is sold out, or that it is not.
async fn wait_for(page: &mut reqwest::Response, sold_out: bool) -> Result<Instant> {
    loop {
        let piece = tokio::time::timeout(Duration::from_secs(10), page.chunk()).await?;
        let piece = piece?.context("the stream has ended")?;
        // A page shows what it was sent last.
        let text = String::from_utf8_lossy(&piece);
        let Some(last) = text.rsplit("data: ").next().and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            continue;
        };
        if (last["sold_out"] == true || last["available"] == 0) == sold_out {
            return Ok(Instant::now());
        }
    }
}
