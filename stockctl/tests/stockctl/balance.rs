//! `stockctl balance` in a real cluster: buyers in three buckets of three primaries, balancers that
//! are killed.

use std::process::Stdio;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::harness::command;
use stock_balance::bucket_of;
use testkit::cluster::{tag_of, Cluster, PRIMARIES};
use testkit::{info, status_word, wait_until, Client, Running, Server};

const NAME: &str = "sku";
const UNITS: i64 = 900;
/// How long a buyer waits for units of other buckets.
const PATIENCE: Duration = Duration::from_secs(3);

struct Sale {
    cluster: Cluster,
    buckets: Vec<String>,
}

impl Sale {
    /// All units are in the first bucket.
    fn open(units: i64) -> Sale {
        let cluster = Cluster::steady();
        let buckets: Vec<String> = (0..PRIMARIES).map(|n| format!("{{{}}}{NAME}", tag_of(n))).collect();
        let sale = Sale { cluster, buckets };
        for (n, key) in sale.buckets.iter().enumerate() {
            let mut c = sale.at(key);
            c.expect(&format!("STOCK.SET {key} {}", if n == 0 { units } else { 0 }), "OK");
            c.expect(&format!("STOCK.LIMIT {key} user 5"), "OK");
        }
        let list: Vec<String> = sale.buckets.iter().map(|key| format!("\"{key}\"")).collect();
        let config = format!(r#"{{"version":1,"by":"user","buckets":[{}]}}"#, list.join(","));
        sale.config().call(&["SET", &own("shards"), &config]);
        sale
    }

    fn at(&self, key: &str) -> Client {
        self.cluster.client(self.cluster.owner(key))
    }

    fn config(&self) -> Client {
        self.at(&own("shards"))
    }

    fn balancer(&self) -> Running {
        self.balancer_that_looks(50)
    }

    /// One that looks so often when nothing wakes it.
    fn balancer_that_looks(&self, every_ms: u64) -> Running {
        self.balancer_with(&[], every_ms)
    }

    fn balancer_with(&self, options: &[&str], every_ms: u64) -> Running {
        let ports = self.cluster.ports();
        let urls: Vec<String> = ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
        let (urls, every) = (urls.join(","), every_ms.to_string());
        let mut command = command(&[options, &["--url", &urls, "balance", NAME, "--every", &every]].concat());
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"))
    }

    /// Buys until the sum is sold out; what was sold, and how long the slowest buyer waited who got
    /// something.
    fn buy(&self, buyers: u64, sold: &AtomicI64, waits_us: &AtomicU64) {
        let mut clients: Vec<Client> = self.buckets.iter().map(|key| self.at(key)).collect();
        let mut config = self.config();
        for n in 0.. {
            let user = format!("{buyers}-{n}");
            let at = bucket_of(user.as_bytes(), self.buckets.len() as u32) as usize;
            let began = Instant::now();
            loop {
                let call = format!("STOCK.RESERVE {} o-{user} 1 EX 900 FOR user {user}", self.buckets[at]);
                let answer = clients[at].say(&call);
                match status_word(&answer).as_str() {
                    "OK" => {
                        sold.fetch_add(1, Ordering::Relaxed);
                        waits_us.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                        break;
                    }
                    "SOLDOUT" => {}
                    other => panic!("{other}: {answer}"),
                }
                if left(&mut config) == Some(0) {
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "a buyer who is neither served nor told that it is sold out");
                config.call(&["RPUSH", &own("asks"), &format!("[\"o-{user}\",{at},1]")]);
                sleep(Duration::from_millis(4));
            }
        }
    }
}

/// What all buckets have, as a balancer says it.
fn left(c: &mut Client) -> Option<i64> {
    c.say(&format!("GET {}", own("left"))).to_string().trim_matches('"').parse().ok()
}

fn own(what: &str) -> String {
    format!("{{{NAME}}}{what}")
}

/// Undersell 0, oversell 0: while balancers are killed, and started again.
#[test]
fn every_unit_is_sold_once_whoever_dies() {
    let sale = Sale::open(UNITS);
    let mut balancers: Vec<Running> = (0..2).map(|_| sale.balancer()).collect();
    wait_until("a balancer is at work", || left(&mut sale.config()) == Some(UNITS));
    let (sold, slowest_us) = (AtomicI64::new(0), AtomicU64::new(0));
    scope(|threads| {
        let buyers: Vec<_> = (0..4)
            .map(|n| {
                threads.spawn({
                    let (sale, sold, slowest) = (&sale, &sold, &slowest_us);
                    move || sale.buy(n, sold, slowest)
                })
            })
            .collect();
        for round in 0.. {
            sleep(Duration::from_millis(150));
            if buyers.iter().all(|buyer| buyer.is_finished()) {
                break;
            }
            // One of them, in the middle of whatever it does.
            balancers[round % 2] = sale.balancer();
        }
    });
    drop(balancers);
    assert_eq!(sold.load(Ordering::Relaxed), UNITS);
    let mut reserved = 0;
    for key in &sale.buckets {
        let mut c = sale.at(key);
        c.expect_pool(key, "shortfall=0 available=0");
        reserved += c.get(key, "reserved").parse::<i64>().expect("a number");
        c.verify(key);
    }
    assert_eq!(reserved, UNITS);
    eprintln!("the slowest buyer who got something waited {} ms", slowest_us.load(Ordering::Relaxed) / 1_000);
}

/// What one buyer is told, who does what the guide says; and how long it took.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Reserved,
    /// A balancer says that the buckets have less than that together.
    SoldOut,
    /// No balancer is at work: it is the bucket's own answer.
    SoldOutHere,
}

impl Sale {
    fn buy_one(&self, order: &str, at: usize) -> (Told, Duration) {
        let (mut bucket, mut config) = (self.at(&self.buckets[at]), self.config());
        let call = format!("STOCK.RESERVE {} {order} 1 EX 900 FOR user {order}", self.buckets[at]);
        let began = Instant::now();
        loop {
            match status_word(&bucket.say(&call)).as_str() {
                "OK" => return (Told::Reserved, began.elapsed()),
                "SOLDOUT" => {}
                other => panic!("{other}"),
            }
            match left(&mut config) {
                None => return (Told::SoldOutHere, began.elapsed()),
                Some(0) => return (Told::SoldOut, began.elapsed()),
                Some(_) => assert!(began.elapsed() < PATIENCE, "neither served nor told that it is sold out"),
            }
            config.call(&["RPUSH", &own("asks"), &format!("[\"{order}\",{at},1]")]);
            sleep(Duration::from_millis(1));
        }
    }
}

/// p99 of those whose bucket is empty while another has some: below 50 ms. Where a PING alone takes
/// long now and then the machine is busy with other things, and nothing is judged but that
/// everybody is served. The balancer looks by itself only once a minute: it is the buyers who wake
/// it.
#[test]
fn a_buyer_whose_bucket_is_empty_is_served_within_50_ms() {
    const BUYERS: usize = 150;
    // So few lie in the first bucket that none is shifted before somebody asks.
    let sale = Sale::open(2);
    let balancer = sale.balancer_that_looks(50);
    wait_until("a balancer is at work", || left(&mut sale.config()) == Some(2));
    drop(balancer);
    let _asked_only = (sale.balancer_that_looks(60_000), sale.balancer_that_looks(60_000));
    let (mut first, mut config) = (sale.at(&sale.buckets[0]), sale.config());
    let p99 = |waits: &mut Vec<Duration>| {
        waits.sort_unstable();
        waits[waits.len() * 99 / 100]
    };
    let mut measured = Vec::new();
    let mut is_busy = false;
    for round in 0..3 {
        let (mut waits, mut pings) = (Vec::new(), Vec::new());
        for n in 0..BUYERS {
            sleep(Duration::from_millis(1));
            let began = Instant::now();
            config.call(&["PING"]);
            pings.push(began.elapsed());
            first.expect(&format!("STOCK.ADD {} 1", sale.buckets[0]), "[OK, *]");
            // The balancers look too seldom here to say it themselves.
            config.call(&["SET", &own("left"), "3"]);
            let (told, took) = sale.buy_one(&format!("o-{round}-{n}"), 1 + n % 2);
            assert_eq!(told, Told::Reserved);
            waits.push(took);
        }
        let (ping, wait) = (p99(&mut pings), p99(&mut waits));
        let (half, worst) = (waits[BUYERS / 2], waits[BUYERS - 1]);
        measured.push(format!("p50 {half:?}, p99 {wait:?}, worst {worst:?}; p99 of a PING {ping:?}"));
        if wait <= Duration::from_millis(50) {
            eprintln!("{measured:?}");
            return;
        }
        is_busy |= ping > Duration::from_millis(4);
    }
    assert!(is_busy, "{measured:?}");
    eprintln!("a busy machine, not judged: {measured:?}");
}

/// "Sold out" is final where it is true of the sum, a delivery anywhere clears it, and without a
/// balancer each bucket sells what it has and says so of itself.
#[test]
fn sold_out_is_final_until_a_delivery_and_a_bucket_sells_on_alone() {
    let sale = Sale::open(2);
    let balancer = sale.balancer();
    wait_until("a balancer is at work", || left(&mut sale.config()) == Some(2));
    // The last two are in the first bucket, and are found from the second.
    for n in 0..2 {
        assert_eq!(sale.buy_one(&format!("last-{n}"), 1).0, Told::Reserved);
    }
    wait_until("nothing is left", || left(&mut sale.config()) == Some(0));
    for at in 0..sale.buckets.len() {
        assert_eq!(sale.buy_one(&format!("late-{at}"), at).0, Told::SoldOut);
    }
    // What is delivered to the third bucket is had in the first.
    let third = &sale.buckets[2];
    sale.at(third).expect(&format!("STOCK.ADD {third} 1"), "[OK, *]");
    wait_until("the delivery shows", || left(&mut sale.config()) == Some(1));
    assert_eq!(sale.buy_one("early", 0).0, Told::Reserved);
    wait_until("nothing is left", || left(&mut sale.config()) == Some(0));
    assert_eq!(sale.buy_one("again", 0).0, Told::SoldOut);
    // Nobody balances: what was said of the sum is forgotten, and each bucket speaks for itself.
    drop(balancer);
    wait_until("nobody speaks for the sum", || left(&mut sale.config()).is_none());
    sale.at(third).expect(&format!("STOCK.ADD {third} 1"), "[OK, *]");
    assert_eq!(sale.buy_one("alone-0", 0).0, Told::SoldOutHere);
    assert_eq!(sale.buy_one("alone-2", 2).0, Told::Reserved);
    // Who begins to balance finds what was asked for meanwhile.
    sale.at(third).expect(&format!("STOCK.ADD {third} 1"), "[OK, *]");
    let _balancer = sale.balancer();
    wait_until("a balancer is at work", || left(&mut sale.config()) == Some(1));
    assert_eq!(sale.buy_one("alone-0", 0).0, Told::Reserved);
}

/// Buyers wake it however seldom it looks, and however long nobody has asked: here longer than it
/// waits for an answer.
#[test]
fn buyers_wake_a_balancer_that_has_slept_for_long() {
    let sale = Sale::open(2);
    let _balancer = sale.balancer_with(&["--timeout", "1"], 60_000);
    let third = &sale.buckets[2];
    for n in 0..2 {
        sleep(Duration::from_millis(2_500));
        sale.config().call(&["RPUSH", &own("asks"), &format!("[\"o-{n}\",2,1]")]);
        let began = Instant::now();
        let call = format!("STOCK.RESERVE {third} o-{n} 1 EX 900 FOR user o-{n}");
        wait_until("the buyer is served", || status_word(&sale.at(third).say(&call)) == "OK");
        assert!(began.elapsed() < Duration::from_secs(20), "by its look, after a minute");
    }
}

/// Where servers publish keyspace events, a delivery shows at once, and not with the next look.
#[test]
fn a_delivery_wakes_it() {
    let sale = Sale::open(0);
    for node in 0..PRIMARIES {
        sale.cluster.client(node).expect("CONFIG SET notify-keyspace-events Ed", "OK");
    }
    let _balancer = sale.balancer_that_looks(60_000);
    let third = &sale.buckets[2];
    let began = Instant::now();
    let (mut delivered, mut shown) = (0, 0);
    // When it begins to listen it looks, too; what it says is forgotten after two seconds.
    wait_until("five deliveries show", || {
        delivered = delivered % 11 + 1;
        sale.at(third).expect(&format!("STOCK.SET {third} 0"), "OK");
        sale.at(third).expect(&format!("STOCK.ADD {third} {delivered}"), "[OK, *]");
        sleep(Duration::from_millis(200));
        shown += i32::from(left(&mut sale.config()) == Some(delivered));
        shown == 5
    });
    assert!(began.elapsed() < Duration::from_secs(30), "by its look, after a minute");
}

/// While the primary of one bucket is gone, the others are served.
#[test]
fn a_bucket_that_is_gone_holds_up_no_other() {
    let mut sale = Sale::open(30);
    let home = sale.cluster.owner(&own("shards"));
    let gone = if home == 2 { 1 } else { 2 };
    let (key, other) = (sale.buckets[gone].clone(), sale.buckets[3 - gone].clone());
    let _balancer = sale.balancer();
    wait_until("a balancer is at work", || left(&mut sale.config()) == Some(30));
    let node = sale.cluster.owner(&key);
    sale.cluster.nodes[node].kill();
    // All that the other bucket has, and more.
    let (mut at_other, mut config) = (sale.cluster.client(3 - gone), sale.cluster.client(home));
    let mut buy = |n: u32| {
        let call = format!("STOCK.RESERVE {other} o-{n} 1 EX 900 FOR user o-{n}");
        wait_until("the buyer is served", || {
            let answer = status_word(&at_other.say(&call));
            if answer == "SOLDOUT" {
                config.call(&["RPUSH", &own("asks"), &format!("[\"o-{n}\",{},1]", 3 - gone)]);
                sleep(Duration::from_millis(5));
            }
            answer == "OK"
        });
    };
    (0..15).for_each(&mut buy);
    // What the missing one had last counts, so nobody hears that it is sold out.
    wait_until("the sum is known", || left(&mut sale.config()) == Some(15));
    sale.cluster.nodes[node].start_again();
    (15..30).for_each(&mut buy);
    wait_until("all is sold", || left(&mut sale.config()) == Some(0));
}

/// Who has only the name of a sharded pool that is not there is told so; `--once` ends what was
/// begun, with the rights that the page gives it.
#[test]
fn once_ends_what_was_begun() {
    let (server, mut c) = Server::on_port(&[]).with_client();
    let page = std::fs::read_to_string("../docs/operating/stockctl.md").expect("the page");
    let user = page.lines().find(|line| line.starts_with("ACL SETUSER balancer")).expect("its user");
    c.expect(&user.replace("sku:618", "x"), "OK");
    let url = format!("redis://balancer:CHANGE-ME@127.0.0.1:{}", server.port());
    let once = || crate::harness::ended(&mut command(&["--url", &url, "balance", "x", "--once", "--wait", "0"]));
    once().with(1).err_has("there is no {x}shards");
    c.call(&["SET", "{x}shards", r#"{"version":1,"by":"user","buckets":["{b0}x","{b0}x"]}"#]);
    once().with(2).err_has("{x}shards names the bucket {b0}x twice");
    c.call(&["SET", "{x}shards", r#"{"version":1,"by":"user","buckets":["{b0}x","{b1}x"]}"#]);
    c.expect("STOCK.SET {b0}x 10", "OK");
    once().with(1).err_has("the bucket {b1}x is not there");
    c.expect("STOCK.SET {b1}x 0", "OK");
    // Somebody died between the halves; and a failover of b1 has lost what it had sent.
    c.expect("STOCK.SHIFT {b0}x TO {b1}x 2", "[OK, 8, 8]");
    c.expect("STOCK.SHIFT {b0}x FROM {b1}x 3", "[OK, 11, 11]");
    c.expect("STOCK.LIMIT {b0}x region 5", "OK");
    c.expect("STOCK.LIMIT {b1}x region 5", "OK");
    c.expect("STOCK.SHIFT {b0}x TO {b1}x 1 LIMIT region FOR eu", "[OK, 4, 4]");
    once().with(0);
    // The three are taken off b1, the two arrive there; what it owes is made good, and it is filled
    // up. There are ten, as at the beginning.
    c.expect_pool("{b0}x", "on_hand=5 shifted=-5");
    c.expect_pool("{b1}x", "on_hand=5 shifted=5");
    assert_eq!(c.say("STOCK.USAGE {b1}x FOR region eu").items()[0].field("max").int(), 6);
    assert_eq!(c.say("GET {x}left").text(), "10");
}

/// What a bucket owes since a failover is made good out of the others before more is sold.
#[test]
fn what_a_bucket_owes_is_made_good() {
    let (server, mut c) = Server::on_port(&[]).with_client();
    c.call(&["SET", "{x}shards", r#"{"version":1,"by":"user","buckets":["{b0}x","{b1}x"]}"#]);
    c.expect("STOCK.SET {b0}x 4", "OK");
    c.expect("STOCK.SET {b1}x 2", "OK");
    // A failover of b0 has lost that it had sent three; then all that it had was sold.
    c.expect("STOCK.SHIFT {b1}x FROM {b0}x 3", "[OK, 5, 5]");
    c.expect("STOCK.RESERVE {b0}x o 4 EX 900 FOR user 1", "[OK, 4, 0, *]");
    crate::harness::run(&server, &["balance", "x", "--once"]).with(0);
    c.expect_pool("{b0}x", "reserved=4 available=0 shortfall=0");
    c.expect_pool("{b1}x", "available=2 shortfall=0");
    assert_eq!(c.say("GET {x}left").text(), "2");
}

/// What shifts in one round goes to each server together: being woken is most of what a call costs
/// it.
#[test]
fn shifts_of_a_round_wake_a_server_once_for_each_half() {
    const BUCKETS: usize = 12;
    let (server, mut c) = Server::on_port(&[]).with_client();
    let keys: Vec<String> = (0..BUCKETS).map(|n| format!("{{b{n}}}x")).collect();
    let list: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    c.call(&["SET", "{x}shards", &format!(r#"{{"version":1,"by":"user","buckets":[{}]}}"#, list.join(","))]);
    for (n, key) in keys.iter().enumerate() {
        c.expect(&format!("STOCK.SET {key} {}", if n == 0 { 1200 } else { 0 }), "OK");
    }
    let mut reads_of_a_round = || {
        let reads = |c: &mut Client| info(c, "stats")["total_reads_processed"].parse::<u64>().expect("a number");
        let before = reads(&mut c);
        crate::harness::run(&server, &["balance", "x", "--once"]).with(0);
        reads(&mut c) - before
    };
    let with_shifts = reads_of_a_round();
    let without = reads_of_a_round();
    let mut c = server.client();
    let calls = &info(&mut c, "commandstats")["cmdstat_STOCK.SHIFT"];
    assert!(calls.starts_with("calls=22,"), "eleven shifts of two halves: {calls}");
    for key in &keys {
        c.expect_pool(key, "available=100");
    }
    // The second halves go with what is written in every round.
    assert_eq!(with_shifts, without + 1);
}
