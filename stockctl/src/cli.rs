//! The command line.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::command::{balance, explain, holds, metrics, pools, top, verify};
use crate::connect::{ConnectArgs, Servers};
use crate::failure::Ended;

/// Answers an operator's questions about the pools of redis-stock: why can nobody buy it, who holds
/// the units, which are sold out.
///
/// It reads only (but for `balance`), with the rights of the user `operator` of
/// docs/operating/deploy.md. Names of keys, orders and buyers are shown as text; what a terminal
/// would not show as it is stands as \xNN, and a backslash as \\. Times are in UTC.
///
/// Exit codes: 0 all is well; 1 what was asked about is not (no such pool, a refusal, a
/// difference); 2 wrong call, or a server refuses it; 4 a server cannot be reached, or cannot serve
/// now.
#[derive(Parser)]
#[command(name = "stockctl", version)]
pub struct Cli {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The answer as one JSON value, for programs; the exit code is the same
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// One file in `command` for each.
#[derive(Subcommand)]
enum Command {
    Balance(balance::Args),
    Explain(explain::Args),
    Holds(holds::Args),
    Pools(pools::Args),
    Top(top::Args),
    Verify(verify::Args),
    Metrics(metrics::Args),
}

impl Cli {
    /// Who asks.
    pub fn user(&self) -> String {
        self.connect.user_name()
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Those of the command; [`crate::failure::exit_code`] says which exit code each has.
    pub async fn run(self) -> Result<Ended> {
        // Redis-rs takes the process's provider for TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let command = match self.command {
            // It goes on where a server is lost, also at the start.
            Command::Metrics(args) => return metrics::run(args, &self.connect).await,
            other => other,
        };
        let mut servers = Servers::open(&self.connect).await?;
        match command {
            Command::Balance(args) => balance::run(&args, &mut servers, &self.connect, self.json).await,
            Command::Explain(args) => explain::run(&args, &mut servers, self.json).await,
            Command::Holds(args) => holds::run(&args, &mut servers, self.json).await,
            Command::Pools(args) => pools::run(&args, &mut servers, self.json).await,
            Command::Top(args) => top::run(&args, &mut servers, self.json).await,
            Command::Verify(args) => verify::run(&args, &mut servers, self.json).await,
            Command::Metrics(args) => metrics::run(args, &self.connect).await,
        }
    }
}
