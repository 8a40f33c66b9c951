//! Orders in several pools at once: all or none, in memory, in the log, on the replicas, and for
//! the rights of a user.

use crate::arguments::{hostile_values, survive};
use crate::history::kept;
use crate::model_on_server::{interrupt, reply, shown, text};
use testkit::args;
use testkit::generate::{Generator, Profile, START_MS};
use testkit::reference::{Config, Reference};
use testkit::reply::same_for;
use testkit::{stock_info, Client, Events, Server, Value};

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
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
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
    kept(&mut server, &replica, &keys);
    replica.client().expect(reserve, "-READONLY *");
}

/// Wherever the log breaks off inside a cart, the cart is not there at all; with its last byte it
/// is there as a whole.
#[test]
fn a_log_cut_inside_a_cart() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes", "--aof-load-truncated", "yes"]).with_client();
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
    let log = server.growing_aof();
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
    let (_server, mut c) = Server::start().with_client();
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
        "STOCK.MRESERVE n 1 p0 p1 QTY 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 1 1 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 EX 5 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 9007199254740992 => -ERR *
         STOCK.MRESERVE n 2 p0 p1 QTY 1 1 EX 315360001 => -ERR *
         STOCK.MCONFIRM n => -ERR *
         STOCK.MCONFIRM n 1 => -ERR *
         STOCK.MEXTEND n 1 p0 EX => -ERR *",
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
    let (_server, mut c) = Server::start().with_client();
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
    for name in CARTS {
        let line = cart(name, &["k", "k"]).replace("QTY 1", "QTY 99");
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        for at in 1..words.len() {
            for bad in hostile_values().into_iter().chain([odd_key.clone()]) {
                // To release an unknown order is a change.
                if name == "MRELEASE" && at == 1 {
                    continue;
                }
                let mut call = words.clone();
                call[at].clone_from(&bad);
                let answer = survive(&mut c, &call);
                let names = |key: &[u8]| key == b"k" || (at > 2 && key == bad);
                assert!(answer.is_error() || names(answer.items()[1].bytes()), "{name} {at}: {answer}");
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
    let (_server, mut c) = Server::start().with_client();
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
    let (server, mut c) = Server::start().with_client();
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
    reader.expect("STOCK.TRANSFER a1 b 1 TOKEN t", "-NOPERM *");
    reader.expect("STOCK.TRANSFER b a1 1 TOKEN t", "-NOPERM *");
    reader.expect("STOCK.TRANSFER a1 a2 0 TOKEN t", "-ERR *");
    assert_eq!(digests(&mut c, &["a1", "a2", "b"]), before);
    shop.expect("STOCK.MRESERVE mine 2 a1 a2 QTY 1 1", "[OK, *]");
    shop.expect("STOCK.MCONFIRM mine 2 a1 a2", "[OK]");
    shop.expect("STOCK.TRANSFER a1 a2 1 TOKEN t", "[OK, *]");
}

const MADE_UP: [&str; 6] = ["pool:a", "pool:b", "pool:c", "pool:d", "pool:e", "pool:crowded"];
const PROFILE: Profile = Profile { steps_back: true, backlogs: false, retain_changes: true, carts: true };

/// Made-up carts in the server's own time: the replica and the log agree with it.
#[test]
fn replicas_and_logs_follow_carts() {
    let (primary, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &[]).with_client();
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
