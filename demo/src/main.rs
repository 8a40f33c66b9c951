//! Replays a sale against the redis-stock module through many connections, and proves that it came
//! out right: what the clients were told adds up, unit for unit, to what the server has.

mod answer;
mod calls;
mod flash;
mod grouped;
mod judge;
mod live;
mod log;
mod naive;
mod page;
mod peaks;
mod progress;
mod proof;
mod replay;
mod report;
mod result;
mod rounds;
mod scenario;
mod server;
mod shop;
mod tally;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{ensure, Context, Result};
use clap::Parser;
use redis::Client;

use crate::live::Live;
use crate::proof::Evidence;
use crate::result::Outcome;
use crate::server::Server;
use crate::shop::Day;

#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Replay this file of purchases (csv or csv.gz) instead of a made-up flash sale
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Redis or Valkey to start
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server")]
    server: String,
    /// The module to load into it
    #[arg(long, value_name = "SO", default_value = "target/release/libredis_stock.so")]
    module: PathBuf,
    /// Use this running server (with the module, not a cluster) instead of starting one
    #[arg(long)]
    url: Option<String>,
    /// Connections that sell; each has a second one for double clicks
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Flash sale: buyers
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    buyers: u32,
    /// Flash sale: units
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    stock: i64,
    /// Also write the result as a page that can be forwarded
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What is ordered and what becomes of it is the same for the same seed; who comes first is not
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let mut server = None;
    match run(&Args::parse(), &mut server) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(log) = server.as_mut().and_then(Server::crash) {
                eprintln!("the server has crashed; the end of its log:\n{log}");
            }
            ExitCode::from(2)
        }
    }
}

/// Answers whether the proof holds. The server is kept by the caller, who may want its log.
fn run(args: &Args, server: &mut Option<Server>) -> Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let seed = args.seed.unwrap_or(now % 1_000_000);
    // On a server that is in use, the demo keeps to keys of its own.
    let prefix = format!("stock-demo:{now:x}:");
    let sale = match &args.data {
        Some(file) => replay::scenario(file, &prefix, seed)?,
        None => flash::scenario(args.buyers, args.stock, &prefix, seed),
    };
    println!("{}\n{} pools, {} connections, seed {seed}", sale.title, sale.pools.len(), args.connections);

    let url = match &args.url {
        Some(url) => url.clone(),
        None => server.insert(Server::start(&args.server, &args.module)?).url(),
    };
    let client = Client::open(url)?;
    let mut con = shop::connect(&client)?;
    ensure!(shop::has_module(&mut con)?, "the server does not have the module redis-stock");
    let day = Day::of_server(&mut con)?;
    let bar = progress::bar("opening", 2 * sale.pools.len() as u64);
    shop::open(&mut con, &sale, day, &bar)?;
    bar.finish();

    let stock: i64 = sale.pools.iter().map(|pool| pool.stock).sum();
    let (live, naive_live) = (Live::new(stock), Live::new(stock));
    let connections = usize::from(args.connections);
    let mut sold = rounds::sell(&sale, &client, connections, seed, &live, server.as_mut())?;
    // The same buyers, on the same server, in a shop that reads first and takes then. Not on a
    // server in use: it leaves keys behind.
    let naive = match (server.is_some(), args.data.is_some()) {
        (true, false) => {
            Some(naive_live.show("naive shop", || naive::sell(&sale, &client, connections, &prefix, &naive_live))?)
        }
        _ => None,
    };
    // A server may close a connection that was idle during the sale.
    let mut con = shop::connect(&client)?;
    let tallies = tally::by_pool(&sale, &sold.outcome.entries);
    let evidence = Evidence { sale: &sale, sold: &sold, tallies: &tallies, same_day: day.is_still(&mut con)? };
    let bar = progress::bar("proving", evidence.calls());
    let checks = proof::prove(&evidence, &mut con, &bar)?;
    bar.finish();
    let keys: Vec<&str> = sale.pools.iter().map(|pool| pool.key.as_str()).collect();
    let facts = shop::facts(&mut con, &keys, &indicatif::ProgressBar::hidden())?;
    let over_limit = checks.iter().find(|check| check.name.starts_with("no limit"));
    let outcome = Outcome {
        orders: sale.orders.len() as u64,
        units: stock,
        broken: sold.outcome.reconnects,
        away: sold.away,
        oversold: sale.pools.iter().zip(&facts).map(|(pool, is)| (is.sold - pool.stock).max(0)).sum(),
        lost: stock - facts.iter().map(|is| is.on_hand + is.sold).sum::<i64>(),
        over_limit: over_limit.map_or(0, |check| check.failures.count),
        naive,
    };
    let proven = checks.iter().all(|check| check.failures.count == 0);
    let verdict = if proven { "PROVEN: the sale came out right." } else { "NOT PROVEN: see below." };
    let tables = [report::sale(&sale, &tally::total(&tallies), &mut sold), report::proof(&checks)];
    println!("\n{}\n{verdict}\n\n{}", outcome.line(), tables.join("\n\n"));
    if let Some(file) = &args.html {
        let mut shops = vec![("redis-stock", "left", &live)];
        if outcome.naive.is_some() {
            shops.push(("the naive shop, with the same buyers", "left, or lost", &naive_live));
        }
        std::fs::write(file, page::html(&format!("{}. {verdict}", outcome.line()), &shops, &tables))
            .with_context(|| format!("writing {}", file.display()))?;
        println!("\nThe result as a page: {}", file.display());
    }
    // Where the proof failed on a server in use, the pools stay for whoever looks into it.
    if proven && args.url.is_some() {
        shop::remove(&mut con, &sale)?;
    }
    Ok(proven)
}
