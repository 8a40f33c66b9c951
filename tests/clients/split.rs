//! A cart whose pools cannot share a slot (clients/python/split_cart.py), with a client that dies
//! at every step.

use std::process::{Child, Command, Stdio};

use crate::programs::{clients, python};
use testkit::cluster::{tag_of, Cluster, PRIMARIES};
use testkit::wait_until;

const PUT_IN: i64 = 100;
/// Two pools of one slot, and two more elsewhere.
const QUANTITIES: [i64; 4] = [1, 2, 1, 3];
const SHARDS: i64 = 3;
/// How long a hold lasts: the time in which a client that died can be seen to have held something.
const HOLD_MS: i64 = 8_000;
const LONG_MS: i64 = 900_000;

struct Shop {
    cluster: Cluster,
    keys: Vec<String>,
}

impl Shop {
    fn open() -> Shop {
        let cluster = Cluster::steady();
        let tags: Vec<String> = (0..PRIMARIES).map(tag_of).collect();
        let keys = vec![
            format!("{{{}}}a", tags[0]),
            format!("{{{}}}b", tags[0]),
            format!("{{{}}}c", tags[1]),
            format!("{{{}}}d", tags[2]),
        ];
        let shop = Shop { cluster, keys };
        for key in &shop.keys {
            shop.at(key).expect(&format!("STOCK.SET {key} {PUT_IN}"), "OK");
        }
        shop
    }

    fn at(&self, key: &str) -> testkit::Client {
        self.cluster.client(self.cluster.owner(key))
    }

    /// The client, which dies before its nth call that changes stock.
    fn client(&self, step: &str, order: &str, hold_ms: i64, die_before: i64) -> Command {
        let lines: Vec<String> =
            self.keys.iter().zip(QUANTITIES).map(|(key, quantity)| format!("\"{key}\": {quantity}")).collect();
        let told = format!(
            r#"{{"step": "{step}", "order": "{order}", "lines": {{{}}}, "hold_ms": {hold_ms}, "die_before": {die_before}}}"#,
            lines.join(", ")
        );
        let mut command = python();
        command.arg(clients("python/tests/split.py"));
        command.arg(self.cluster.nodes[0].port().to_string()).arg(told).stdin(Stdio::null());
        command
    }

    /// Runs the client to its end, or to its death: what it said then.
    #[track_caller]
    fn run(&self, step: &str, order: &str, hold_ms: i64, die_before: i64) -> Option<String> {
        self.run_all(step, hold_ms, &[(order.to_string(), die_before)]).remove(0)
    }

    /// Runs several at the same time.
    #[track_caller]
    fn run_all(&self, step: &str, hold_ms: i64, orders: &[(String, i64)]) -> Vec<Option<String>> {
        let start = |(order, die_before): &(String, i64)| {
            let mut command = self.client(step, order, hold_ms, *die_before);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python runs")
        };
        let running: Vec<Child> = orders.iter().map(start).collect();
        let ended = running.into_iter().map(|child| {
            let done = child.wait_with_output().expect("its end");
            // A signal leaves no exit code.
            let died = done.status.code().is_none();
            assert!(died || done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            (!died).then(|| String::from_utf8_lossy(&done.stdout).trim().to_string())
        });
        ended.collect()
    }

    /// The state of an order in each pool.
    fn states(&self, order: &str) -> Vec<String> {
        let state = |key: &String| {
            let answer = self.at(key).say(&format!("STOCK.ORDER {key} {order}"));
            if answer == testkit::Value::Nil {
                "unknown".to_string()
            } else {
                answer.field("state").text()
            }
        };
        self.keys.iter().map(state).collect()
    }

    /// Nothing is held any more, so many carts are sold, and everything adds up.
    #[track_caller]
    fn sold(&self, carts: i64) {
        for (key, quantity) in self.keys.iter().zip(QUANTITIES) {
            let mut client = self.at(key);
            let sold = carts * quantity;
            client.expect_pool(key, &format!("on_hand={} reserved=0 sold={sold}", PUT_IN - sold));
            client.verify(key);
        }
    }
}

/// Before the payment a crash needs no repair: what was held comes back by itself. After it the
/// same call again ends what was begun, however far it came.
#[test]
fn a_client_that_dies_leaves_nothing_behind() {
    let shop = Shop::open();
    // Calls 0 to 2 reserve, 3 to 5 extend, 6 to 8 confirm; one that dies before call n has made n
    // of them.
    let early: Vec<(String, i64)> = [1, 2, 4].map(|n| (format!("early-{n}"), n)).into();
    let paid: Vec<(String, i64)> = (0..=SHARDS).map(|n| (format!("paid-{n}"), 2 * SHARDS + n)).collect();
    assert_eq!(shop.run_all("buy", HOLD_MS, &early), [None, None, None], "they were to die");
    for (order, calls) in &early {
        let held = shop.states(order).iter().filter(|state| *state == "reserved").count();
        assert_eq!((held == 0, held == 4), (false, *calls >= SHARDS), "{:?}", shop.states(order));
    }
    // The last one has nothing left to do when it is to die.
    let said = shop.run_all("buy", LONG_MS, &paid);
    assert_eq!(said, [None, None, None, Some(format!("sold {}", 3 * SHARDS))]);
    for (n, (order, _)) in paid.iter().enumerate() {
        let confirmed = shop.states(order).iter().filter(|state| *state == "confirmed").count();
        assert_eq!((confirmed == 0, confirmed == 4), (n == 0, n == 3), "{:?}", shop.states(order));
    }
    let again: Vec<(String, i64)> = paid.iter().map(|(order, _)| (order.clone(), -1)).collect();
    for said in shop.run_all("finish", LONG_MS, &again) {
        assert_eq!(said, Some(format!("sold {SHARDS}")));
    }
    // Nobody comes back for the early ones.
    for key in &shop.keys {
        let mut client = shop.at(key);
        wait_until("the holds end by themselves", || client.get(key, "reserved") == "0");
    }
    shop.sold(paid.len() as i64);
    for (order, _) in &early {
        for state in shop.states(order) {
            assert!(["expired", "unknown"].contains(&state.as_str()), "{state}");
        }
    }
}

/// In one cluster: starting one takes seconds.
#[test]
fn what_is_refused_is_undone() {
    let shop = Shop::open();
    a_refusal_gives_everything_back(&shop);
    a_payment_that_comes_too_late(&shop);
}

/// One shard that refuses gives everything back at once.
fn a_refusal_gives_everything_back(shop: &Shop) {
    let scarce = &shop.keys[3];
    shop.at(scarce).expect(&format!("STOCK.RESERVE {scarce} rival {} EX 900", PUT_IN - 1), "[OK, *]");
    let said = shop.run("buy", "refused", 900_000, -1).expect("an end");
    assert_eq!(said, format!("refused SOLDOUT {scarce}"));
    assert!(shop.states("refused").iter().all(|state| state == "released"), "{:?}", shop.states("refused"));
    shop.at(scarce).expect(&format!("STOCK.RELEASE {scarce} rival"), "[OK, *]");
    shop.sold(0);
}

/// The payment is in, the client dies when one shard is sold, the holds of the others end, and a
/// rival takes what is left. The same call again honours what it can, or undoes everything; also
/// when it dies on the way, at each step of it.
fn a_payment_that_comes_too_late(shop: &Shop) {
    // Call 0 of the second attempt finds one shard sold, call 1 is refused; then three MRELEASE and
    // three MRETURN.
    let deaths = [-1, 2, 4, 6];
    let orders: Vec<(String, i64)> = deaths.iter().map(|n| (format!("late-{n}"), 2 * SHARDS + 1)).collect();
    assert_eq!(shop.run_all("buy", 3_000, &orders), [None, None, None, None]);
    for key in &shop.keys {
        let mut client = shop.at(key);
        wait_until("the holds end by themselves", || client.get(key, "reserved") == "0");
    }
    // With stock left the payment is honoured.
    let honoured = &orders[0].0;
    assert_eq!(shop.run("finish", honoured, 0, -1), Some(format!("sold {SHARDS}")));
    assert!(shop.states(honoured).iter().all(|state| state == "confirmed"));
    // Without, everything is undone. Which shard came first depends on the slots; the others are
    // emptied.
    let states = shop.states(&orders[1].0);
    assert!(states.contains(&"confirmed".to_string()) && states.contains(&"expired".to_string()), "{states:?}");
    for (key, _) in shop.keys.iter().zip(&states).filter(|(_, state)| *state == "expired") {
        let left = shop.at(key).say(&format!("STOCK.AVAILABLE {key}")).items()[0].int();
        shop.at(key).expect(&format!("STOCK.RESERVE {key} rival {left} EX 900"), "[OK, *]");
    }
    let undone: Vec<(String, i64)> = orders.iter().zip(deaths).skip(1).map(|(order, n)| (order.0.clone(), n)).collect();
    assert_eq!(shop.run_all("finish", 0, &undone), [None, None, None]);
    let again: Vec<(String, i64)> = undone.iter().map(|(order, _)| (order.clone(), -1)).collect();
    for said in shop.run_all("finish", 0, &again) {
        assert!(said.as_ref().is_some_and(|said| said.starts_with("refused ")), "{said:?}");
    }
    for (order, _) in &undone {
        let states = shop.states(order);
        assert!(states.iter().all(|state| ["returned", "released"].contains(&state.as_str())), "{states:?}");
    }
    for key in &shop.keys {
        shop.at(key).say(&format!("STOCK.RELEASE {key} rival"));
    }
    shop.sold(1);
}
