//! The database is compared over and over while sales run and its feed is late. The job that most
//! shops run instead stands beside it, with the same orders.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::entry::{balances, Entry, Id};
use testkit::{wait_until, Client, Server, Value};

/// On hand at the start; the second pool is scarce.
const SHELVES: [i64; 4] = [100_000, 300, 100_000, 5_000];
const COUNTER: i64 = 10_000_000;

/// One product in the database.
#[derive(Clone, Default)]
struct Product {
    shelf: i64,
    epoch: String,
    seq: u64,
    out: i64,
}

/// The database, which its feed reaches late.
#[derive(Default)]
struct Database {
    products: BTreeMap<String, Product>,
    position: Id,
    /// Sales that took more than there was.
    oversold: u64,
    /// The shop with the counter: orders open and paid.
    open: i64,
    paid: i64,
    orders_position: Id,
}

impl Database {
    fn follow(&mut self, client: &mut Client, most: usize) {
        let answer = client.say(&format!("XREAD COUNT {most} STREAMS feed {}", self.position));
        for entry in Entry::all(&answer) {
            let product = self.products.get_mut(&entry.pool).expect("a product");
            product.shelf -= entry.balances.out - product.out;
            product.out = entry.balances.out;
            product.epoch = entry.epoch;
            product.seq = entry.seq;
            self.position = entry.id;
            let free = entry.balances.on_hand.expect("a counted pool") - entry.balances.reserved;
            self.oversold += u64::from(["reserved", "late"].contains(&entry.kind.as_str()) && free < 0);
        }
        let answer = client.say(&format!("XREAD COUNT {most} STREAMS orders {}", self.orders_position));
        if answer == Value::Nil {
            return;
        }
        for entry in answer.items()[0].items()[1].items() {
            self.orders_position = Id::parse(&entry.items()[0].text());
            for field in entry.items()[1].items().chunks(2) {
                let sum = if field[0].text() == "open" { &mut self.open } else { &mut self.paid };
                *sum += field[1].text().parse::<i64>().expect("a number");
            }
        }
    }
}

/// A counter in place of a pool, as most shops have it, with its orders told in a stream in the
/// same step. `truth` is what the counter should be.
const ORDER_BY_COUNTER: &str = "if tonumber(redis.call('GET', KEYS[1])) < 1 then return 0 end
    redis.call('DECR', KEYS[1]) redis.call('DECR', KEYS[2]) redis.call('XADD', KEYS[3], '*', 'open', 1) return 1";
const PAY_BY_COUNTER: &str = "redis.call('XADD', KEYS[1], '*', 'open', -1, 'paid', 1) return 1";
/// Changes what is on hand behind the database's back, by exactly so many units.
const STEAL: &str = "local pool = redis.call('STOCK.GET', KEYS[1])
    for at = 1, #pool, 2 do
        if pool[at] == 'on_hand' then return redis.call('STOCK.SET', KEYS[1], pool[at + 1] + ARGV[1]) end
    end";

/// What one buyer knows of what it has bought, by pool: held, sold, and what left the shelf.
#[derive(Clone, Copy, Default)]
struct Account {
    held: i64,
    sold: i64,
    out: i64,
}

type Accounts = BTreeMap<String, Account>;

fn sell(socket: &Path, name: &str, pools: &[String], seed: u64, over: &AtomicBool) -> Accounts {
    let mut client = Client::unix(socket).expect("a connection");
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut accounts = Accounts::new();
    let mut orders: Vec<(String, String, bool)> = Vec::new();
    let mut n = 0;
    while !over.load(Ordering::SeqCst) {
        n += 1;
        let pool = pools[rng.random_range(0..pools.len())].clone();
        let account = accounts.entry(pool.clone()).or_default();
        // The second element of OK is the quantity.
        let taken = |answer: &Value| match answer.items()[0].text().as_str() {
            "OK" => answer.items()[1].int(),
            _ => 0,
        };
        client.call(&["EVAL", ORDER_BY_COUNTER, "3", "counter", "truth", "orders"]);
        if rng.random_ratio(1, 2) {
            client.call(&["EVAL", PAY_BY_COUNTER, "1", "orders"]);
        }
        if orders.len() < 20 || rng.random_ratio(1, 2) {
            let order = format!("{name}-{n}");
            let held = taken(&client.say(&format!("STOCK.RESERVE {pool} {order} {}", rng.random_range(1..4))));
            account.held += held;
            if held > 0 {
                orders.push((pool, order, false));
            }
            continue;
        }
        let at = rng.random_range(0..orders.len());
        let (pool, order, paid) = orders.swap_remove(at);
        let account = accounts.entry(pool.clone()).or_default();
        if paid {
            let back = taken(&client.say(&format!("STOCK.RETURN {pool} {order}")));
            account.sold -= back;
            account.out -= back;
        } else if rng.random_ratio(1, 3) {
            account.held -= taken(&client.say(&format!("STOCK.RELEASE {pool} {order}")));
        } else {
            let sold = taken(&client.say(&format!("STOCK.CONFIRM {pool} {order}")));
            account.held -= sold;
            account.sold += sold;
            account.out += sold;
            orders.push((pool.clone(), order, true));
        }
        if rng.random_ratio(1, 10) {
            let delta = rng.random_range(1..10);
            client.expect(&format!("STOCK.ADD {pool} {delta}"), "[OK, *]");
            account.out -= delta;
        }
    }
    accounts
}

/// Something that runs beside the test until it is over.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}

fn reconcile(client: &mut Client, pool: &str, product: &Product, rest: &str) -> i64 {
    let Product { shelf, epoch, seq, out } = product;
    let answer = client.say(&format!("STOCK.RECONCILE {pool} {shelf} AFTER {epoch} {seq} {out}{rest}"));
    assert_eq!(answer.items()[0].text(), "OK", "{answer}");
    answer.items()[1].int()
}

/// The nightly job: reads the database, subtracts what is unpaid, and sets the counter. By how much
/// it is then wrong.
fn nightly_job(client: &mut Client, database: &Mutex<Database>, pause: Duration) -> i64 {
    let counter = {
        let database = database.lock().expect("the database");
        COUNTER - database.paid - database.open
    };
    std::thread::sleep(pause);
    let done = client.transaction(&[&format!("SET counter {counter}"), "GET truth"]);
    counter - done.items()[1].text().parse::<i64>().expect("a number")
}

#[test]
fn the_database_is_compared_while_sales_run() {
    let rounds = crate::amount(150, 1_000);
    let seed = crate::seed("the_database_is_compared_while_sales_run");
    let mut rng = SmallRng::seed_from_u64(seed);
    let (server, mut c) = Server::start().with_client();
    c.play(&format!("CONFIG SET stock.events feed\n SET counter {COUNTER}\n SET truth {COUNTER}"));
    let pools: Vec<String> = (0..SHELVES.len()).map(|n| format!("sku:{n}")).collect();
    let database = Arc::new(Mutex::new(Database::default()));
    for (pool, shelf) in pools.iter().zip(SHELVES) {
        let product = Product { shelf, ..Product::default() };
        database.lock().expect("the database").products.insert(pool.clone(), product);
        c.expect(&format!("STOCK.SET {pool} {shelf}"), "OK");
    }
    let over = Arc::new(AtomicBool::new(false));
    let sellers: Vec<_> = (0..3)
        .map(|n| {
            let (socket, pools, over) = (server.socket(), pools.clone(), over.clone());
            beside(move || sell(&socket, &format!("s{n}"), &pools, seed ^ n, &over))
        })
        .collect();
    let feed = {
        let (socket, database, over) = (server.socket(), database.clone(), over.clone());
        beside(move || {
            let mut client = Client::unix(&socket).expect("a connection");
            let mut rng = SmallRng::seed_from_u64(seed ^ 99);
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(rng.random_range(0..20)));
                let most = rng.random_range(1..2_000);
                database.lock().expect("the database").follow(&mut client, most);
            }
        })
    };
    wait_until("the database knows all products", || {
        database.lock().expect("the database").products.values().all(|product| product.seq > 0)
    });

    let (mut clean, mut drifted, mut moved_meanwhile) = (0, 0, 0);
    let mut errors = Vec::new();
    for round in 0..rounds {
        let pool = &pools[rng.random_range(0..pools.len())];
        let size = [1, 10, 100, 2_000][rng.random_range(0..4)];
        let units = rng.random_range(1..=size) * if rng.random_ratio(1, 2) { 1 } else { -1 };
        let place = rng.random_range(0..4);
        let steal = |client: &mut Client| {
            client.call(&["EVAL", STEAL, "1", pool, &units.to_string()]);
            -units
        };
        let mut expected = 0;
        if place == 0 {
            expected = steal(&mut c);
        }
        let product = {
            let mut database = database.lock().expect("the database");
            let product = database.products.get_mut(pool).expect("a product");
            if place == 1 {
                // Counted by hand: somebody has taken goods from the shelf, or found some.
                product.shelf += units;
                expected = units;
            }
            product.clone()
        };
        std::thread::sleep(Duration::from_micros(rng.random_range(0..4_000)));
        if place == 2 {
            expected = steal(&mut c);
        }
        assert_eq!(reconcile(&mut c, pool, &product, " DRYRUN"), expected, "{pool}, round {round}: dry");
        assert_eq!(reconcile(&mut c, pool, &product, ""), expected, "{pool}, round {round}");
        assert_eq!(reconcile(&mut c, pool, &product, ""), 0, "{pool}, round {round}: once more");
        *(if expected == 0 { &mut clean } else { &mut drifted }) += 1;
        moved_meanwhile += u64::from(balances(&mut c, pool).out != product.out);
        if round % 5 == 0 {
            errors.push(nightly_job(&mut c, &database, Duration::from_micros(rng.random_range(0..4_000))));
        }
    }

    over.store(true, Ordering::SeqCst);
    let accounts: Vec<Accounts> = sellers.into_iter().map(|seller| seller.join().expect("a seller")).collect();
    feed.join().expect("the feed");
    let mut database = Arc::into_inner(database).expect("all is over").into_inner().expect("the database");
    database.follow(&mut c, 10_000_000);
    let mut sold = 0;
    for pool in &pools {
        let sum = |part: fn(&Account) -> i64| accounts.iter().filter_map(|a| a.get(pool)).map(part).sum::<i64>();
        let now = balances(&mut c, pool);
        let told = (now.reserved, now.sold, now.out);
        assert_eq!(told, (sum(|a| a.held), sum(|a| a.sold), sum(|a| a.out)), "{pool}: what the buyers know");
        assert_eq!(now.on_hand, Some(database.products[pool].shelf), "{pool}: both sides agree");
        c.verify(pool);
        sold += now.sold;
    }
    assert_eq!(database.oversold, 0);
    let wrong = errors.iter().filter(|&&error| error != 0).count();
    let most = errors.iter().map(|error| error.abs()).max().unwrap_or(0);
    println!(
        "{rounds} reconciliations, {clean} without drift, {drifted} with, {moved_meanwhile} while the database was behind; {sold} \
         units sold; the nightly job was wrong {wrong} times of {}, by up to {most} units",
        errors.len()
    );
    assert!(clean * 8 > rounds && drifted * 2 > rounds, "both kinds");
    assert!(moved_meanwhile * 2 > rounds, "the feed is late");
    assert!(wrong * 2 > errors.len(), "the job loses orders that are made while it runs: {errors:?}");
}
