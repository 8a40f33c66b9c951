//! Long runs with big numbers, by `make ledger-campaign`. OPS makes them shorter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use redis::Connection;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{run, RedisServer};
use crate::harness::shop::{assert_agreement, length, open, open_by, settle, Seller};
use crate::harness::{program, signal, wait_until, Shop};

fn ops(default: usize) -> usize {
    std::env::var("OPS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

enum Trouble {
    KillRun,
    RestartRedis,
    StopDatabase,
}

const KILLS: usize = 100;
const RESTARTS: usize = 20;
const STOPS: usize = 10;
const SELLERS: usize = 2;

/// Everything dies, again and again, while the shop sells.
fn storm(kind: Kind) {
    let ops = ops(300_000);
    // Every answered call is in the file: what the kernel has, a killed process does not lose.
    let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let mut shop = Shop::on(redis, Database::alone(kind));
    open(&shop, 300, 2_000);
    let port = shop.redis.port;
    let mut server = shop.database.take_server();
    let connect = move || loop {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0")).expect("a URL");
        if let Ok(mut connection) = client.get_connection() {
            let _ = connection.set_read_timeout(Some(Duration::from_secs(20)));
            if redis::cmd("PING").query::<String>(&mut connection).is_ok() {
                return connection;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let done = AtomicUsize::new(0);
    let began = Instant::now();
    let redis = Mutex::new(shop.redis);
    // The configuration is written: commands need no more of the shop than its directory.
    let dir = shop.dir.path().to_path_buf();
    let follow = || {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("run.log")).expect("a log");
        std::process::Command::new(program())
            .args(["--config", dir.join("stock-ledger.toml").to_str().expect("a path"), "run"])
            .stderr(log)
            .spawn()
            .expect("stock-ledger run")
    };
    let mut counts = [0; 3];
    std::thread::scope(|scope| {
        for seller in 0..SELLERS {
            let done = &done;
            scope.spawn(move || {
                let mut seller = Seller::new(&format!("s{seller}"), 300, seller as u64);
                let mut left = ops / SELLERS;
                while left > 0 {
                    let some = left.min(100);
                    seller.sell(some, &mut || connect());
                    left -= some;
                    done.fetch_add(some, Ordering::Relaxed);
                }
            });
        }
        let mut troubles: Vec<Trouble> = Vec::new();
        troubles.extend((0..KILLS).map(|_| Trouble::KillRun));
        troubles.extend((0..RESTARTS).map(|_| Trouble::RestartRedis));
        troubles.extend((0..STOPS).map(|_| Trouble::StopDatabase));
        let mut rng = SmallRng::seed_from_u64(9);
        troubles.shuffle(&mut rng);
        let steps = troubles.len() + 1;
        let mut follower = follow();
        for (n, trouble) in troubles.iter().enumerate() {
            let at = (n + 1) * (ops / SELLERS * SELLERS) / steps;
            while done.load(Ordering::Relaxed) < at {
                std::thread::sleep(Duration::from_millis(2));
                assert!(follower.try_wait().expect("its state").is_none(), "run ended by itself");
            }
            match trouble {
                Trouble::KillRun => {
                    counts[0] += 1;
                    std::thread::sleep(Duration::from_millis(rng.random_range(0..30)));
                    let _ = follower.kill();
                    let _ = follower.wait();
                    follower = follow();
                }
                Trouble::RestartRedis => {
                    counts[1] += 1;
                    let mut redis = redis.lock().expect("Redis");
                    redis.kill();
                    redis.start_again();
                }
                Trouble::StopDatabase => {
                    counts[2] += 1;
                    stop_database(server.as_mut(), &shop.database);
                }
            }
        }
        while done.load(Ordering::Relaxed) < ops / SELLERS * SELLERS {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut c = connect();
        settle(&mut c);
        let sold = began.elapsed();
        let length: i64 = redis::cmd("XLEN").arg("events").query(&mut c).expect("XLEN");
        // What is behind is read, by the one that still lives.
        let deadline = Instant::now() + Duration::from_secs(600);
        while shop.database.number("SELECT applied FROM stock_streams") < length && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
        }
        signal(follower.id(), "TERM");
        assert!(follower.wait().expect("an end").success());
        println!(
            "{kind:?}: {ops} calls in {:.0} s, {length} events, caught up after {:.0} s; run killed {}, Redis killed {}, database stopped {} times",
            sold.as_secs_f64(), began.elapsed().as_secs_f64(), counts[0], counts[1], counts[2]
        );
    });
    shop.redis = redis.into_inner().expect("Redis");
    let mut c = shop.redis.connect();
    let length = length(&shop);
    assert_eq!(shop.database.number("SELECT applied FROM stock_streams"), length);
    assert_agreement(&shop, &mut c);
    let incidents = shop.database.rows("SELECT kind, COUNT(*) FROM stock_incidents GROUP BY kind");
    println!("{kind:?}: both agree to the unit, every order once; incidents {incidents:?}");
    assert!(incidents.is_empty());
    shop.ledger(&["audit"]).ok();
    shop.ledger(&["reconcile", "--dry-run"]).ok().out_has("300 pools agreed");
    drop(server);
}

/// A server is killed and started again after a moment. A file has no server: it is locked, so long
/// that writers give up.
fn stop_database(server: Option<&mut crate::harness::databases::Server>, database: &Database) {
    if let Some(server) = server {
        server.kill();
        std::thread::sleep(Duration::from_millis(500));
        server.start_again();
    } else {
        database.lock_for(Duration::from_secs(11));
    }
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn storm_on_sqlite() {
    storm(Kind::Sqlite);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn storm_on_postgres() {
    storm(Kind::Postgres);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn storm_on_mariadb() {
    storm(Kind::MariaDb);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn operators_while_it_sells() {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        let began = Instant::now();
        crate::operators::operators(&Shop::new(Database::alone(kind)), 50, ops(30_000) / 10);
        println!("{kind:?}: 50 operators, {:.1} s", began.elapsed().as_secs_f64());
    }
}

/// One row of many does not take what is written to it, for 10,000 events, while `run` is killed:
/// all others go on; then it is well again, and takes what waited, in order.
fn one_broken_row(kind: Kind) {
    let shop = Shop::with(Database::alone(kind), "[run]\nbatch = 200\n");
    open(&shop, 5, 1_000_000);
    let (refuse, mend): (&[&str], &str) = match kind {
        Kind::Sqlite => (
            &["CREATE TRIGGER refuse BEFORE UPDATE ON stock WHEN OLD.sku = '3' \
               BEGIN SELECT RAISE(ABORT, 'no'); END"],
            "DROP TRIGGER refuse",
        ),
        Kind::Postgres => (
            &[
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN IF OLD.sku = ''3'' THEN RAISE ''no''; END IF; RETURN NEW; END'",
                "CREATE TRIGGER refuse BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION refuse()",
            ],
            "DROP TRIGGER refuse ON stock",
        ),
        Kind::MariaDb => (
            &["CREATE TRIGGER refuse BEFORE UPDATE ON stock FOR EACH ROW \
               IF OLD.sku = '3' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"],
            "DROP TRIGGER refuse",
        ),
    };
    for sql in refuse {
        shop.database.execute(sql);
    }
    let events = ops(10_000) as i64;
    let mut seller = Seller::new("s", 5, 21);
    let mut follower = shop.follow(&[]);
    let mut c = shop.redis.connect();
    let broken = |c: &mut Connection| crate::harness::redis_server::field(c, "sku:3", "seq");
    for kill in 1.. {
        seller.sell(500, &mut || shop.redis.connect());
        if broken(&mut c) > events {
            break;
        }
        if kill % 10 == 0 {
            let _ = follower.kill();
            let _ = follower.wait();
            follower = shop.follow(&[]);
        }
    }
    settle(&mut c);
    let length = length(&shop);
    let applied = "SELECT applied FROM stock_streams";
    wait_until("all is applied", || shop.database.number(applied) == length);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '3'"), 1_000_000);
    let waiting = shop.database.rows("SELECT pool, COUNT(*) FROM stock_pending GROUP BY pool");
    println!("{kind:?}: {length} events, {} of the broken row; waiting: {waiting:?}", broken(&mut c));
    assert_eq!((waiting.len(), waiting[0][0].as_str()), (1, "sku:3"));
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents"), 1);
    // The others are right, and so is this one less what waits.
    assert_agreement(&shop, &mut c);
    shop.ledger(&["retry"]).with(1);
    shop.database.execute(mend);
    shop.ledger(&["retry"]).ok().out_has("of 1 pools were applied");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_pending"), 0);
    assert_eq!(shop.database.number("SELECT SUM(uncovered) FROM stock_positions"), 0);
    assert_agreement(&shop, &mut c);
    shop.end(follower);
    shop.ledger(&["reconcile"]).ok();
    shop.ledger(&["audit"]).ok();
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn one_row_is_broken_for_long() {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        one_broken_row(kind);
    }
}

/// Sells fast: what is measured is the feed, not the sale.
fn fill(c: &mut Connection, skus: usize, orders: usize) {
    for first in (0..orders).step_by(500) {
        let mut pipeline = redis::Pipeline::new();
        for n in first..(first + 500).min(orders) {
            let (pool, order) = (format!("sku:{}", n % skus), format!("order-{n}"));
            let user = n.to_string();
            pipeline.cmd("STOCK.RESERVE").arg(&pool).arg(&order).arg(1).arg("FOR").arg("user").arg(&user).ignore();
            pipeline.cmd("STOCK.CONFIRM").arg(&pool).arg(&order).ignore();
        }
        pipeline.exec(c).expect("sold");
    }
}

/// CPU seconds of this process and of those that it has waited for: user and system.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("statistics");
    // Behind the name, which may hold anything, stand the numbers; in hundredths of a second.
    let numbers = stat.rsplit_once(')').expect("a name").1;
    let ticks: Vec<f64> = numbers.split_whitespace().skip(11).take(4).map(|n| n.parse().expect("ticks")).collect();
    ((ticks[0] + ticks[1]) / 100.0, (ticks[2] + ticks[3]) / 100.0)
}

/// CPU seconds of Redis.
fn server_cpu_seconds(c: &mut Connection) -> f64 {
    let info: String = redis::cmd("INFO").arg("cpu").query(c).expect("INFO");
    let of = |name: &str| info.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok()).expect("seconds");
    of("used_cpu_user:") + of("used_cpu_sys:")
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// One `run --once` by a program: seconds, and CPU seconds of the program.
fn run_once(program: &std::path::Path, shop: &Shop) -> (f64, f64) {
    let (served, (_, cpu)) = (shop.database.server_cpu_seconds(), cpu_seconds());
    let began = Instant::now();
    shop.by(program, &["run", "--once"]).ok();
    let (took, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds().1 - cpu);
    let served = shop.database.server_cpu_seconds() - served;
    let (kind, program) = (shop.database.kind, program.display());
    println!("{kind:?}: {program}: CPU of the program {cpu:.2} s, of the server {served:.2} s");
    (took, cpu)
}

/// So much of the bare loop's rate `run` has at least, which also starts, reads the stream from
/// Redis and understands it: on PostgreSQL that takes more CPU than the statements do.
const LEAST_OF_BARE: f64 = 0.25;

/// Events a second, beside a bare loop that sends the same statements in the same batches through
/// the same driver, as durably: prepared before the clock starts, without Redis, without a thought.
/// `run` starts, connects, reads the stream and ends within its time. Five rounds, which of the two
/// comes first changes; the median counts. STOCK_LEDGER_OLD names an older build, which reads the
/// same stream into a database of its own, alternating.
fn throughput(kind: Kind) {
    let events = ops(100_000);
    let (mut walls, mut cpus, mut rates, mut gains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let old = std::env::var_os("STOCK_LEDGER_OLD").map(std::path::PathBuf::from);
    for round in 0..5 {
        let shop = Shop::new(Database::alone(kind));
        let mut c = open(&shop, 1000, 1_000_000);
        let old_shop = old.as_ref().map(|program| {
            let old_shop = Shop::new(Database::alone(kind));
            old_shop.write_config(&shop.redis.url());
            open_by(program, &old_shop, 1000, 1_000_000);
            old_shop
        });
        fill(&mut c, 1000, events / 2);
        let length = length(&shop);
        let bare_shop = Shop { redis: shop.redis, ..Shop::new(Database::alone(kind)) };
        bare_shop.write_config(&bare_shop.redis.url());
        open(&bare_shop, 1000, 1_000_000);
        let shop = Shop { redis: RedisServer::start(&[]), ..shop };
        shop.write_config(&bare_shop.redis.url());
        let ours = || run_once(&program(), &shop);
        let old_run = || Some(run_once(old.as_ref()?, old_shop.as_ref()?).0);
        let prepared = crate::harness::bare::prepare(&bare_shop);
        let bare = || {
            let (cpu, _) = cpu_seconds();
            let wall = crate::harness::bare::run(&bare_shop, &prepared).as_secs_f64();
            (wall, cpu_seconds().0 - cpu)
        };
        // Which comes first changes.
        let (old_s, ((ours_s, ours_cpu_s), (bare_s, bare_cpu_s))) = if round % 2 == 0 {
            let o = ours();
            (old_run(), (o, bare()))
        } else {
            let b = bare();
            let old_s = old_run();
            (old_s, (ours(), b))
        };
        let n = length as f64;
        let read_s = crate::harness::bare::read(&bare_shop).as_secs_f64();
        println!("{kind:?}: reading the stream alone: {:.0}/s", n / read_s);
        if let Some(old_s) = old_s {
            println!("{kind:?}: the older build {:.0}/s; this one is {:.2} times as fast", n / old_s, old_s / ours_s);
            gains.push(old_s / ours_s);
        }
        println!(
            "{kind:?}: {length} events; {:.0}/s, bare loop {:.0}/s, ratio {:.2}; CPU of the program {ours_cpu_s:.2} s, of the bare loop {bare_cpu_s:.2} s",
            n / ours_s,
            n / bare_s,
            bare_s / ours_s
        );
        walls.push(bare_s / ours_s);
        cpus.push(bare_cpu_s / ours_cpu_s);
        rates.push(n / ours_s);
        let sums = "SELECT CAST(SUM(on_hand) AS BIGINT) FROM stock";
        let sums = if kind == Kind::MariaDb { "SELECT CAST(SUM(on_hand) AS SIGNED) FROM stock" } else { sums };
        for shop in [&shop, &bare_shop].into_iter().chain(&old_shop) {
            assert_eq!(shop.database.number(sums), 1_000_000_000 - (events / 2) as i64);
        }
        let lines = "SELECT COUNT(*) FROM stock_lines WHERE state = 'confirmed'";
        assert_eq!(shop.database.number(lines), (events / 2) as i64);
        assert_eq!(bare_shop.database.number(lines), (events / 2) as i64);
    }
    let (ratio, cpu, rate) = (median(&mut walls), median(&mut cpus), median(&mut rates));
    println!("{kind:?}: medians: {rate:.0} events/s, ratio {ratio:.2}, of CPU {cpu:.2}");
    if !gains.is_empty() {
        println!("{kind:?}: median: {:.2} times as fast as the older build", median(&mut gains));
    }
    assert!(ratio >= LEAST_OF_BARE);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn throughput_on_sqlite() {
    throughput(Kind::Sqlite);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn throughput_on_postgres() {
    throughput(Kind::Postgres);
}

#[test]
#[ignore = "long: make ledger-campaign"]
fn throughput_on_mariadb() {
    throughput(Kind::MariaDb);
}

/// One `preload` by a program: seconds in all, and CPU seconds of the program, of Redis and of the
/// database's server.
fn preloaded(kind: Kind, program: &std::path::Path, rows: usize) -> [f64; 4] {
    let shop = Shop::new(Database::alone(kind));
    shop.by(program, &["init"]).ok();
    let numbers = match kind {
        Kind::Sqlite => format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {rows}) INSERT INTO stock (sku, on_hand) SELECT CAST(i AS TEXT), 10 FROM n"),
        Kind::Postgres => format!("INSERT INTO stock (sku, on_hand) SELECT CAST(i AS TEXT), 10 FROM generate_series(1, {rows}) AS n(i)"),
        Kind::MariaDb => format!("INSERT INTO stock (sku, on_hand) SELECT CAST(seq AS CHAR), 10 FROM seq_1_to_{rows}"),
    };
    shop.database.execute(&numbers);
    let mut c = shop.redis.connect();
    let (served, (_, cpu), redis) = (shop.database.server_cpu_seconds(), cpu_seconds(), server_cpu_seconds(&mut c));
    let began = Instant::now();
    let out = shop.by(program, &["preload"]).ok().out;
    let took = began.elapsed();
    let cpu = cpu_seconds().1 - cpu;
    let measured =
        [took.as_secs_f64(), cpu, server_cpu_seconds(&mut c) - redis, shop.database.server_cpu_seconds() - served];
    assert!(out.contains(&format!("{rows} rows: {rows} pools made, 0 existed already")), "{out}");
    assert!(took < Duration::from_secs(60));
    let count: i64 = redis::cmd("DBSIZE").query(&mut c).expect("DBSIZE");
    assert_eq!(count, rows as i64 + 1);
    run(&mut c, &["FLUSHALL"]);
    measured
}

/// A million rows become pools; with STOCK_LEDGER_OLD those of an older build as well, in a
/// database and a Redis of its own, alternating. STOCK_MODULE_OLD is the module that this Redis
/// has. ROUNDS says how often; the median counts.
#[test]
#[ignore = "long: make ledger-campaign"]
fn a_million_rows_are_preloaded() {
    let rows = ops(1_000_000);
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let old = std::env::var_os("STOCK_LEDGER_OLD").map(std::path::PathBuf::from);
    let old_module = std::env::var_os("STOCK_MODULE_OLD").filter(|_| old.is_some());
    let module = testkit::server::module();
    let programs: Vec<std::path::PathBuf> = old.into_iter().chain([program()]).collect();
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        let mut measured: Vec<Vec<[f64; 4]>> = vec![Vec::new(); programs.len()];
        for round in 0..rounds {
            for at in 0..programs.len() {
                // Which comes first changes.
                let at = if round % 2 == 0 { at } else { programs.len() - 1 - at };
                // Campaigns run one after the other, so nobody else starts a server meanwhile.
                std::env::set_var("STOCK_MODULE", old_module.as_ref().filter(|_| at == 0).unwrap_or(&module));
                measured[at].push(preloaded(kind, &programs[at], rows));
                std::env::set_var("STOCK_MODULE", &module);
            }
        }
        for (program, of_program) in programs.iter().zip(&measured) {
            let middle =
                |value: &dyn Fn(&[f64; 4]) -> f64| median(&mut of_program.iter().map(value).collect::<Vec<f64>>());
            println!(
                "{kind:?}, {}: {rows} rows, medians of {rounds}: {:.2} s; CPU of the program {:.2} s, of Redis {:.2} s, \
                 of the database {:.2} s, in all {:.2} s",
                program.display(),
                middle(&|m| m[0]),
                middle(&|m| m[1]),
                middle(&|m| m[2]),
                middle(&|m| m[3]),
                middle(&|m| m[1] + m[2] + m[3])
            );
        }
    }
}

/// A failover under load: the replica stops following, a second later the primary dies, and the
/// shop goes on.
#[test]
#[ignore = "long: make ledger-campaign"]
fn failovers_under_load() {
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MariaDb] {
        let mut shop = Shop::new(Database::alone(kind));
        open(&shop, 100, 20_000);
        let mut shown = String::new();
        for round in 0..3u64 {
            let mut next = RedisServer::start(&[]);
            next.replicate(&shop.redis);
            let mut follower = shop.follow(&[]);
            Seller::new(&format!("a{round}"), 100, round).sell(ops(30_000) / 3, &mut || shop.redis.connect());
            next.catch_up(&shop.redis);
            run(&mut next.connect(), &["REPLICAOF", "NO", "ONE"]);
            // The lost second.
            let until = Instant::now() + Duration::from_secs(1);
            let mut seller = Seller::new(&format!("b{round}"), 100, 50 + round);
            let mut lost = 0;
            while Instant::now() < until {
                seller.sell(100, &mut || shop.redis.connect());
                lost += 100;
            }
            wait_until("the database has seen some of it", || {
                shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE order_id LIKE 'b%'") > 0
            });
            std::mem::swap(&mut shop.redis, &mut next);
            next.kill();
            signal(follower.id(), "TERM");
            let _ = follower.wait();
            shop.write_config(&shop.redis.url());
            let follower = shop.follow(&[]);
            Seller::new(&format!("c{round}"), 100, 90 + round).sell(2000, &mut || shop.redis.connect());
            shop.end(follower);
            let mut c = shop.redis.connect();
            settle(&mut c);
            shop.ledger(&["reconcile"]).with(3);
            shop.ledger(&["run", "--once"]).ok();
            let repaired = shop.ledger(&["audit", "--repair"]);
            assert!(repaired.code <= 1, "{}{}", repaired.out, repaired.err);
            shown.push_str(&repaired.out);
            let last = repaired.out.lines().last().unwrap_or_default().to_string();
            let out = shop.ledger(&["reconcile"]).ok().out;
            println!("{kind:?}: {lost} calls lost; {last} {}", out.lines().last().unwrap_or_default());
            shop.ledger(&["reconcile", "--dry-run"]).ok().out_has("100 pools agreed");
            let differing: Vec<String> = crate::harness::shop::differences(&shop, &mut c)
                .into_iter()
                .filter(|d| !d.contains("\"lost\"") && !listed(&shown, d))
                .collect();
            assert!(differing.is_empty(), "{differing:#?}");
        }
    }
}

/// Whether the audit has listed the order of a difference.
fn listed(audit: &str, difference: &str) -> bool {
    difference.split([' ', ':']).nth(2).is_some_and(|order| audit.contains(order))
}
