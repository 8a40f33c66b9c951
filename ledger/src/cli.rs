//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::command::{adjust, audit, init, preload, reconcile, retry, status};
use crate::config::Config;
use crate::run;

/// Keeps a SQL database in step with the redis-stock module: every payment leaves the stock row
/// exactly once.
///
/// The database is right about what is in the stock row, Redis about who may have it. Begin with
/// `init`, fill the stock table, `preload`, and let `run` run. `reconcile` goes into cron. After a
/// failover of Redis: `run --once`, `audit --repair`, `reconcile`, in this order.
///
/// Exit codes: 0 all is well; 1 something differs or failed; 2 wrong call, or refused; 3 another
/// command must come first; 4 Redis or the database cannot be reached.
#[derive(Parser)]
#[command(name = "stock-ledger", version)]
pub struct Cli {
    /// The configuration file (TOML); without one everything has its default
    #[arg(long, env = "STOCK_LEDGER_CONFIG", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replaces redis.url: redis://[user:password@]host:port[/db]
    #[arg(long, env = "STOCK_LEDGER_REDIS_URL", global = true, value_name = "URL", hide_env_values = true)]
    redis: Option<String>,
    /// Replaces database.url: sqlite:FILE, postgres://user:password@host/db or
    /// mysql://user:password@host/db
    #[arg(long, env = "STOCK_LEDGER_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// What is logged: error, warn, info, debug, or a filter of tracing
    #[arg(long, env = "STOCK_LEDGER_LOG", global = true, default_value = "info,sqlx=error")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make or upgrade the ledger's tables
    Init,
    /// Make a pool of every row of the stock table (STOCK.SET NX, then its policy); pools that
    /// exist stay as they are
    Preload,
    /// Follow the event streams and write them into the database, until SIGTERM
    Run {
        /// Stop at the end of the streams
        #[arg(long)]
        once: bool,
        /// Remove entries from the streams once they are in the database (none that a consumer
        /// group still needs)
        #[arg(long)]
        trim: bool,
        /// Write what became of orders into stock_outbox, in the same transaction, for the program
        /// that keeps them; PostgreSQL notifies the channel stock_outbox
        #[arg(long)]
        notify: bool,
        /// Serve the figures to Prometheus at http://ADDRESS/metrics
        #[arg(long, env = "STOCK_LEDGER_METRICS", value_name = "ADDRESS")]
        metrics: Option<SocketAddr>,
    },
    /// Tell Redis what is in the stock row, while sales run; for cron
    Reconcile {
        /// Change nothing; exit with 1 where something would be changed
        #[arg(long)]
        dry_run: bool,
        /// Pools; none: all
        pools: Vec<String>,
    },
    /// Restock or write off: the database first, then Redis; the same call with the same token can
    /// be repeated
    Adjust {
        /// The row of the stock table
        sku: String,
        /// Units: 50 or -3
        #[arg(allow_negative_numbers = true)]
        delta: i64,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who
        #[arg(long, env = "USER", default_value = "unknown")]
        operator: String,
        /// Names this adjustment, so that it can be repeated; made up and shown where it is missing
        #[arg(long)]
        token: Option<String>,
    },
    /// Compare the database and the pools, order by order
    Audit {
        /// Read the feed to its end, and put right what is safe
        #[arg(long)]
        repair: bool,
        /// For so many seconds wait for `run` to follow
        #[arg(long, default_value_t = 10)]
        wait: u64,
        /// Pools; none: all
        pools: Vec<String>,
    },
    /// Apply what waits in stock_pending, now: movements whose row of the stock table could not be
    /// written. `run` tries by itself, too, at most 5 minutes later
    Retry {
        /// Pools; none: all for which something waits
        pools: Vec<String>,
    },
    /// Show where everything stands
    Status {
        /// Show so many incidents, the last ones first
        #[arg(long, default_value_t = 0)]
        incidents: i64,
        /// As one JSON object, for programs; the exit code is the same
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// What is to be logged.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Runs the command.
    pub async fn run(self) -> Result<()> {
        let mut config = Config::read(self.config.as_deref())?;
        if let Some(url) = self.redis {
            config.redis.url = url;
        }
        if let Some(url) = self.database {
            config.database.url = url;
        }
        config.check()?;
        match self.command {
            Command::Init => init::init(&config).await,
            Command::Preload => {
                let done = preload::preload(&config).await?;
                println!("{} rows: {} pools made, {} existed already.", done.rows, done.made, done.existed);
                if done.joined > 0 {
                    println!(
                        "{} of them the ledger did not follow until now: it counts from where they stand. Make sure \
                         that their policy names the event stream, then `stock-ledger reconcile`.",
                        done.joined
                    );
                }
                done.named()
            }
            Command::Run { once, trim, notify, metrics } => {
                config.run.trim |= trim;
                config.run.notify |= notify;
                run::run(&config, once, metrics).await
            }
            Command::Reconcile { dry_run, pools } => {
                reconcile::reconcile(&config, &pools, dry_run).await?.finish(dry_run, !pools.is_empty())
            }
            Command::Adjust { sku, delta, reason, operator, token } => {
                // Shown before anything is written: whatever happens then, the same call can be
                // made again.
                let token = token.unwrap_or_else(|| {
                    let token = format!("{:032x}", rand::random::<u128>());
                    println!("The token of this adjustment is {token}.");
                    token
                });
                adjust::adjust(&config, &adjust::Request { sku, delta, reason, operator, token }).await
            }
            Command::Audit { repair, wait, pools } => {
                audit::audit(&config, &pools, repair, Duration::from_secs(wait)).await?.finish()
            }
            Command::Retry { pools } => retry::retry(&config, &pools).await,
            Command::Status { incidents, json } => status::status(&config, incidents, json).await,
        }
    }
}
