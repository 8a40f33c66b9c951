//! `stock-shop`: starts Redis with the module, stock-ledger, two workers and the shop, and says
//! where the shop is.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use clap::Parser;
use stock_ledger::cli::Cli;
use stock_ledger::exit_code::exit_code;
use stock_ledger::failure::error_chain;
use stock_shop::backstage::{self, Backstage, Program};
use stock_shop::clock::now_ms;
use stock_shop::database::Database;
use stock_shop::shop::{Product, Shop};
use stock_shop::stock::Stock;
use stock_shop::web::{routes, App, Site};
use stock_shop::{feed, look, mark, worker};
use tokio::net::TcpListener;

/// The stream of the pool's changes.
const STREAM: &str = "stock:events";

/// The shop's port, where none is given.
const PORT: u16 = 8618;

/// A flash sale in the browser, on this machine alone (127.0.0.1).
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Redis or Valkey to start
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server")]
    server: PathBuf,
    /// The module to load into it
    #[arg(long, value_name = "SO", default_value = "target/release/libredis_stock.so")]
    module: PathBuf,
    /// sqlite (a file of its own), or postgres://… or mysql://… : a database that is there
    #[arg(long, env = "DATABASE", default_value = "sqlite", hide_env_values = true)]
    database: String,
    /// Where a directory for this run is made; it is removed at the end
    #[arg(long, default_value = "target/shop")]
    dir: PathBuf,
    /// The shop's port; another one is taken where it is in use
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The address to listen on: another one inside a container only, whose port is published on
    /// 127.0.0.1 alone
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Units on the shelf
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    units: u32,
    /// Units for each buyer
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// How long a buyer has to pay
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    hold_seconds: u32,
    /// The sale starts in so many seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    opens_in: u32,
    /// and lasts so many
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lasts: u32,
}

/// `stock-shop work`: what the shop starts its workers with.
#[derive(Parser)]
struct Work {
    redis: String,
    database: String,
    name: String,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let ended = match words.get(1).map(String::as_str) {
        Some("work") => work(Work::parse_from(&words[1..])).await,
        // stock-ledger is inside, so that one program is enough.
        Some("ledger") => {
            tracing_subscriber::fmt().with_env_filter("info,sqlx=error").with_ansi(false).init();
            Cli::parse_from(&words[1..]).run().await
        }
        Some("healthy") => healthy(),
        _ => open(Args::parse()).await,
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error_chain(&error));
            std::process::ExitCode::from(exit_code(&error))
        }
    }
}

async fn work(args: Work) -> Result<()> {
    let orphaned = async {
        let mut nothing = [0];
        // The shop never writes: this ends when the shop is gone.
        let _ = tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut nothing).await;
    };
    tokio::select! {
        ended = worker::work(&args.redis, &args.database, STREAM, &args.name) => ended,
        () = orphaned => Ok(()),
    }
}

/// What a container's health check asks: whether the product page is served.
fn healthy() -> Result<()> {
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", PORT))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(connection, "GET / HTTP/1.0\r\nHost: 127.0.0.1:{PORT}\r\n\r\n")?;
    let mut status = [0; 12];
    connection.read_exact(&mut status)?;
    ensure!(status.ends_with(b" 200"), "{}", String::from_utf8_lossy(&status));
    Ok(())
}

async fn open(args: Args) -> Result<()> {
    let dir = std::path::absolute(&args.dir)?.join(format!("run-{}-{}", now_ms(), std::process::id()));
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let ended = run(&args, &dir).await;
    // What went wrong may be in the logs there.
    if ended.is_ok() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    ended
}

async fn run(args: &Args, dir: &Path) -> Result<()> {
    let this = std::env::current_exe()?;
    let port = backstage::free_port()?;
    let url = format!("redis://127.0.0.1:{port}/");
    let second = Duration::from_secs(1);
    let redis = Program::start("redis", &args.server, backstage::redis_args(port, &args.module)?, dir, second);
    let mut connection = backstage::wait_for_redis(&url, dir).await?;
    worker::join(&mut connection, STREAM).await?;

    // A database that is there may have the product of an earlier run: this one is called
    // otherwise.
    let (database_url, sku) = match args.database.as_str() {
        "sqlite" => (format!("sqlite:{}", dir.join("shop.db").display()), "lamp".to_owned()),
        other => (other.to_owned(), format!("lamp-{}", now_ms())),
    };
    let policy = format!(r#"{{"hold":{},"limits":[{{"by":["user"],"max":{}}}]}}"#, args.hold_seconds, args.limit);
    let config = format!(
        "[redis]\nurl = \"{url}\"\n[database]\nurl = \"{database_url}\"\n[pools]\nkey = \"sku:%\"\n\
         events = \"{STREAM}\"\npolicy = '{policy}'\n[run]\ntrim = true\n"
    );
    std::fs::write(dir.join("stock-ledger.toml"), config)?;
    let ledger_args = |verb: &str| vec!["ledger".into(), "--config".into(), "stock-ledger.toml".into(), verb.into()];
    backstage::ledger(&this, dir, ledger_args("init")).await?;
    let database = Database::open(&database_url).await?;
    database.add_product(&sku, args.units).await?;
    backstage::ledger(&this, dir, ledger_args("preload")).await?;
    let ledger = Program::start("ledger", &this, ledger_args("run"), dir, second);
    let work = |name: &str| {
        let args = vec!["work".into(), url.clone(), database_url.clone(), name.into()];
        Program::start(name, &this, args, dir, 3 * second)
    };
    let workers = vec![work("worker-1"), work("worker-2")];

    let stock = Stock::connect(&url, &format!("sku:{sku}")).await?;
    let pool = stock.pool().await?;
    ensure!(pool.is_some(), "the pool was not made: see {}", dir.display());
    let opens_ms = now_ms() + i64::from(args.opens_in) * 1000;
    stock.schedule(opens_ms, opens_ms + i64::from(args.lasts) * 1000).await?;
    let shop = Arc::new(Shop {
        product: Product { sku, title: "Desk lamp".into(), price: "49.00 €".into(), limit: args.limit },
        stock,
        stream: STREAM.into(),
        board: Default::default(),
        orders: Default::default(),
        database,
        office: Default::default(),
        crowd: Default::default(),
        backstage: Backstage { redis, ledger, workers },
    });
    tokio::spawn(mark::follow(shop.clone()));
    tokio::spawn(feed::follow(shop.clone()));
    tokio::spawn(look::follow(shop.clone()));

    // Loopback only: the back office needs no password, and kills servers.
    let listener = match TcpListener::bind((args.bind, args.port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((args.bind, 0)).await?,
    };
    let at = listener.local_addr()?.port();
    let site = Arc::new(Site::new(at));
    println!("The shop is open: http://127.0.0.1:{at}/   its back office: http://127.0.0.1:{at}/office");
    println!("(redis-cli -p {port}; data and logs in {}; Ctrl-C ends all of it)", dir.display());
    tokio::select! {
        served = axum::serve(listener, routes(App { shop, site })) => served?,
        () = asked_to_end() => {}
    }
    Ok(())
}

/// Ctrl-C, or SIGTERM. What runs behind the shop ends with it.
async fn asked_to_end() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
