//! `stockctl verify`: recomputes every pool of the replicas.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use redis::Value;
use serde_json::json;

use crate::connect::{whole, Node, Role, Servers};
use crate::failure::{Ended, Failure};
use crate::pool_keys::pool_keys;
use crate::reply::{list, text};
use crate::text::escape;

/// Recompute all pools of a replica (STOCK.VERIFY), and say what does not add up
///
/// Each pool blocks its server while it is recomputed: about a second for each million of orders.
/// So a replica of each primary is asked; where there is none, it needs --on-primary. Exit code 1:
/// a pool differs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only keys that fit this pattern, as KEYS has them: 'sku:*'
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Ask the primary where there is no replica: it sells nothing while a pool is recomputed
    #[arg(long)]
    on_primary: bool,
    /// Rest so long between two pools
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pause: u64,
}

/// What was found.
#[derive(Default)]
struct Found {
    verified: u64,
    /// Key, server, and what does not add up.
    differ: Vec<(Vec<u8>, String, Vec<String>)>,
    /// Deleted or moved since they were seen.
    gone: u64,
    forbidden: u64,
}

/// Recomputes one pool after the other.
///
/// # Errors
/// [`Failure::Refused`]: a primary has no replica, and --on-primary was not given. Else as
/// `pool_keys` and [`Servers::ask_many`].
pub async fn run(args: &Args, servers: &mut Servers, as_json: bool) -> Result<Ended> {
    let nodes = to_ask(args, servers)?;
    let mut found = Found::default();
    for node in &nodes {
        walk(args, servers, &node.address, &mut found).await?;
    }
    if as_json {
        println!("{}", document(&found, &nodes));
    } else {
        show(&found, &nodes);
    }
    // A pattern that fits nothing has verified nothing: mostly it is misspelt.
    let nothing = args.pattern.is_some() && found.verified == 0;
    Ok(if found.differ.is_empty() && !nothing { Ended::Well } else { Ended::Unwell })
}

/// A replica of each primary, or what else may be asked.
fn to_ask(args: &Args, servers: &Servers) -> Result<Vec<Node>> {
    let nodes = servers.with_each_pool(true);
    let primary = nodes.iter().find(|node| node.role == Role::Primary);
    match primary {
        Some(node) if !args.on_primary => Err(Failure::Refused(format!(
            "{} is a primary, and there is no replica of it: --on-primary asks it all the same, and it sells nothing \
             while a pool is recomputed",
            node.address
        ))
        .into()),
        _ => Ok(nodes),
    }
}

async fn walk(args: &Args, servers: &mut Servers, address: &str, found: &mut Found) -> Result<()> {
    let keys = pool_keys(servers, address, args.pattern.as_deref()).await?;
    let bar = bar(address, keys.len() as u64);
    for key in keys {
        let mut verify = redis::cmd("STOCK.VERIFY");
        verify.arg(&key);
        let answer = servers.ask_many(address, std::slice::from_ref(&verify)).await;
        let answer = answer.with_context(|| format!("at {}", escape(&key)))?.pop().context("no answer")?;
        match answer {
            Value::ServerError(error) if error.code() == "NOPERM" => found.forbidden += 1,
            Value::ServerError(error) if ["MOVED", "ASK", "TRYAGAIN"].contains(&error.code()) => found.gone += 1,
            Value::Nil => found.gone += 1,
            answer => {
                let answer = whole(address, answer)?;
                found.verified += 1;
                let differences: Vec<String> = list(&answer).iter().map(text).collect();
                if !differences.is_empty() {
                    found.differ.push((key, address.to_string(), differences));
                }
            }
        }
        bar.inc(1);
        if args.pause > 0 {
            tokio::time::sleep(Duration::from_millis(args.pause)).await;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// A progress bar on standard error; nothing where that is no terminal.
fn bar(address: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_prefix(address.to_string());
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn document(found: &Found, nodes: &[Node]) -> serde_json::Value {
    let differ = found
        .differ
        .iter()
        .map(|(key, address, differences)| json!({"key": escape(key), "server": address, "differences": differences}));
    let differ: Vec<_> = differ.collect();
    let servers: Vec<_> = nodes.iter().map(|node| json!({"server": node.address, "role": node.role.name()})).collect();
    json!({
        "servers": servers,
        "verified": found.verified,
        "differ": differ,
        "gone": found.gone,
        "forbidden": found.forbidden,
    })
}

fn show(found: &Found, nodes: &[Node]) {
    for (key, address, differences) in &found.differ {
        println!("{} at {address} does not add up:", escape(key));
        for difference in differences {
            println!("  {difference}");
        }
    }
    let servers: Vec<String> = nodes.iter().map(|node| format!("{} ({})", node.address, node.role.name())).collect();
    println!("{} pools verified at {}: {} differ.", found.verified, servers.join(", "), found.differ.len());
    if found.gone > 0 {
        println!("{} were deleted or moved meanwhile.", found.gone);
    }
    if found.forbidden > 0 {
        println!("{} may not be read by this user.", found.forbidden);
    }
}
