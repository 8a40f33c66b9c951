//! Replays a sale against the redis-stock module through many connections, and proves that it came
//! out right: what the clients were told adds up, unit for unit, to what the server has.

mod answer;
mod calls;
mod flash;
mod judge;
mod log;
mod peaks;
mod progress;
mod proof;
mod replay;
mod report;
mod rounds;
mod scenario;
mod server;
mod shop;
mod tally;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{ensure, Result};
use clap::Parser;
use redis::Client;

use crate::proof::Evidence;
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

    let mut sold = rounds::sell(&sale, &client, args.connections.into(), seed)?;
    // A server may close a connection that was idle during the sale.
    let mut con = shop::connect(&client)?;
    let tallies = tally::by_pool(&sale, &sold.outcome.entries);
    let evidence = Evidence { sale: &sale, sold: &sold, tallies: &tallies, same_day: day.is_still(&mut con)? };
    let bar = progress::bar("proving", evidence.calls());
    let checks = proof::prove(&evidence, &mut con, &bar)?;
    bar.finish();
    println!("\n{}", report::sale(&sale, &tally::total(&tallies), &mut sold));
    println!("\n{}", report::proof(&checks));
    let proven = checks.iter().all(|check| check.failures.count == 0);
    println!("\n{}", if proven { "PROVEN: the sale came out right." } else { "NOT PROVEN: see above." });
    // Where the proof failed on a server in use, the pools stay for whoever looks into it.
    if proven && args.url.is_some() {
        shop::remove(&mut con, &sale)?;
    }
    Ok(proven)
}
