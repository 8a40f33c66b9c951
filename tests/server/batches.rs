//! Many orders in one call: each is answered as by a call of its own; in the log, on replicas and
//! in the stream there is all of the call or nothing.

use testkit::{entry, now_ms, pass, stock_info, Client, Events, Server, Value};

use super::carts::cut_inside_answered;
use super::history::kept;

/// A pool of 20 units with limits, and some orders in it.
fn open(c: &mut Client, key: &str, until_ms: i64) {
    c.script(&format!(
        "STOCK.SET {key} 20
         STOCK.LIMIT {key} user 4
         STOCK.LIMIT {key} region+user 3 PER DAY MISSING ALLOW
         STOCK.RESERVE {key} known 2 PXAT {until_ms} FOR user u0 => [OK, *]
         STOCK.RESERVE {key} gone 1 FOR user u0 => [OK, *]
         STOCK.RELEASE {key} gone => [OK, *]",
    ));
}

/// What the orders of a batch are, and the single call of each.
const ORDERS: [(&str, &str, &str, &str); 12] = [
    ("known", "2", "u0", ""),
    ("known", "3", "u0", ""),
    ("gone", "1", "u0", ""),
    ("a", "3", "u1", "r"),
    ("b", "1", "u1", "r"),
    ("b", "1", "u1", "s"),
    ("a", "3", "u1", "r"),
    ("c", "5", "u2", "r"),
    ("d", "3", "u2", "r"),
    ("e", "3", "u3", "r"),
    ("f", "3", "u4", "r"),
    ("g", "99", "u5", "r"),
];

fn text(answer: &Value) -> String {
    answer.to_string()
}

#[test]
fn a_batch_answers_as_a_sequence_of_calls() {
    for resp3 in [false, true] {
        let until_ms = now_ms() + 900_000;
        let (single, many) = (Server::start(), Server::start());
        let [mut s, mut m] = [&single, &many].map(|server| {
            let mut c = server.client();
            if resp3 {
                c = c.resp3();
            }
            open(&mut c, "k", until_ms);
            c
        });
        let mut alone = Vec::new();
        for (id, qty, user, region) in ORDERS {
            let region = if region.is_empty() { String::new() } else { format!(" region {region}") };
            alone.push(text(&s.say(&format!("STOCK.RESERVE k {id} {qty} PXAT {until_ms} FOR user {user}{region}"))));
        }
        let mut together = Vec::new();
        // Orders with the same dimensions stand together.
        for (dims, orders) in [("1 user", &ORDERS[..3]), ("2 region user", &ORDERS[3..])] {
            let mut call = format!("STOCK.RESERVEBATCH k PXAT {until_ms} DIMS {dims} ORDERS {}", orders.len());
            for (id, qty, user, region) in orders {
                let values = if region.is_empty() { user.to_string() } else { format!("{region} {user}") };
                call = format!("{call} {id} {qty} {values}");
            }
            together.extend(m.say(&call).items().iter().map(text));
        }
        assert_eq!(together, alone);
        for word in ["[OK", "[EXISTS", "-CONFLICT", "[CLOSED", "[LIMITED", "[SOLDOUT"] {
            assert!(alone.iter().any(|answer| answer.starts_with(word)), "{word}: {alone:?}");
        }
        let paid: Vec<String> =
            ["a", "a", "gone", "unknown", "d"].map(|id| text(&s.say(&format!("STOCK.CONFIRM k {id}")))).into();
        let answer = m.say("STOCK.CONFIRMBATCH k ORDERS 5 a a gone unknown d");
        assert_eq!(answer.items().iter().map(text).collect::<Vec<_>>(), paid);
        assert_eq!((&paid[1], &paid[4]), (&"[EXISTS, k, confirmed, 3, 0, 0]".into(), &"[OK, 3, 6]".into()));
        // Counted as so many calls.
        let words = ["reserved", "confirmed", "limited", "soldout", "exists", "closed", "noorder", "error"];
        assert_eq!(words.map(|word| replies(&mut m, word)), words.map(|word| replies(&mut s, word)));
        for field in ["total", "limits", "nodim"] {
            let [m, s] = [&mut m, &mut s].map(|c| text(&c.say("STOCK.STATS k").field(field)));
            assert_eq!(m, s, "{field}");
        }
        for c in [&mut s, &mut m] {
            c.verify("k");
        }
        assert_eq!(text(&m.say("STOCK.GET k").field("orders")), text(&s.say("STOCK.GET k").field("orders")));
    }
}

fn replies(c: &mut Client, name: &str) -> i64 {
    stock_info(c, &format!("replies_{name}"))
}

/// Arguments that are wrong in one order are an error of the whole call, which names the order.
#[test]
fn what_is_wrong_in_one_order_is_an_error_of_the_call() {
    let (_server, mut c) = Server::start().with_client();
    let long = "x".repeat(129);
    c.expect("STOCK.SET k 10", "OK");
    let digest = c.digest("k");
    for (call, answer) in [
        (
            format!("STOCK.RESERVEBATCH k DIMS 1 user ORDERS 2 a 1 u b 1 {long}"),
            "-ERR order 2: invalid dimension value*",
        ),
        (format!("STOCK.RESERVEBATCH k ORDERS 2 a 1 {long} 1"), "-ERR order 2: invalid order id*"),
        (format!("STOCK.CONFIRMBATCH k ORDERS 2 a {long}"), "-ERR order 2: invalid order id*"),
        ("STOCK.RESERVEBATCH none ORDERS 2 a 1 b 1".to_string(), "[[NOPOOL, none], [NOPOOL, none]]"),
        ("STOCK.CONFIRMBATCH none ORDERS 2 a b".to_string(), "[[NOPOOL, none], [NOPOOL, none]]"),
    ] {
        c.expect(&call, answer);
        assert_eq!(c.digest("k"), digest, "{call}");
    }
    assert_eq!(replies(&mut c, "nopool"), 4);
    // 128 orders are the most.
    let orders: Vec<String> = (0..128).map(|n| format!("o{n} 1")).collect();
    let answer = c.say(&format!("STOCK.RESERVEBATCH k ORDERS 128 {}", orders.join(" ")));
    let words: Vec<String> = answer.items().iter().map(|one| one.items()[0].text()).collect();
    assert_eq!((&words[..10], &words[10..]), (&vec!["OK".to_string(); 10][..], &vec!["SOLDOUT".to_string(); 118][..]));
    c.verify("k");
}

const BATCH: &str = "STOCK.RESERVEBATCH k EX 900 DIMS 1 user ORDERS 5 a 2 u1 b 9 u2 c 1 u3 a 2 u1 d 1 u3";
const ANSWERS: &str = "[[OK, 2, 4, *], [SOLDOUT, k, 4], [OK, 1, 3, *], [EXISTS, k, reserved, 2, 0, *], [OK, 1, 2, *]]";

#[test]
fn a_batch_is_one_step_for_log_and_replicas_and_an_entry_for_each_order() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    c.script("STOCK.SET k 6\nSTOCK.LIMIT k user 3");
    events.take(&server);
    c.expect("DEL feed", "1");
    c.expect(BATCH, ANSWERS);
    assert_eq!(events.take(&server), ["stock.reserve k", "stock.reserve k", "stock.reserve k"]);
    assert_eq!(
        entry::told(&mut c, "feed", &["type", "seq", "order", "qty", "available", "for"]),
        [r#"reserved 3 a 2 4 {"user":"u1"}"#, r#"reserved 4 c 1 3 {"user":"u3"}"#, r#"reserved 5 d 1 2 {"user":"u3"}"#]
    );
    c.expect("STOCK.CONFIRMBATCH k ORDERS 3 a b d", "[[OK, 2, 2], [NOORDER, k], [OK, 1, 3]]");
    assert_eq!(events.take(&server), ["stock.confirm k", "stock.confirm k"]);
    kept(&mut server, &replica, &["k", "feed"]);
}

/// Wherever the log breaks off inside a batch, none of its orders is there.
#[test]
fn a_log_cut_inside_a_batch() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes", "--aof-load-truncated", "yes"]).with_client();
    c.script("STOCK.SET k 6\nSTOCK.LIMIT k user 3");
    cut_inside_answered(&mut server, BATCH, ANSWERS, &["k"]);
}

/// In a transaction, in a script, and while writes are paused, as any other write.
#[test]
fn a_batch_waits_and_nests_as_any_write() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let answers = c.transaction(&["STOCK.RESERVEBATCH k ORDERS 2 a 1 a 2", "STOCK.CONFIRMBATCH k ORDERS 1 a"]);
    let answers: Vec<String> = answers.items().iter().flat_map(|one| one.items()).map(text).collect();
    assert!(answers[0].starts_with("[OK, 1, 9, "), "{answers:?}");
    assert_eq!(answers[1..], ["-CONFLICT quantity differs from the first call", "[OK, 1, 1]"]);
    let script = "return redis.call('STOCK.RESERVEBATCH', KEYS[1], 'ORDERS', 2, 'b', 1, 'c', 99)";
    assert_eq!(
        c.call(&["EVAL", script, "1", "k"]).items().iter().map(|one| one.items()[0].text()).collect::<Vec<_>>(),
        ["OK", "SOLDOUT"]
    );
    let mut other = server.client();
    other.expect("CLIENT PAUSE 300 WRITE", "OK");
    let began = now_ms();
    c.expect("STOCK.RESERVEBATCH k ORDERS 1 d 1", "[[OK, 1, 7, *]]");
    assert!(now_ms() - began >= 200, "it waited");
    c.verify("k");
}

/// Due holds come back before the first order is judged.
#[test]
fn due_holds_come_back_before_a_batch() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    c.script(
        "STOCK.SET k 2
         STOCK.RESERVE k due 2 PX 20 => [OK, *]",
    );
    pass(now_ms() + 21);
    c.expect("STOCK.RESERVEBATCH k ORDERS 3 a 1 due 2 b 1", "[[OK, 1, 1, *], [CLOSED, k, expired], [OK, 1, 0, *]]");
    c.verify("k");
}
