//! Replays real purchases: each product is a pool, each line an order of its household in its
//! store.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use flate2::read::GzDecoder;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::scenario::{draw_click, draw_plan, Order, Pool, Scenario};

/// One line of the file; `at` is not needed, since the lines are in time order.
struct Line {
    basket: String,
    household: u32,
    store: u32,
    product: u32,
    quantity: i64,
}

pub fn scenario(file: &Path, prefix: &str, seed: u64) -> Result<Scenario> {
    let lines = read(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(!lines.is_empty(), "{} has no purchases", file.display());
    let mut rng = SmallRng::seed_from_u64(seed);

    let mut index: HashMap<u32, u32> = HashMap::new();
    let mut quantities: Vec<(u32, Vec<i64>)> = Vec::new();
    for line in &lines {
        let at = *index.entry(line.product).or_insert(quantities.len() as u32);
        if at as usize == quantities.len() {
            quantities.push((line.product, Vec::new()));
        }
        quantities[at as usize].1.push(line.quantity);
    }
    let pools = quantities.into_iter().map(|(product, asked)| pool(prefix, product, asked, &mut rng)).collect();

    let mut seen = HashSet::new();
    let orders: Vec<Order> = lines
        .into_iter()
        .enumerate()
        .map(|(number, line)| {
            let pool = index[&line.product];
            // A basket names a product once; a file that does otherwise still gets an order id for
            // each line.
            let unique = seen.insert((line.basket.clone(), pool));
            Order {
                id: if unique { line.basket } else { format!("{}.{number}", line.basket) },
                pool,
                qty: line.quantity,
                who: [line.household, line.store],
                plan: draw_plan(&mut rng, line.quantity),
                click: draw_click(&mut rng),
                tries: 0,
            }
        })
        .collect();
    Ok(Scenario {
        title: format!("{} purchase lines of {}", orders.len(), file.display()),
        dims: ["household", "store"],
        pools,
        orders,
    })
}

/// A product's stock and limits, from the quantities in which it is asked for.
fn pool(prefix: &str, product: u32, mut asked: Vec<i64>, rng: &mut SmallRng) -> Pool {
    let demand: i64 = asked.iter().sum();
    // 80 % of the demand. Most products are asked for only once or twice: rounded up or down by
    // chance, or else all of those would have stock for everybody (or none for anybody).
    let stock = (demand as f64 * 0.8 + rng.random::<f64>()).floor() as i64;
    asked.sort_unstable();
    // Fuel is sold by the thousand, yoghurt by the piece: limits follow what is usual for the
    // product. The year passes in one day, so what a household may have over all would never be met
    // in units: it is counted in orders, and every fourth product is on offer, once per household.
    let usual = asked[asked.len() / 2];
    let orders = if rng.random_ratio(1, 4) { 1 } else { 3 };
    Pool { key: format!("{prefix}{product}"), stock, max: [2 * usual, 4 * usual, orders] }
}

fn read(file: &Path) -> Result<Vec<Line>> {
    let raw = File::open(file)?;
    let zipped = file.extension().is_some_and(|ending| ending == "gz");
    let text: Box<dyn std::io::Read> = if zipped { Box::new(GzDecoder::new(raw)) } else { Box::new(raw) };
    let mut table = csv::Reader::from_reader(text);
    let headers = table.headers()?.clone();
    let column =
        |name: &str| headers.iter().position(|header| header == name).with_context(|| format!("no column {name}"));
    let (basket, household, store) = (column("basket")?, column("household")?, column("store")?);
    let (product, quantity) = (column("product")?, column("quantity")?);
    let mut lines = Vec::new();
    for (number, record) in table.into_records().enumerate() {
        let record = record?;
        let line = Line {
            basket: record[basket].to_owned(),
            household: record[household].parse().with_context(|| format!("household of purchase {number}"))?,
            store: record[store].parse().with_context(|| format!("store of purchase {number}"))?,
            product: record[product].parse().with_context(|| format!("product of purchase {number}"))?,
            quantity: record[quantity].parse().with_context(|| format!("quantity of purchase {number}"))?,
        };
        ensure!(line.quantity > 0, "purchase {number} has quantity {}", line.quantity);
        lines.push(line);
    }
    Ok(lines)
}
