//! Makes a flash sale up: one hot SKU, far more buyers than units, impatient people and a few bots.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::scenario::{draw_click, draw_plan, Order, Pool, Scenario};

/// Where the buyers live, in percent. With a fifth of the stock for each region the first one meets
/// its limit.
const REGIONS: [u32; 8] = [30, 20, 15, 10, 8, 7, 5, 5];

/// Orders of a bot: it tries the limit per user under ever new order ids.
const BOT_ORDERS: u32 = 5;

pub fn scenario(buyers: u32, stock: i64, prefix: &str, seed: u64) -> Scenario {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut orders = Vec::new();
    for user in 0..buyers {
        let region = draw_region(&mut rng);
        let bot = rng.random_ratio(3, 100);
        for number in 0..if bot { BOT_ORDERS } else { 1 } {
            let qty = match rng.random_range(0..100) {
                _ if bot => 1,
                0..70 => 1,
                70..92 => 2,
                _ => 3, // more than one may buy
            };
            orders.push(Order {
                id: format!("u{user}-{number}"),
                pool: 0,
                qty,
                who: [user, region],
                plan: draw_plan(&mut rng, qty),
                click: draw_click(&mut rng),
                tries: rng.random_range(0..=2),
            });
        }
    }
    // A bot's orders do not come one after the other.
    orders.shuffle(&mut rng);
    let max = [2, (stock / 5).max(1), 1];
    Scenario {
        title: format!("flash sale of {stock} units, {buyers} buyers, {} orders", orders.len()),
        dims: ["user", "region"],
        pools: vec![Pool { key: format!("{prefix}hot"), stock, max }],
        orders,
    }
}

fn draw_region(rng: &mut SmallRng) -> u32 {
    let mut left = rng.random_range(0..REGIONS.iter().sum());
    for (region, share) in REGIONS.iter().enumerate() {
        if left < *share {
            return region as u32;
        }
        left -= share;
    }
    0
}
