//! `stockctl holds`: who holds the units of a pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use redis::Value;
use serde_json::json;

use super::{attribute, push_attributes, table, Attribute};
use crate::connect::Servers;
use crate::failure::{Ended, Failure};
use crate::reply::{bytes, field, list, number, pairs};
use crate::text::{escape, now_ms, span, time};

/// Orders that one call looks at.
const PAGE: i64 = 1000;

/// Who holds the units: the orders that are placed and not paid
///
/// The attributes of an order are those that limits count and those that `remember` of the policy
/// names. Exit code 1: there is no such pool.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The pool's key
    key: OsString,
    /// Only orders with this attribute: user=42; several times: with all of them
    #[arg(long = "for", value_name = "DIM=VALUE", value_parser = OsStringValueParser::new().try_map(attribute))]
    attributes: Vec<Attribute>,
    /// A line for each value of this dimension in place of each order, who holds most first
    #[arg(long, value_name = "DIM", conflicts_with = "csv")]
    by: Option<OsString>,
    /// As CSV with a head, every order
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Show so many lines of the table; 0: all
    #[arg(long, value_name = "LINES", default_value_t = 50)]
    most: usize,
}

/// An order that holds units.
struct Hold {
    order: Vec<u8>,
    qty: i64,
    deadline_ms: i64,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Walks the pool, and shows what it found.
///
/// # Errors
/// [`Failure::Missing`]: there is no such pool. Else as [`Servers::ask_key`].
pub async fn run(args: &Args, servers: &mut Servers, as_json: bool) -> Result<Ended> {
    let key = args.key.as_bytes();
    let Some(mut holds) = walk(args, servers).await? else {
        return Err(Failure::Missing(format!("there is no pool {}", escape(key))).into());
    };
    holds.sort_by(|a, b| (a.deadline_ms, &a.order).cmp(&(b.deadline_ms, &b.order)));
    match (&args.by, as_json, args.csv) {
        (Some(dimension), _, _) => by(args, dimension.as_bytes(), &holds, as_json),
        (None, true, _) => println!("{}", document(key, &holds)),
        (None, false, true) => csv(&holds)?,
        (None, false, false) => show(args, &holds),
    }
    Ok(Ended::Well)
}

/// Every hold once; none: there is no such pool.
async fn walk(args: &Args, servers: &mut Servers) -> Result<Option<Vec<Hold>>> {
    let key = args.key.as_bytes();
    let (mut cursor, mut seen, mut holds) = (b"0".to_vec(), HashSet::new(), Vec::new());
    loop {
        let mut ask = redis::cmd("STOCK.ORDERS");
        ask.arg(key).arg(&cursor).arg("STATE").arg("RESERVED").arg("DETAILS").arg("COUNT").arg(PAGE);
        push_attributes(&mut ask, &args.attributes);
        let (_, answer) = servers.ask_key(key, &ask).await?;
        let [next, page] = list(&answer) else { return Ok(None) };
        for pair in list(page).chunks_exact(2) {
            let [order, map] = pair else { continue };
            // A walk may see an order twice.
            if seen.insert(bytes(order).to_vec()) {
                holds.push(Hold::read(bytes(order), map));
            }
        }
        cursor = bytes(next).to_vec();
        if cursor == b"0" {
            return Ok(Some(holds));
        }
    }
}

impl Hold {
    fn read(order: &[u8], map: &Value) -> Hold {
        let attributes = pairs(field(map, "for"));
        Hold {
            order: order.to_vec(),
            qty: number(map, "qty"),
            deadline_ms: number(map, "deadline_ms"),
            attributes: attributes.iter().map(|(d, v)| (bytes(d).to_vec(), bytes(v).to_vec())).collect(),
        }
    }
}

fn units(holds: &[Hold]) -> i64 {
    holds.iter().map(|hold| hold.qty).sum()
}

fn document(key: &[u8], holds: &[Hold]) -> serde_json::Value {
    let each = holds.iter().map(|hold| {
        let attributes = hold.attributes.iter().map(|(d, v)| (escape(d), json!(escape(v))));
        let attributes: serde_json::Map<_, _> = attributes.collect();
        json!({"order": escape(&hold.order), "qty": hold.qty, "deadline_ms": hold.deadline_ms, "for": attributes})
    });
    let each: Vec<_> = each.collect();
    json!({"key": escape(key), "orders": holds.len(), "units": units(holds), "holds": each})
}

/// The dimensions that any of them has.
fn dimensions(holds: &[Hold]) -> Vec<&Vec<u8>> {
    let all: BTreeSet<&Vec<u8>> = holds.iter().flat_map(|hold| hold.attributes.keys()).collect();
    all.into_iter().collect()
}

fn csv(holds: &[Hold]) -> Result<()> {
    let dimensions = dimensions(holds);
    let mut out = csv::Writer::from_writer(std::io::stdout());
    let head = ["order", "qty", "deadline_ms", "deadline"].map(String::from);
    let written = (|| {
        out.write_record(head.into_iter().chain(dimensions.iter().map(|d| escape(d))))?;
        for hold in holds {
            let fixed =
                [escape(&hold.order), hold.qty.to_string(), hold.deadline_ms.to_string(), time(hold.deadline_ms)];
            let values = dimensions.iter().map(|d| hold.attributes.get(*d).map(|v| escape(v)).unwrap_or_default());
            out.write_record(fixed.into_iter().chain(values))?;
        }
        out.flush().map_err(csv::Error::from)
    })();
    match written {
        // Nobody reads the rest.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => Ok(other?),
    }
}

fn is_broken_pipe(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// How many lines are shown.
fn most(args: &Args) -> usize {
    if args.most == 0 {
        usize::MAX
    } else {
        args.most
    }
}

fn show(args: &Args, holds: &[Hold]) {
    let dimensions = dimensions(holds);
    let names: Vec<String> = dimensions.iter().map(|d| escape(d)).collect();
    let head: Vec<&str> = ["order", "qty", "returns in"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let now_ms = now_ms();
    let rows = holds.iter().take(most(args)).map(|hold| {
        let left = span((hold.deadline_ms - now_ms).max(0));
        let values = dimensions.iter().map(|d| hold.attributes.get(*d).map(|v| escape(v)).unwrap_or_default());
        [escape(&hold.order), hold.qty.to_string(), left].into_iter().chain(values).collect()
    });
    println!("{}", table(&head, rows));
    footer(args, holds, holds.len());
}

fn footer(args: &Args, holds: &[Hold], lines: usize) {
    println!("{} orders hold {} units of {}.", holds.len(), units(holds), escape(args.key.as_bytes()));
    if lines > most(args) {
        println!("{} of {lines} lines are shown; --most 0 shows all.", args.most);
    }
}

fn by(args: &Args, dimension: &[u8], holds: &[Hold], as_json: bool) {
    let mut sums: BTreeMap<Option<&Vec<u8>>, (usize, i64)> = BTreeMap::new();
    for hold in holds {
        let sum = sums.entry(hold.attributes.get(dimension)).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(hold.qty));
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(value, (_, units))| (std::cmp::Reverse(*units), *value));
    if as_json {
        let values = rows.iter().map(
            |(value, (orders, units))| json!({"value": value.map(|v| escape(v)), "orders": orders, "units": units}),
        );
        let values: Vec<_> = values.collect();
        let (key, dimension) = (escape(args.key.as_bytes()), escape(dimension));
        println!(
            "{}",
            json!({"key": key, "by": dimension, "orders": holds.len(), "units": units(holds), "values": values})
        );
        return;
    }
    let name = escape(dimension);
    let shown = rows.iter().take(most(args)).map(|(value, (orders, units))| {
        vec![value.map_or_else(|| "(unknown)".to_string(), |v| escape(v)), orders.to_string(), units.to_string()]
    });
    println!("{}", table(&[&name, "orders", "units"], shown));
    footer(args, holds, rows.len());
}
