//! Orders in several pools at once: all or none, in memory, in the log, on the replicas, and for
//! the rights of a user.

use std::collections::BTreeSet;

use crate::model_on_server::{interrupt, reply, shown, text};
use testkit::args;
use testkit::generate::{Generator, Profile, START_MS};
use testkit::reference::{Config, Reference};
use testkit::reply::same_for;
use testkit::{now_ms, pass, stock_info, Client, Events, Server, Value};

const CARTS: [&str; 6] = ["MRESERVE", "MCONFIRM", "MRELEASE", "MEXTEND", "MRETURN", "MSPLIT"];

/// A cart of order `o` over these keys that is right as far as its syntax goes.
fn cart(name: &str, keys: &[&str]) -> String {
    let rest = match name {
        "MRESERVE" | "MSPLIT" => format!(" QTY {}", vec!["1"; keys.len()].join(" ")),
        "MEXTEND" => " EX 5000".into(),
        _ => String::new(),
    };
    let part = if name == "MSPLIT" { " p" } else { "" };
    format!("STOCK.{name} o{part} {} {}{rest}", keys.len(), keys.join(" "))
}

pub fn digests(c: &mut Client, keys: &[&str]) -> Vec<String> {
    let mut call = vec!["DEBUG", "DIGEST-VALUE"];
    call.extend(keys);
    c.call(&call).items().iter().map(Value::text).collect()
}

#[test]
fn a_cart_from_the_basket_to_the_return() {
    let mut server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    c.script(
        "STOCK.SET {618}sku:1 10
         STOCK.SET {618}sku:2 10
         STOCK.SET {618}cap 3
         STOCK.LIMIT {618}cap region 2",
    );
    events.take(&server);
    let reserve = "STOCK.MRESERVE o7 3 {618}sku:1 {618}sku:2 {618}cap QTY 2 1 2 FOR user 42 region bj";
    let deadline = c.expect(reserve, "[OK, *]").items()[1].int();
    assert_eq!(
        events.take(&server),
        ["stock.reserve {618}sku:1", "stock.reserve {618}sku:2", "stock.reserve {618}cap"],
        "one of each pool, in their order"
    );
    c.expect(reserve, &format!("[EXISTS, {{618}}sku:1, reserved, 2, 0, {deadline}]"));
    c.expect("STOCK.AVAILABLE {618}sku:1 {618}sku:2 {618}cap", "[8, 9, 1]");
    c.script(
        "STOCK.MRESERVE o8 2 {618}sku:1 {618}cap QTY 1 1 FOR region bj => [LIMITED, {618}cap, region/life/units, [bj], 2, 2, 0]
         STOCK.MRESERVE o8 2 {618}sku:1 {618}cap QTY 1 2 FOR region sh => [SOLDOUT, {618}cap, 1]
         STOCK.MRESERVE o8 2 {618}sku:1 {618}cap QTY 1 1 => -NODIM key 2: *
         STOCK.MRESERVE o7 2 {618}sku:1 {618}cap QTY 2 1 FOR user 42 region bj => -CONFLICT key 2: *
         STOCK.MRESERVE o7 3 {618}cap {618}cap {618}sku:1 QTY 1 1 1 FOR user 42 region bj => -CONFLICT key 3: *
         STOCK.MEXTEND o7 3 {618}sku:1 {618}sku:2 {618}cap EX 3000 => [OK]
         STOCK.MCONFIRM o7 3 {618}sku:1 {618}sku:2 {618}cap => [OK]
         STOCK.MCONFIRM o7 3 {618}sku:2 {618}sku:1 {618}cap => [EXISTS, {618}sku:2, confirmed, 1, 0, 0]
         STOCK.MRELEASE o7 3 {618}sku:1 {618}sku:2 {618}cap => [CONFIRMED, {618}sku:1]
         STOCK.MRETURN o7 3 {618}sku:1 {618}sku:2 {618}cap => [OK]
         STOCK.MRETURN o7 3 {618}sku:1 {618}sku:2 {618}cap => [EXISTS, {618}sku:1, returned, 2, 2, 0]
         STOCK.MRELEASE o9 2 {618}sku:1 {618}sku:2 => [NOORDER, {618}sku:1]
         STOCK.MRELEASE o9 2 {618}sku:1 {618}sku:2 => [EXISTS, {618}sku:1, released, 0, 0, 0]
         STOCK.MRESERVE o10 2 {618}sku:1 {618}sku:2 QTY 10 1 => [OK, *]
         STOCK.MRELEASE o10 2 {618}sku:1 {618}sku:2 => [OK]",
    );
    let told = events.take(&server);
    for event in ["extend", "confirm", "return", "soldout", "restock", "release"] {
        assert!(told.iter().any(|e| e == &format!("stock.{event} {{618}}sku:1")), "{event}: {told:?}");
    }
    let keys = ["{618}sku:1", "{618}sku:2", "{618}cap"];
    let held = digests(&mut c, &keys);
    for key in keys {
        c.verify(key);
    }
    replica.catch_up(&server);
    let mut r = replica.client();
    assert_eq!(digests(&mut r, &keys), held, "on the replica");
    assert_eq!(stock_info(&mut r, "divergences"), 0);
    r.expect(reserve, "-READONLY *");
    server.restart("NOSAVE");
    let mut c = server.client();
    assert_eq!(digests(&mut c, &keys), held, "after a restart");
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}

const POOLS: [&str; 6] = ["a", "b", "asleep", "capped", "text", "none"];

const REFUSED: &[&str] = &[
    "STOCK.MRESERVE held 2 a b QTY 2 1 FOR user u",
    "STOCK.MRESERVE held 2 b a QTY 1 2 PX 7 FOR user u",
    "STOCK.MRESERVE held 2 a b QTY 2 2 FOR user u",
    "STOCK.MRESERVE held 2 a b QTY 2 1 FOR user v",
    "STOCK.MRESERVE held 3 a b capped QTY 2 1 1 FOR user u",
    "STOCK.MRESERVE half 2 a b QTY 1 1 FOR user u",
    "STOCK.MRESERVE half 2 b a QTY 1 1 FOR user u",
    "STOCK.MRESERVE released 2 a b QTY 1 1",
    "STOCK.MRESERVE expired 2 b a QTY 1 1",
    "STOCK.MRESERVE new 2 a none QTY 1 1",
    "STOCK.MRESERVE new 2 a text QTY 1 1",
    "STOCK.MRESERVE new 3 none a text QTY 1 1 1",
    "STOCK.MRESERVE new 2 a asleep QTY 1 1",
    "STOCK.MRESERVE new 2 a capped QTY 1 1",
    "STOCK.MRESERVE new 2 a capped QTY 1 3 FOR user u",
    "STOCK.MRESERVE new 2 a b QTY 1 99",
    "STOCK.MRESERVE new 3 b a b QTY 2 1 2",
    "STOCK.MRESERVE new 2 a b QTY 1 1 PXAT 5",
    "STOCK.MRESERVE new 2 a b QTY 1 9007199254740991",
    "STOCK.MRESERVE new 2 a a QTY 1 9007199254740991",
    "STOCK.MRESERVE new 2 a b QTY 1 0",
    "STOCK.MRESERVE new 2 a b QTY 1",
    "STOCK.MRESERVE new 2 a b QTY 1 1 1",
    "STOCK.MRESERVE new 2 a b QTY 1 1 PARTIAL",
    "STOCK.MRESERVE new 0 QTY 1 1",
    "STOCK.MRESERVE new 200 a b QTY 1 1",
    "STOCK.MRESERVE new",
    "STOCK.MCONFIRM paid 2 a b",
    "STOCK.MCONFIRM paid 2 b a LATE",
    "STOCK.MCONFIRM half 2 a b",
    "STOCK.MCONFIRM half 2 b a LATE",
    "STOCK.MCONFIRM held 3 a b none",
    "STOCK.MCONFIRM held 3 a b text",
    "STOCK.MCONFIRM held 3 a b asleep LATE",
    "STOCK.MCONFIRM mixed 2 a b",
    "STOCK.MCONFIRM expired 2 a b",
    "STOCK.MCONFIRM big 2 b a LATE",
    "STOCK.MCONFIRM released 2 a b",
    "STOCK.MCONFIRM held 2 a b QTY 1 9",
    "STOCK.MCONFIRM held 2 a b QTY 1",
    "STOCK.MCONFIRM held 2 a b QTY 1 0",
    "STOCK.MCONFIRM paid 2 a b QTY 1 2",
    "STOCK.MSPLIT held new 2 a b QTY 1 1",
    "STOCK.MSPLIT held new 2 a none QTY 1 1",
    "STOCK.MSPLIT held new 2 a text QTY 1 1",
    "STOCK.MSPLIT held held 2 a b QTY 1 1",
    "STOCK.MSPLIT big paid 2 a b QTY 1 1",
    "STOCK.MSPLIT big new 2 a b QTY 1",
    "STOCK.MSPLIT unknown new 2 a b QTY 1 1",
    "STOCK.MRESERVE new 2 a b QTY 9 99 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 0 1 REPLACES paid",
    "STOCK.MRESERVE new 2 a asleep QTY 1 1 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 0 0 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 1 1 REPLACES new",
    "STOCK.MRELEASE released 2 a b",
    "STOCK.MRELEASE paid 2 a b",
    "STOCK.MRELEASE returned 2 a b",
    "STOCK.MRELEASE half 2 a b",
    "STOCK.MRELEASE half 2 b a",
    "STOCK.MRELEASE held 3 a b none",
    "STOCK.MRELEASE held 3 text a b",
    "STOCK.MEXTEND held 2 a b PX 1",
    "STOCK.MEXTEND held 2 a none EX 9999",
    "STOCK.MEXTEND half 2 a b EX 9999",
    "STOCK.MEXTEND paid 2 a b EX 9999",
    "STOCK.MEXTEND expired 2 a b EX 9999",
    "STOCK.MEXTEND held 2 a b EX 0",
    "STOCK.MEXTEND held 2 a b",
    "STOCK.MRETURN returned 2 a b",
    "STOCK.MRETURN held 2 a b",
    "STOCK.MRETURN mixed 2 b a",
    "STOCK.MRETURN half 2 a b",
    "STOCK.MRETURN expired 2 a b NORESTOCK",
    "STOCK.MRETURN unknown 2 a b",
    "STOCK.MRETURN paid 2 a none",
    "STOCK.MRETURN paid 2 a b LATE",
    "STOCK.MEFFECT a x",
    "STOCK.MEFFECT a x b y",
];

fn setting(server: &Server) {
    let mut c = server.client();
    c.script(
        "SET text v
         STOCK.SET a 100
         STOCK.SET b 10
         STOCK.SET asleep 5
         STOCK.SUSPEND asleep
         STOCK.SET capped 5
         STOCK.LIMIT capped user 2
         STOCK.MRESERVE held 2 a b QTY 2 1 FOR user u => [OK, *]
         STOCK.RESERVE a half 1 FOR user u => [OK, *]
         STOCK.MRESERVE paid 2 a b QTY 1 1 => [OK, *]
         STOCK.MCONFIRM paid 2 a b => [OK]
         STOCK.MRESERVE returned 2 a b QTY 1 1 => [OK, *]
         STOCK.MCONFIRM returned 2 a b => [OK]
         STOCK.MRETURN returned 2 a b => [OK]
         STOCK.MRESERVE released 2 a b QTY 1 1 => [OK, *]
         STOCK.MRELEASE released 2 a b => [OK]
         STOCK.MRESERVE mixed 2 a b QTY 1 1 => [OK, *]
         STOCK.RELEASE b mixed => [OK, *]
         STOCK.MRESERVE big 2 a b QTY 90 5 PX 10 => [OK, *]",
    );
    // The due holds come back before the test begins, so that no refused call is the one that
    // returns them.
    pass(now_ms() + 10);
    c.say("STOCK.MRESERVE expired 2 a b QTY 1 1 PX 10");
    pass(now_ms() + 10);
    for pool in ["a", "b"] {
        c.say(&format!("STOCK.SWEEP {pool}"));
        c.expect(&format!("STOCK.ORDER {pool} expired"), "[state, expired, *]");
        c.verify(pool);
    }
    c.expect("STOCK.RESERVE b full 5", "[OK, *]");
}

/// Everything that could show a trace.
fn trace(server: &Server, c: &mut Client) -> (Vec<String>, u64, i64) {
    (digests(c, &POOLS), server.aof_bytes(), server.offset())
}

#[test]
fn no_trace_of_a_refused_cart() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    setting(&server);
    let mut events = Events::listen(&server, "KEA");
    events.take(&server);
    let (mut c, mut looker, mut watcher) = (server.client(), server.client(), server.client());
    let mut answers = BTreeSet::new();
    for line in REFUSED {
        let before = trace(&server, &mut looker);
        let survived = watcher.watch_survives(&POOLS.join(" "), || {
            let answer = c.say(line);
            let word = match &answer {
                Value::Array(items) => items[0].to_string(),
                error => error.error().split(' ').next().unwrap_or_default().to_string(),
            };
            assert!(word != "OK" || line.contains("EXTEND"), "{line} was not refused: {answer}");
            answers.insert(word);
        });
        assert!(survived, "{line} disturbed a WATCH");
        assert_eq!(trace(&server, &mut looker), before, "{line} left a trace");
        c.expect("MULTI", "OK");
        c.expect("PING", "QUEUED");
        // A wrong arity is refused here, and then the whole transaction.
        c.say(line);
        c.say("EXEC");
        assert_eq!(trace(&server, &mut looker), before, "{line} in a transaction left a trace");
        let mut call = vec!["EVAL", "return redis.pcall(unpack(ARGV))", "2", "a", "b"];
        call.extend(line.split(' '));
        c.call(&call);
        assert_eq!(trace(&server, &mut looker), before, "{line} in a script left a trace");
        assert_eq!(events.take(&server), [""; 0], "{line} was announced");
    }
    for word in [
        "EXISTS",
        "CLOSED",
        "EXPIRED",
        "CONFIRMED",
        "RESERVED",
        "SUSPENDED",
        "NOORDER",
        "NOPOOL",
        "SOLDOUT",
        "LIMITED",
        "ERR",
        "WRONGTYPE",
        "CONFLICT",
        "NODIM",
    ] {
        assert!(answers.contains(word), "no {word} among the refusals: {answers:?}");
    }
    replica.catch_up(&server);
    assert_eq!(digests(&mut replica.client(), &POOLS), digests(&mut c, &POOLS));
}

/// Carts that are not refused do leave these traces in every pool, so the test above is not blind.
#[test]
fn a_cart_leaves_its_traces_in_every_pool() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    setting(&server);
    let mut events = Events::listen(&server, "KEA");
    let (mut c, mut watcher) = (server.client(), server.client());
    for line in [
        "STOCK.MRESERVE fresh 2 a capped QTY 1 1 FOR user x",
        "STOCK.MEXTEND fresh 2 a capped EX 5000",
        "STOCK.MCONFIRM fresh 2 a capped",
        "STOCK.MRETURN fresh 2 a capped",
        "STOCK.MRELEASE never 2 a capped",
        "STOCK.MRESERVE more 2 a capped QTY 1 1 FOR user x",
        "STOCK.MRELEASE more 2 a capped",
    ] {
        events.take(&server);
        let (before, aof, offset) = trace(&server, &mut c);
        for pool in ["a", "capped"] {
            watcher.expect(&format!("WATCH {pool}"), "OK");
        }
        let answer = c.say(line);
        assert!(!answer.is_error(), "{line}: {answer}");
        assert_eq!(watcher.transaction(&["PING"]), Value::Nil, "{line} did not touch a WATCH");
        let (after, aof_after, offset_after) = trace(&server, &mut c);
        assert!(after[0] != before[0] && after[3] != before[3], "{line}: the same digest");
        assert!(aof_after > aof && offset_after > offset, "{line}: nothing in the log");
        let told = events.take(&server);
        for pool in ["a", "capped"] {
            assert!(told.iter().any(|e| e.ends_with(&format!(" {pool}"))), "{line}: {pool} not announced: {told:?}");
        }
    }
    replica.catch_up(&server);
    assert_eq!(digests(&mut replica.client(), &POOLS), digests(&mut c, &POOLS));
}

/// Due holds of all pools come back, as one effect, although the cart is refused.
#[test]
fn due_holds_come_back_in_every_pool() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    c.pause_background();
    for line in ["STOCK.MRESERVE new 2 a b QTY 100 1", "STOCK.MCONFIRM new 2 a b", "STOCK.MRETURN new 3 a b none"] {
        c.script(
            "DEL a b => *
             STOCK.SET a 10
             STOCK.SET b 10",
        );
        let due = c.expect("STOCK.MRESERVE due 2 a b QTY 3 4 PX 20", "[OK, *]").items()[1].int();
        pass(due);
        events.take(&server);
        c.expect("STOCK.MRESERVE new 2 a b QTY 0 1", "-ERR *");
        c.expect("STOCK.MRESERVE new 3 a b b QTY 1 1", "-ERR *");
        assert_eq!(events.take(&server), [""; 0]);
        c.say(line);
        assert_eq!(events.take(&server), ["stock.expire a", "stock.expire b"], "{line}");
        let after = trace(&server, &mut c);
        c.say(line);
        assert_eq!(trace(&server, &mut c), after, "{line} once more");
    }
    replica.catch_up(&server);
    assert_eq!(digests(&mut replica.client(), &["a", "b"]), digests(&mut c, &["a", "b"]));
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(digests(&mut replica.client(), &["a", "b"]), digests(&mut c, &["a", "b"]));
}

/// Wherever the log breaks off inside a cart, the cart is not there at all; with its last byte it
/// is there as a whole.
#[test]
fn a_log_cut_inside_a_cart() {
    let mut server = Server::with(&["--appendonly", "yes", "--aof-load-truncated", "yes"]);
    let mut c = server.client();
    c.script(
        "STOCK.SET a 10
         STOCK.SET b 10
         STOCK.ADD b 1 => [OK, 11, 11]",
    );
    let tail = cut_inside(&mut server, "STOCK.MRESERVE o 2 a b QTY 2 3", &["a", "b"]);
    assert!(tail.contains("STOCK.MEFFECT"), "{tail:?}");
}

/// Makes a call, cuts the log off at each byte of it, and starts the server from what is left: the
/// pools are as before, and with the last byte as after. The call's part of the log.
pub fn cut_inside(server: &mut Server, call: &str, pools: &[&str]) -> String {
    cut_inside_answered(server, call, "[OK, *]", pools)
}

/// As [`cut_inside`], of a call that is answered so.
pub fn cut_inside_answered(server: &mut Server, call: &str, answer: &str, pools: &[&str]) -> String {
    let mut c = server.client();
    let without = digests(&mut c, pools);
    let log = std::fs::read_dir(server.dir().join("appendonlydir"))
        .expect("the files of the log")
        .map(|f| f.expect("a file").path())
        .find(|p| p.to_string_lossy().ends_with(".incr.aof"))
        .expect("the log");
    let size = || std::fs::metadata(&log).expect("the log").len() as usize;
    let start = size();
    c.expect(call, answer);
    let with = digests(&mut c, pools);
    server.kill();
    let bytes = std::fs::read(&log).expect("its bytes");
    assert_eq!(bytes.len(), size());
    let tail = String::from_utf8_lossy(&bytes[start..]).into_owned();
    assert_eq!(tail.matches("STOCK.").count(), 1, "one command for all pools: {tail:?}");
    for end in start..=bytes.len() {
        std::fs::write(&log, &bytes[..end]).expect("a shorter log");
        server.start_again();
        let expected = if end == bytes.len() { &with } else { &without };
        let found = digests(&mut server.client(), pools);
        assert_eq!(&found, expected, "cut at {} of {}", end - start, bytes.len() - start);
        server.kill();
    }
    tail
}

#[test]
fn bounds() {
    let server = Server::start();
    let mut c = server.client();
    let names: Vec<String> = (0..129).map(|n| format!("p{n}")).collect();
    for name in &names {
        c.expect(&format!("STOCK.SET {name} 5"), "OK");
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let most = &names[..128];
    for name in CARTS {
        c.expect(&cart(name, &names), "-ERR *");
    }
    assert_eq!(c.get("p0", "seq"), "1");
    c.expect(&cart("MRESERVE", most), "[OK, *]");
    c.expect(&cart("MRESERVE", most), "[EXISTS, p0, reserved, 1, 0, *]");
    c.expect(&cart("MEXTEND", most), "[OK]");
    c.expect(&cart("MCONFIRM", most), "[OK]");
    c.expect(&cart("MRETURN", most), "[OK]");
    c.expect(&cart("MRELEASE", most), "[CLOSED, p0, returned]");
    c.expect("STOCK.MRESERVE last 2 p127 p128 QTY 5 6", "[SOLDOUT, p128, 5]");
    // The same pool in every place.
    let one = vec!["p128"; 128];
    c.expect(&cart("MRESERVE", &one), "[SOLDOUT, p128, 5]");
    c.expect("STOCK.SET p128 128", "OK");
    c.expect(&cart("MRESERVE", &one), "[OK, *]");
    c.expect("STOCK.AVAILABLE p127 p128", "[5, 0]");
    c.expect(&cart("MCONFIRM", &one), "[OK]");
    for name in &names {
        c.verify(name);
    }
    let before = digests(&mut c, &names);
    for numkeys in ["0", "-1", "two", "", "01", "3", "130", "2147483648", "9223372036854775808", "1e1", "+2", " 2"] {
        for name in CARTS {
            let line = cart(name, &["p0", "p1"]);
            let numkeys_at = if name == "MSPLIT" { 3 } else { 2 };
            let words = line.split(' ').enumerate().map(|(at, word)| if at == numkeys_at { numkeys } else { word });
            let answer = c.call(&words.collect::<Vec<_>>());
            // Three keys: the last would be the word that follows.
            assert!(answer.is_error(), "{name} {numkeys}: {answer}");
        }
    }
    c.script(
        "STOCK.MRESERVE n 2 p0 p1 QTY 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 1 1 => -ERR *
         STOCK.MRESERVE n 1 p0 p1 QTY 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 1 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 EX 5 QTY 1 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 EX 5 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 9007199254740992 => -ERR *
         STOCK.MRESERVE n 2 p0 p0 QTY 1 9007199254740991 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 1 EX 315360001 => -ERR *
         STOCK.MCONFIRM n => -ERR *
         STOCK.MCONFIRM n 1 => -ERR *
         STOCK.MRELEASE n 1 p0 p1 => -ERR *
         STOCK.MEXTEND n 1 p0 EX => -ERR *
         STOCK.MRETURN n 1 p0 KEEPUSAGE KEEPUSAGE => -ERR *",
    );
    assert_eq!(digests(&mut c, &names), before);
    // What a pool may hold is checked for the cart as well.
    c.expect("CONFIG SET stock.pool-max-orders 2", "OK");
    c.expect("STOCK.MRESERVE second 1 p0 QTY 1", "[OK, *]");
    c.expect("STOCK.MRESERVE third 2 p1 p0 QTY 1 1", "-ERR key 2: *");
    c.expect("STOCK.ORDER p1 third", "nil");
    // Remembered where there is room.
    c.expect("STOCK.MRELEASE fourth 2 p0 p1", "[NOORDER, p0]");
    c.expect("STOCK.ORDER p0 fourth", "nil");
    assert_eq!(c.order("p1", "fourth", "state"), "released");
}

/// Any bytes in any place: one answer, and nothing of the caller's in an error.
#[test]
fn hostile_arguments() {
    let server = Server::start();
    let mut c = server.client();
    let odd_key = b"\r\n+OK\r\n\x00\xff".to_vec();
    let odd_order = b"\r\n-ERR x\r\n$5".to_vec();
    assert_eq!(c.call(&args!["STOCK.SET", &odd_key, 9]).to_string(), "OK");
    c.expect("STOCK.SET k 9", "OK");
    let call = args!["STOCK.MRESERVE", &odd_order, 2, &odd_key, "k", "QTY", 2, 10, "FOR", "user", &odd_key];
    assert_eq!(c.call(&call).to_string(), "[SOLDOUT, k, 9]");
    let call = args!["STOCK.MRESERVE", &odd_order, 2, &odd_key, "k", "QTY", 10, 2, "FOR", "user", &odd_key];
    assert_eq!(c.call(&call).items()[1].bytes(), odd_key);
    let call = args!["STOCK.MRESERVE", &odd_order, 2, &odd_key, "k", "QTY", 3, 2, "FOR", "user", &odd_key];
    assert_eq!(c.call(&call).items()[0].to_string(), "OK");
    assert_eq!(c.call(&call).items()[1].bytes(), odd_key);
    c.expect_silence();
    // An order that is over: whatever the bytes say, no call below can change anything.
    let both = |name: &str, rest: &[&str]| {
        let mut call = args![format!("STOCK.{name}"), "o", 2, "k", &odd_key];
        call.extend(rest.iter().map(|word| word.as_bytes().to_vec()));
        call
    };
    for (name, rest) in [("MRESERVE", &["QTY", "1", "1"][..]), ("MCONFIRM", &[]), ("MRETURN", &[])] {
        assert_eq!(c.call(&both(name, rest)).items()[0].to_string(), "OK", "{name}");
    }
    let before = digests(&mut c, &["k"]);
    let long = vec![b'x'; 1 << 20];
    for name in CARTS {
        let line = cart(name, &["k", "k"]).replace("QTY 1", "QTY 99");
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        for at in 1..words.len() {
            for bad in [&b""[..], b"\r\n", b"\x00", b"\xff\xfe", b"QTY", b"FOR", b"-0", &odd_key, &long] {
                // To release an unknown order is a change.
                if name == "MRELEASE" && at == 1 {
                    continue;
                }
                let mut call = words.clone();
                call[at] = bad.to_vec();
                let answer = c.call(&call);
                if let Value::Error(error) = &answer {
                    let clean = error.iter().all(|byte| (b' '..=b'~').contains(byte));
                    assert!(clean && error.len() < 200, "{name} {at}: {answer}");
                } else {
                    let key = answer.items()[1].bytes().to_vec();
                    assert!(at > 2 && key == bad || key == b"k", "{name} {at}: {answer}");
                }
                c.expect_silence();
            }
        }
        // Too few and too many.
        for count in 1..words.len() {
            assert!(c.call(&words[..count]).is_error(), "{name} with {count} words");
        }
        let mut more = words.clone();
        more.push(b"MORE".to_vec());
        assert!(c.call(&more).is_error(), "{name}");
    }
    assert_eq!(digests(&mut c, &["k"]), before);
    c.verify("k");
}

#[test]
fn what_the_server_knows_of_carts() {
    let server = Server::start();
    let mut c = server.client();
    for name in CARTS {
        for keys in [&["a"][..], &["a", "b"], &["b", "a", "b"]] {
            let shown = format!("[{}]", keys.join(", "));
            c.expect(&format!("COMMAND GETKEYS {}", cart(name, keys)), &shown);
        }
        let flags = c.say(&format!("COMMAND GETKEYSANDFLAGS {}", cart(name, &["a", "b"])));
        for key in flags.items() {
            assert!(key.items()[1].items().iter().any(|flag| flag.text() == "RW"), "{name}: {flags}");
        }
        for bad in ["0", "-1", "9", "two", "99999999999"] {
            c.expect(&format!("COMMAND GETKEYS STOCK.{name} o {bad} a QTY 1 EX 1"), "-ERR *");
        }
        let info = c.say(&format!("COMMAND INFO STOCK.{name}"));
        let about = info.items()[0].items();
        assert!(about[1].int() <= -4, "{name}: arity {}", about[1]);
        let flags = about[2].to_string();
        assert!(flags.contains("write") && !flags.contains("readonly"), "{name}: {flags}");
        assert_eq!(flags.contains("denyoom"), ["MRESERVE", "MSPLIT"].contains(&name), "{name}: {flags}");
        let specs = about[8].items();
        // The first key also has a place of its own, for clients that know no key specs.
        assert_eq!(specs.len(), 2, "{name} has two key specs");
        let [first, all] = [&specs[0], &specs[1]].map(ToString::to_string);
        assert!(first.contains("range") && first.contains("RW"), "{name}: {first}");
        assert!(all.contains("keynum") && all.contains("RW"), "{name}: {all}");
        let at = if name == "MSPLIT" { 4 } else { 3 };
        assert_eq!([&about[3], &about[4], &about[5]].map(|place| place.int()), [at, at, 1], "{name}");
        let docs = c.say(&format!("COMMAND DOCS STOCK.{name}"));
        let docs = &docs.items()[1];
        for field in ["summary", "since", "complexity"] {
            assert!(!docs.field(field).text().is_empty(), "{name}: no {field}");
        }
        let arguments = docs.field("arguments");
        let arguments = arguments.items();
        let names: Vec<String> = arguments.iter().map(|a| a.field("name").text()).collect();
        let part: &[&str] = if name == "MSPLIT" { &["part"] } else { &[] };
        let expected = [&["order"], part, &["numkeys", "key"]].concat();
        assert_eq!(names[..expected.len()], expected, "{name}");
        assert_eq!(arguments[expected.len() - 1].field("type").text(), "key", "{name}");
        let text = docs.to_string();
        for token in match name {
            "MRESERVE" => &["QTY", "EX", "PX", "PXAT", "REPLACES", "FOR"][..],
            "MCONFIRM" => &["QTY", "LATE"],
            "MSPLIT" => &["QTY"],
            "MEXTEND" => &["EX", "PX", "PXAT"],
            "MRETURN" => &["KEEPUSAGE", "NORESTOCK"],
            _ => &[],
        } {
            assert!(text.contains(token), "{name}: no {token} in {text}");
        }
    }
    c.expect("COMMAND GETKEYS STOCK.MEFFECT a x b y", "[a, b]");
}

/// A user who may not touch one of the pools touches none, wherever its key stands.
#[test]
fn rights_on_every_key() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET a1 10
         STOCK.SET a2 10
         STOCK.SET b 10
         STOCK.MRESERVE o 3 a1 a2 b QTY 1 1 1 => [OK, *]
         ACL SETUSER shop reset on >pw ~a* +@all",
    );
    let before = digests(&mut c, &["a1", "a2", "b"]);
    let mut shop = server.client();
    shop.expect("AUTH shop pw", "OK");
    for name in CARTS {
        for place in 0..3 {
            let mut keys = ["a1", "a2", "a1"];
            keys[place] = "b";
            let line = cart(name, &keys).replace(" o ", " other ");
            for line in [&line, &cart(name, &keys), &cart(name, &["b"])] {
                shop.expect(line, "-NOPERM *");
                shop.expect("MULTI", "OK");
                shop.expect(line, "-NOPERM *");
                shop.expect("EXEC", "-EXECABORT *");
                for keys in [&["0"][..], &["1", "a1"]] {
                    let mut call = vec!["EVAL", "return redis.call(unpack(ARGV))"];
                    call.extend(keys);
                    call.extend(line.split(' '));
                    let answer = shop.call(&call);
                    assert!(answer.is_error(), "{line} in a script: {answer}");
                }
            }
        }
    }
    assert_eq!(digests(&mut c, &["a1", "a2", "b"]), before);
    // To read is not enough.
    c.expect("ACL SETUSER reader reset on >pw ~a* %R~b +@all", "OK");
    let mut reader = server.client();
    reader.expect("AUTH reader pw", "OK");
    for name in CARTS {
        reader.expect(&cart(name, &["a1", "b"]), "-NOPERM *");
    }
    assert_eq!(digests(&mut c, &["a1", "a2", "b"]), before);
    shop.expect("STOCK.MRESERVE mine 2 a1 a2 QTY 1 1", "[OK, *]");
    shop.expect("STOCK.MCONFIRM mine 2 a1 a2", "[OK]");
}

#[test]
fn effects_of_carts_are_not_for_clients() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET a 10", "OK");
    c.expect("STOCK.SET b 10", "OK");
    let before = digests(&mut c, &["a", "b", "none"]);
    for line in ["STOCK.MEFFECT a x b y", "STOCK.MEFFECT none x", "STOCK.MEFFECT a x b", "STOCK.MEFFECT a"] {
        c.expect(line, "-ERR *");
        c.expect("MULTI", "OK");
        c.say(line);
        c.say("EXEC");
        let mut call = vec!["EVAL", "return redis.call(unpack(ARGV))", "0"];
        call.extend(line.split(' '));
        assert!(c.call(&call).is_error(), "{line}");
    }
    assert_eq!(digests(&mut c, &["a", "b", "none"]), before);
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}

const MADE_UP: [&str; 6] = ["pool:a", "pool:b", "pool:c", "pool:d", "pool:e", "pool:crowded"];
const PROFILE: Profile = Profile { steps_back: true, backlogs: false, retain_changes: true, carts: true };

/// Made-up carts in the server's own time: the replica and the log agree with it.
#[test]
fn replicas_and_logs_follow_carts() {
    let primary = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&primary, &[]);
    let (mut c, mut r) = (primary.client(), replica.client());
    for seed in 0..3 {
        let mut generator = Generator::with(seed, PROFILE);
        let calls: Vec<Vec<Vec<u8>>> = (0..4_000).map(|_| generator.next().argv).collect();
        // One after the other, in transactions, and in scripts.
        for (at, slice) in calls.chunks(400).enumerate() {
            match at % 3 {
                0 => drop(c.pipeline(slice)),
                1 => {
                    let mut all = vec![args!["MULTI"]];
                    all.extend_from_slice(slice);
                    c.pipeline(&all);
                    c.say("EXEC");
                }
                _ => {
                    let script = |call: &Vec<Vec<u8>>| {
                        let mut argv = args!["EVAL", "return redis.pcall(unpack(ARGV))", 0];
                        argv.extend_from_slice(call);
                        argv
                    };
                    c.pipeline(&slice.iter().map(script).collect::<Vec<_>>());
                }
            }
        }
        c.pause_background();
        replica.catch_up(&primary);
        let held = digests(&mut c, &MADE_UP);
        assert_eq!(digests(&mut r, &MADE_UP), held, "replica, seed {seed}");
        c.expect("DEBUG LOADAOF", "OK");
        assert_eq!(digests(&mut c, &MADE_UP), held, "AOF, seed {seed}");
        for pool in &MADE_UP[..5] {
            c.verify(pool);
        }
        assert_eq!(stock_info(&mut c, "divergences") + stock_info(&mut r, "divergences"), 0);
        c.resume_background();
    }
}

/// One history of made-up calls until it has so many carts: model and server answer the same, and
/// what is refused leaves all pools as they were.
fn compare(seed: u64, carts: usize) -> Option<usize> {
    let server = Server::at_time(START_MS, &["--appendonly", "yes"])?;
    let mut c = server.client();
    let mut model = Reference::new(Config::default());
    let mut generator = Generator::with(seed, PROFILE);
    let mut look = args!["DEBUG", "DIGEST-VALUE"];
    look.extend(MADE_UP.map(|pool| pool.as_bytes().to_vec()));
    let mut held = c.call(&look);
    let mut recent: Vec<String> = Vec::new();
    let (mut calls, mut seen) = (0, 0);
    while seen < carts {
        let argv = generator.next().argv;
        let now = generator.now_ms();
        server.set_clock(now);
        let changes = model.changes();
        let expected = model.call(now, &argv);
        let changed = model.changes() != changes;
        let mut answers = c.pipeline(&[argv.clone(), look.clone()]);
        let (now_held, answer) = (answers.pop(), answers.pop());
        let (now_held, answer) = (now_held.expect("digests"), answer.expect("an answer"));
        recent.push(format!("at {now}: {} => {answer}", shown(&argv)));
        let told = || {
            let tail = recent[recent.len().saturating_sub(25)..].join("\n");
            format!("seed {seed}, call {calls}:\n{tail}\nthe model says {}", text(&expected))
        };
        let name = argv[0].to_ascii_uppercase();
        let found = reply(answer);
        assert!(same_for(&name, &expected, &found), "the answers differ: {}", told());
        if name.starts_with(b"STOCK.M") {
            seen += 1;
            assert_eq!(now_held != held, changed, "the pools changed, or did not: {}", told());
        }
        held = now_held;
        calls += 1;
        if calls % 1_500 == 0 {
            interrupt(&mut c, calls / 1_500);
            assert_eq!(c.call(&look), held, "after a load");
            for key in model.keys() {
                c.verify(key);
            }
            recent.drain(..recent.len().saturating_sub(50));
        }
    }
    Some(seen)
}

/// 50,000 carts over five pools, or as many as STOCK_CARTS says.
#[test]
fn carts_agree_with_the_model() {
    let all = std::env::var("STOCK_CARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000);
    let seen: usize = (1..=5).filter_map(|seed| compare(seed, all / 5)).sum();
    println!("{seen} carts");
}
