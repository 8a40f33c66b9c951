//! `stockctl pools`: all pools, or those that cannot sell.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use redis::{Cmd, Value};
use serde_json::json;

use super::table;
use crate::connect::{whole, Servers};
use crate::failure::{Ended, Failure};
use crate::pool_keys::pool_keys;
use crate::reply::{field, json, number, text};
use crate::text::escape;

/// Pools that are read at once.
const PAGE: usize = 1000;

/// All pools, or those that are sold out, suspended or short
///
/// With several of these options a pool is shown that fits any of them. It walks all keys of each
/// server (SCAN), in steps. Pools that the user may not read are counted, not shown.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Nothing can be reserved: all is sold, held, or kept back (safety)
    #[arg(long)]
    sold_out: bool,
    /// Stopped by STOCK.SUSPEND
    #[arg(long)]
    suspended: bool,
    /// More is held than there is
    #[arg(long)]
    short: bool,
    /// Only keys that fit this pattern, as KEYS has them: 'sku:*'
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// By key: STOCK.GET, and who answered.
    pools: BTreeMap<(Vec<u8>, String), Value>,
    /// Each once, also where it moved from one server to another meanwhile.
    seen: BTreeSet<(Vec<u8>, String)>,
    forbidden: u64,
    /// Servers whose pools are missing, or part of them.
    lost: Vec<String>,
}

/// Walks all servers, and shows what it found, also where one is lost.
///
/// # Errors
/// [`Failure::Refused`], at once; [`Failure::Unreachable`] when the other servers have been shown.
pub async fn run(args: &Args, servers: &mut Servers, as_json: bool) -> Result<Ended> {
    let mut found = Found::default();
    let mut lost = None;
    for node in servers.of_all_pools() {
        match walk(args, servers, &node.address, &mut found).await {
            Err(error) if matches!(error.downcast_ref(), Some(Failure::Unreachable(_))) => {
                found.lost.push(node.address);
                lost.get_or_insert(error);
            }
            walked => walked?,
        }
    }
    if as_json {
        let pools: Vec<_> = found.pools.iter().map(|((key, address), pool)| document(key, address, pool)).collect();
        let (seen, forbidden, lost) = (found.seen.len(), found.forbidden, &found.lost);
        println!("{}", json!({"pools": pools, "seen": seen, "forbidden": forbidden, "lost": lost}));
    } else {
        show(servers, &found);
    }
    lost.map_or(Ok(Ended::Well), Err)
}

async fn walk(args: &Args, servers: &mut Servers, address: &str, found: &mut Found) -> Result<()> {
    let keys: Vec<Vec<u8>> = pool_keys(servers, address, args.pattern.as_deref()).await?.into_iter().collect();
    for some in keys.chunks(PAGE) {
        read(args, servers, address, some, found).await?;
    }
    Ok(())
}

/// Reads the pools of a page; one that has just moved is asked where it is now.
async fn read(args: &Args, servers: &mut Servers, address: &str, keys: &[Vec<u8>], found: &mut Found) -> Result<()> {
    let get = |key: &Vec<u8>| {
        let mut get = redis::cmd("STOCK.GET");
        get.arg(key);
        get
    };
    let commands: Vec<Cmd> = keys.iter().map(get).collect();
    let answers = servers.ask_many(address, &commands).await?;
    for ((key, command), answer) in keys.iter().zip(&commands).zip(answers) {
        let (at, pool) = match answer {
            Value::ServerError(error) if error.code() == "NOPERM" => {
                found.seen.insert((key.clone(), address.to_string()));
                found.forbidden += 1;
                continue;
            }
            Value::ServerError(error) if ["MOVED", "ASK", "TRYAGAIN"].contains(&error.code()) => {
                servers.ask_key(key, command).await?
            }
            answer => (address.to_string(), whole(address, answer)?),
        };
        // Deleted since SCAN saw it.
        if pool == Value::Nil {
            continue;
        }
        found.seen.insert((key.clone(), at.clone()));
        if fits(args, &pool) {
            found.pools.insert((key.clone(), at), pool);
        }
    }
    Ok(())
}

fn fits(args: &Args, pool: &Value) -> bool {
    let all = !args.sold_out && !args.suspended && !args.short;
    all || (args.sold_out && is_sold_out(pool))
        || (args.suspended && is_suspended(pool))
        || (args.short && is_short(pool))
}

/// Unlimited pools have -1.
fn is_sold_out(pool: &Value) -> bool {
    number(pool, "available") == 0
}

fn is_suspended(pool: &Value) -> bool {
    number(pool, "suspended") == 1
}

fn is_short(pool: &Value) -> bool {
    number(pool, "shortfall") > 0
}

fn document(key: &[u8], address: &str, pool: &Value) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    all.insert("key".to_string(), json!(escape(key)));
    all.insert("server".to_string(), json!(address));
    if let serde_json::Value::Object(fields) = json(pool) {
        all.extend(fields);
    }
    all.into()
}

fn show(servers: &Servers, found: &Found) {
    let mut head = vec!["pool", "on hand", "held", "available", "sold", "state"];
    if servers.are_several() {
        head.push("server");
    }
    let rows = found.pools.iter().map(|((key, address), pool)| {
        let n = |name| text(field(pool, name));
        let (held, available) = (n("reserved"), number(pool, "available"));
        let available = if available < 0 { "unlimited".to_string() } else { available.to_string() };
        let mut row = vec![escape(key), n("on_hand"), held, available, n("sold"), state(pool)];
        if servers.are_several() {
            row.push(address.clone());
        }
        row
    });
    println!("{}", table(&head, rows));
    println!("{} of {} pools.", found.pools.len(), found.seen.len());
    if found.forbidden > 0 {
        println!("{} may not be read by this user.", found.forbidden);
    }
    if !found.lost.is_empty() {
        println!("Those of {} are missing.", found.lost.join(", "));
    }
}

fn state(pool: &Value) -> String {
    let mut words = Vec::new();
    if is_suspended(pool) {
        words.push("suspended".to_string());
    }
    if is_short(pool) {
        words.push(format!("short by {}", number(pool, "shortfall")));
    } else if is_sold_out(pool) {
        words.push("sold out".to_string());
    }
    words.join(", ")
}
