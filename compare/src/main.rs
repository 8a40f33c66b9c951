//! `make compare`: the same buyers on redis-stock and on the designs that shops build instead. What
//! each design is, and where its truth lies: docs/internals/designs.md.

mod buyers;
mod designs;
mod redis_shops;
mod report;
mod sale;
mod servers;
mod shop;
mod sql_shops;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use clap::Parser;

use crate::buyers::Sale;
use crate::designs::{Clients, Design, DESIGNS};
use crate::report::Row;
use crate::servers::Disk;

/// The same buyers on redis-stock and on the designs that shops build instead.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Only designs whose name has this in it
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Only those that keep the stock in Redis
    #[arg(long)]
    redis: bool,
    /// Orders that are placed
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    orders: u32,
    /// After so many seconds nobody else is let in
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
    /// Buyers who are served at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// How long a buyer has to pay
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    hold_seconds: u64,
    /// Connections of the pool to a database
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=90))]
    connections: u32,
    /// When an answer is on the disk: as each is set up mostly (Redis within a second, databases
    /// before they answer), all within a second, or all before they answer
    #[arg(long, value_enum, default_value_t = Disk::Usual)]
    disk: Disk,
    /// No process of the application dies or stands still
    #[arg(long)]
    calm: bool,
    /// The same buyers for the same number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the table between the markers of this page, and the chart beside it
    #[arg(long, value_name = "PAGE")]
    page: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut sale = Sale::of(args.seed, args.orders as usize, Duration::from_secs(args.hold_seconds));
    if args.calm {
        sale.calm();
    }
    let sale = Arc::new(sale);
    let wanted = |design: &&Design| {
        (design.in_redis() || !args.redis)
            && (args.only.is_empty() || args.only.iter().any(|part| design.name.contains(part.as_str())))
    };
    // Before minutes of selling, not behind them.
    let page = args.page.as_ref().map(|page| report::Page::open(page)).transpose()?;
    let mut rows = Vec::new();
    for design in DESIGNS.iter().filter(wanted) {
        eprintln!("{} …", design.name);
        let row = measure(*design, &sale, &args).await.with_context(|| design.name)?;
        eprint!("{}", report::table(std::slice::from_ref(&row)).lines().last().unwrap_or_default());
        eprintln!();
        rows.push(row);
    }
    ensure!(!rows.is_empty(), "no design is called so");
    let head = format!(
        "{} orders for {} units, {} buyers at a time, at most {} s a design, seed {}{}{}",
        args.orders,
        sale.units,
        args.workers,
        args.seconds,
        args.seed,
        args.disk.words(),
        if args.calm { ", nothing dies" } else { "" }
    );
    // `make compare` names the module.
    let module = std::env::var_os("STOCK_MODULE");
    let build = module.map_or_else(testkit::build::compiler, |path| testkit::build::of_library(Path::new(&path)));
    let text = format!("{head}.\nCommit {}, {build}:\n\n{}", testkit::build::commit(), report::table(&rows));
    println!("{text}");
    if let Some(page) = page {
        page.write(&text, &report::chart(&head, &rows))?;
    }
    Ok(())
}

async fn measure(design: Design, sale: &Arc<Sale>, args: &Args) -> Result<Row> {
    let workers = usize::from(args.workers);
    let backend = design.backend(args.disk);
    let clients = Clients { workers, connections: args.connections };
    let shop = design.open(&backend.url(), clients, sale).await?;
    let (server, client) = (backend.cpu_seconds()?, servers::own_cpu_seconds());
    let outcome = sale::hold(sale.clone(), shop, workers, Duration::from_secs(args.seconds)).await?;
    // The wait for abandoned orders is in it: next to nothing happens then.
    let per_order = |seconds: f64| seconds * 1e6 / outcome.orders as f64;
    let server_us = per_order(backend.cpu_seconds()? - server);
    let client_us = per_order(servers::own_cpu_seconds() - client);
    Ok(Row { design, outcome, server_us, client_us })
}
