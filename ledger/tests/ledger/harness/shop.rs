//! Selling at random, and comparing both sides to the unit.

use std::collections::BTreeMap;
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis::{Connection, Value};
use stock_ledger::redis_client::Fields;

use super::redis_server::{run, word};
use super::{program, Shop};

/// Who sells, the same way for the same seed.
pub struct Seller {
    rng: SmallRng,
    skus: usize,
    next: u64,
    name: String,
    open: Vec<(String, String)>,
    paid: Vec<(String, String, i64)>,
}

impl Seller {
    pub fn new(name: &str, skus: usize, seed: u64) -> Seller {
        let rng = SmallRng::seed_from_u64(seed);
        Seller { rng, skus, next: 0, name: name.to_string(), open: Vec::new(), paid: Vec::new() }
    }

    /// One call; the words of it.
    fn pick(&mut self) -> Vec<String> {
        self.next += 1;
        let id = format!("{}-{}", self.name, self.next);
        let words = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        let choice = self.rng.random_range(0..100);
        if (45..75).contains(&choice) && !self.open.is_empty() {
            let at = self.rng.random_range(0..self.open.len());
            let (pool, order) = self.open.swap_remove(at);
            self.paid.push((pool.clone(), order.clone(), 0));
            if self.paid.len() > 500 {
                self.paid.remove(0);
            }
            return if choice < 50 {
                words(&["STOCK.CONFIRM", &pool, &order, "QTY", "1"])
            } else {
                words(&["STOCK.CONFIRM", &pool, &order, "LATE"])
            };
        }
        if (75..85).contains(&choice) && !self.open.is_empty() {
            let at = self.rng.random_range(0..self.open.len());
            let (pool, order) = self.open[at].clone();
            if choice < 80 {
                self.open.swap_remove(at);
                return words(&["STOCK.RELEASE", &pool, &order]);
            }
            let qty = self.rng.random_range(1..5).to_string();
            return words(&["STOCK.AMEND", &pool, &order, &qty]);
        }
        if (85..93).contains(&choice) && !self.paid.is_empty() {
            let at = self.rng.random_range(0..self.paid.len());
            let (pool, order, _) = self.paid[at].clone();
            let mut call = words(&["STOCK.RETURN", &pool, &order]);
            match choice {
                85 | 86 => call.push("NORESTOCK".to_string()),
                87..=90 => call.extend(words(&["QTY", "1", "TOKEN", &id])),
                _ => {}
            }
            return call;
        }
        let pool = format!("sku:{}", self.rng.random_range(0..self.skus));
        if (93..95).contains(&choice) {
            let delta = self.rng.random_range(1..4).to_string();
            return words(&["STOCK.ADD", &pool, &delta, "TOKEN", &id]);
        }
        if choice == 95 {
            return words(&["STOCK.RELEASE", &pool, &format!("never-{id}")]);
        }
        self.open.push((pool.clone(), id.clone()));
        if self.open.len() > 500 {
            self.open.remove(0);
        }
        let qty = self.rng.random_range(1..5).to_string();
        let user = self.rng.random_range(0..50).to_string();
        // Some holds end by themselves.
        let ms = if choice < 4 { "1" } else { "600000" };
        words(&["STOCK.RESERVE", &pool, &id, &qty, "PX", ms, "FOR", "user", &user])
    }

    /// Makes calls. One that gets no answer is repeated, on a new connection.
    pub fn sell(&mut self, calls: usize, connect: &mut dyn FnMut() -> Connection) {
        let mut connection = connect();
        for _ in 0..calls {
            let words = self.pick();
            loop {
                let mut command = redis::cmd(&words[0]);
                command.arg(&words[1..]);
                match command.query::<Value>(&mut connection) {
                    Ok(_) => break,
                    Err(error) if error.to_string().contains("CONFLICT") => break,
                    Err(error) => {
                        let loading = error.kind() == redis::ErrorKind::BusyLoadingError;
                        assert!(loading || error.is_io_error(), "{words:?}: {error}");
                        connection = connect();
                    }
                }
            }
        }
    }
}

/// Fills the stock table and makes the pools. Returns a connection to Redis.
pub fn open(shop: &Shop, skus: usize, each: i64) -> Connection {
    open_by(&program(), shop, skus, each)
}

/// The same by another build of the program.
pub fn open_by(program: &Path, shop: &Shop, skus: usize, each: i64) -> Connection {
    shop.by(program, &["init"]).ok();
    let rows: Vec<String> = (0..skus).map(|sku| format!("('{sku}',{each})")).collect();
    for some in rows.chunks(1000) {
        shop.database.execute(&format!("INSERT INTO stock (sku, on_hand) VALUES {}", some.join(",")));
    }
    shop.by(program, &["preload"]).ok();
    shop.redis.connect()
}

/// One order, reserved and paid.
#[track_caller]
pub fn sell(connection: &mut Connection, pool: &str, order: &str, units: &str) {
    assert_eq!(answer(connection, &["STOCK.RESERVE", pool, order, units]), "OK");
    assert_eq!(answer(connection, &["STOCK.CONFIRM", pool, order]), "OK");
}

/// Returns every due hold, so that nothing moves while both sides are compared.
pub fn settle(connection: &mut Connection) {
    // The shortest holds are of a millisecond: the last one of them is to be due, too.
    std::thread::sleep(std::time::Duration::from_millis(20));
    for pool in pools(connection) {
        run(connection, &["STOCK.SWEEP", &pool, "COUNT", "100000"]);
    }
}

/// The pools of the feed.
pub fn pools(connection: &mut Connection) -> Vec<String> {
    redis::cmd("KEYS").arg("*sku:*").query(connection).expect("KEYS")
}

/// How many entries the stream has.
pub fn length(shop: &Shop) -> i64 {
    redis::cmd("XLEN").arg("events").query(&mut shop.redis.connect()).expect("XLEN")
}

/// How many entries the database has applied.
pub fn applied(shop: &Shop) -> i64 {
    shop.database.number("SELECT COALESCE(MAX(applied), 0) FROM stock_streams")
}

/// Every difference between the database and the pools.
pub fn differences(shop: &Shop, connection: &mut Connection) -> Vec<String> {
    let mut found = Vec::new();
    let stock_rows = shop.database.rows("SELECT sku, on_hand FROM stock");
    let uncovered = shop.database.rows("SELECT pool, uncovered FROM stock_positions WHERE uncovered <> 0");
    let uncovered: BTreeMap<String, i64> =
        uncovered.into_iter().map(|r| (r[0].clone(), r[1].parse().expect("a number"))).collect();
    let lines = shop.database.rows("SELECT pool, order_id, state, qty, returned FROM stock_lines");
    let mut lines: BTreeMap<(String, String), Vec<String>> =
        lines.into_iter().map(|r| ((r[0].clone(), r[1].clone()), r[2..].to_vec())).collect();
    for row in stock_rows {
        let pool = format!("sku:{}", row[0]);
        let answer = run(connection, &["STOCK.GET", &pool]);
        let there = Fields::of(&answer).expect("a pool").number("on_hand").expect("a number");
        let here = row[1].parse::<i64>().expect("a number") - uncovered.get(&pool).unwrap_or(&0);
        if here != there {
            found.push(format!("{pool}: {here} in the stock row, {there} in the pool"));
        }
        let mut cursor = "0".to_string();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let answer = run(connection, &["STOCK.ORDERS", &pool, &cursor, "COUNT", "1000"]);
            let (next, flat): (String, Vec<String>) = redis::from_redis_value(&answer).expect("orders");
            for id in flat.chunks(2).map(|pair| pair[0].clone()) {
                if !seen.insert(id.clone()) {
                    continue;
                }
                let order = run(connection, &["STOCK.ORDER", &pool, &id]);
                let Some(order) = Fields::of(&order) else { continue };
                let state = order.text("state").expect("a state");
                let line = lines.remove(&(pool.clone(), id.clone()));
                let line = line.map(|l| (l[0].clone(), l[1].parse().expect("qty"), l[2].parse().expect("returned")));
                let there =
                    (state.clone(), order.number("qty").expect("qty"), order.number("returned").expect("returned"));
                let same = match &line {
                    Some(here) if state == "released" || state == "expired" => here.0 == state,
                    Some(here) => *here == there,
                    None => false,
                };
                if !same {
                    found.push(format!("{pool} {id}: {line:?} here, {there:?} there"));
                }
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
    }
    found.extend(lines.into_iter().map(|((pool, id), line)| format!("{pool} {id}: {line:?} here, unknown there")));
    found
}

#[track_caller]
pub fn assert_agreement(shop: &Shop, connection: &mut Connection) {
    let found = differences(shop, connection);
    let some: Vec<&String> = found.iter().take(10).collect();
    assert!(found.is_empty(), "{} differences: {some:#?}", found.len());
}

/// The answer's word, of a command.
#[track_caller]
pub fn answer(connection: &mut Connection, words: &[&str]) -> String {
    word(&run(connection, words))
}
