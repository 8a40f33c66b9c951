//! Carts.

use super::*;

/// Pools `a` of 10 and `b` of 5.
fn two_pools() -> Shop {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 10", "OK");
    shop.says("SET b 5", "OK");
    shop
}

#[test]
fn a_cart_takes_units_in_all_pools_or_in_none() {
    let mut shop = two_pools();
    shop.says("MRESERVE o 2 a b QTY 4 3", "OK 1900000");
    shop.says("AVAILABLE a b", "6 2");
    // The first pool that cannot is named, wherever it stands, and the others keep their units.
    refuses(&mut shop, "MRESERVE p 2 a b QTY 1 3", "SOLDOUT b 2");
    refuses(&mut shop, "MRESERVE p 2 b a QTY 1 7", "SOLDOUT a 6");
    refuses(&mut shop, "MRESERVE p 2 b a QTY 3 7", "SOLDOUT b 2");
    refuses(&mut shop, "MRESERVE p 3 a none gone QTY 99 1 1", "NOPOOL none");
    refuses(&mut shop, "CONFIRM a p", "NOORDER a");
    shop.says("LIMIT b user 1", "OK");
    refuses(&mut shop, "MRESERVE p 2 a b QTY 1 1", "-NODIM");
    refuses(&mut shop, "MRESERVE p 2 a b QTY 9 1", "SOLDOUT a 6");
    refuses(&mut shop, "MRESERVE p 2 a b QTY 1 2 FOR user u", "LIMITED b user/life/units [u] 0 1 0");
    shop.says("SUSPEND a", "OK");
    refuses(&mut shop, "MRESERVE p 2 a b QTY 1 1", "SUSPENDED a");
    refuses(&mut shop, "MRESERVE p 2 b a QTY 1 1", "-NODIM");
    refuses(&mut shop, "MRESERVE p 2 b a QTY 1 1 PXAT 1000000 FOR user u", "-ERR");
    shop.says("RESUME a", "OK");
    shop.says("MRESERVE p 2 a b QTY 6 1 PX 5 FOR user u", "OK 1000005");
    shop.says("AVAILABLE a b", "0 1");
    shop.usage("USAGE b FOR user u", &["1/1/0/0"]);
    shop.now_ms += 5;
    shop.says("AVAILABLE a b", "6 2");
    shop.says("MCONFIRM p 2 b a", "EXPIRED b");
    shop.usage("USAGE b FOR user u", &["0/1/1/0"]);
}

#[test]
fn a_pool_that_is_named_twice_counts_once() {
    let mut shop = two_pools();
    refuses(&mut shop, "MRESERVE o 3 b a b QTY 3 1 3", "SOLDOUT b 5");
    shop.says("MRESERVE o 3 b a b QTY 3 1 2", "OK 1900000");
    shop.says("AVAILABLE a b", "9 0");
    refuses(&mut shop, "MRESERVE o 2 b a QTY 5 1", "EXISTS b reserved 5 0 1900000");
    refuses(&mut shop, "MRESERVE o 2 a b QTY 1 5", "EXISTS a reserved 1 0 1900000");
    refuses(&mut shop, "MRESERVE o 4 a b b b QTY 1 1 2 2", "EXISTS a reserved 1 0 1900000");
    refuses(&mut shop, "MRESERVE o 3 b a b QTY 3 1 3", "-CONFLICT");
    refuses(&mut shop, "MRESERVE p 2 a a QTY 9007199254740991 1", "-ERR");
    refuses(&mut shop, "MRESERVE p 2 a a QTY 9007199254740990 1", "SOLDOUT a 9");
    // In the other commands too.
    shop.says("MEXTEND o 3 a b a PXAT 2000000", "OK");
    shop.says("MCONFIRM o 3 b b a", "OK");
    refuses(&mut shop, "MCONFIRM o 3 b b a", "EXISTS b confirmed 5 0 0");
    shop.field("GET b", "sold", "5");
    shop.says("MRETURN o 3 a a b", "OK");
    shop.says("AVAILABLE a b", "10 5");
    shop.says("MRELEASE q 2 a a", "NOORDER a");
    refuses(&mut shop, "MRELEASE q 2 a a", "EXISTS a released 0 0 0");
}

#[test]
fn a_cart_is_known_when_all_its_pools_know_it() {
    let mut shop = two_pools();
    shop.says("SET c 5", "OK");
    shop.says("MRESERVE o 2 a b QTY 2 1 PX 100 FOR user u", "OK 1000100");
    // A retry, whatever its hold, in any order of the pools: of the first pool in this call.
    refuses(&mut shop, "MRESERVE o 2 a b QTY 2 1 FOR user u", "EXISTS a reserved 2 0 1000100");
    refuses(&mut shop, "MRESERVE o 2 b a QTY 1 2 PXAT 5 FOR user u", "EXISTS b reserved 1 0 1000100");
    refuses(&mut shop, "MRESERVE o 1 b QTY 1 FOR user u", "EXISTS b reserved 1 0 1000100");
    // Other content, or known in some pools only.
    refuses(&mut shop, "MRESERVE o 2 a b QTY 2 2 FOR user u", "-CONFLICT");
    refuses(&mut shop, "MRESERVE o 2 a b QTY 2 1 FOR user v", "-CONFLICT");
    refuses(&mut shop, "MRESERVE o 2 a b QTY 2 1", "-CONFLICT");
    refuses(&mut shop, "MRESERVE o 3 a b c QTY 2 1 1 FOR user u", "-CONFLICT");
    refuses(&mut shop, "MRESERVE o 3 c a b QTY 99 2 1 FOR user u", "-CONFLICT");
    // A missing pool comes first, and CLOSED before what other pools say.
    refuses(&mut shop, "MRESERVE o 3 a b none QTY 9 1 1", "NOPOOL none");
    shop.says("RELEASE c o", "NOORDER c");
    refuses(&mut shop, "MRESERVE o 3 a b c QTY 9 1 1", "CLOSED c released");
    shop.now_ms += 100;
    shop.says("SWEEP a", "1");
    shop.says("SWEEP b", "1");
    refuses(&mut shop, "MRESERVE o 3 b c a QTY 1 1 1", "CLOSED b expired");
}

/// The order of a cart is an ordinary order in each pool.
#[test]
fn single_commands_work_on_the_order_of_a_cart() {
    let mut shop = two_pools();
    shop.says("MRESERVE o 3 a b a QTY 2 1 1 PX 100 FOR user u", "OK 1000100");
    refuses(&mut shop, "RESERVE a o 3 FOR user u", "EXISTS a reserved 3 0 1000100");
    refuses(&mut shop, "RESERVE a o 3 PARTIAL FOR user u", "-CONFLICT");
    refuses(&mut shop, "RESERVE b o 1", "-CONFLICT");
    shop.says("AMEND a o 4", "OK 4 6");
    shop.says("EXTEND b o PX 200", "OK 1000200");
    refuses(&mut shop, "MRESERVE o 2 a b QTY 3 1 FOR user u", "EXISTS a reserved 4 0 1000100");
    // What was reserved one by one is a cart as well.
    shop.says("RESERVE a p 1", "OK 1 5 1900000");
    shop.says("RESERVE b p 1 PX 7", "OK 1 3 1000007");
    refuses(&mut shop, "MRESERVE p 2 a b QTY 1 1", "EXISTS a reserved 1 0 1900000");
    shop.says("RESERVE a q 1 PARTIAL", "OK 1 4 1900000");
    refuses(&mut shop, "MRESERVE q 1 a QTY 1", "-CONFLICT");
    // Done already in one pool counts as done.
    shop.says("CONFIRM a p", "OK 1 1");
    shop.says("MCONFIRM p 2 a b", "OK");
    shop.field("GET a", "sold", "1");
    shop.field("GET b", "sold", "1");
    refuses(&mut shop, "MCONFIRM p 2 b a LATE", "EXISTS b confirmed 1 0 0");
    shop.says("RETURN b p", "OK 1 4 0");
    refuses(&mut shop, "MCONFIRM p 2 b a", "EXISTS b returned 1 1 0");
    shop.says("MRETURN p 2 b a KEEPUSAGE NORESTOCK", "OK");
    refuses(&mut shop, "MRETURN p 2 a b", "EXISTS a returned 1 1 0");
    shop.field("GET a", "out", "1");
}

#[test]
fn a_cart_has_one_deadline() {
    let mut shop = two_pools();
    shop.says("SETPOLICY a {\"hold\":60}", "OK");
    shop.says("MRESERVE o 2 b a QTY 1 1", "OK 1060000");
    shop.field("ORDER a o", "deadline_ms", "1060000");
    shop.field("ORDER b o", "deadline_ms", "1060000");
    shop.says("MRESERVE p 1 b QTY 1", "OK 1900000");
    shop.says("MRESERVE q 2 b a QTY 1 1 EX 1", "OK 1001000");
    // Never shorter, and OK also where nothing moves.
    shop.says("EXTEND b o PXAT 1070000", "OK 1070000");
    shop.says("MEXTEND o 2 a b PXAT 1065000", "OK");
    shop.field("ORDER a o", "deadline_ms", "1065000");
    shop.field("ORDER b o", "deadline_ms", "1070000");
    refuses(&mut shop, "MEXTEND o 2 a b PXAT 1065000", "OK");
    refuses(&mut shop, "MEXTEND o 2 a b PXAT 1", "OK");
    refuses(&mut shop, "MEXTEND p 2 b a EX 9999", "NOORDER a");
    refuses(&mut shop, "MEXTEND o 2 a none EX 9999", "NOPOOL none");
    shop.says("CONFIRM b o", "OK 1 1");
    refuses(&mut shop, "MEXTEND o 2 a b EX 9999", "CONFIRMED b");
    shop.now_ms = 1_065_000;
    shop.says("MEXTEND o 2 a b EX 9999", "EXPIRED a");
}

/// What each of four commands says to an order that is in one state in `a` and in another one in
/// `b`.
#[test]
fn the_first_pool_that_refuses_is_named() {
    let columns = ["MCONFIRM o 2 a b", "MCONFIRM o 2 a b LATE", "MRELEASE o 2 a b", "MRETURN o 2 a b"];
    let table = [
        (["reserved", "unknown"], ["NOORDER b", "NOORDER b", "NOORDER b", "RESERVED a"]),
        (["unknown", "reserved"], ["NOORDER a", "NOORDER a", "NOORDER a", "NOORDER a"]),
        (["reserved", "confirmed"], ["OK", "OK", "CONFIRMED b", "RESERVED a"]),
        (["confirmed", "reserved"], ["OK", "OK", "CONFIRMED a", "RESERVED b"]),
        (["reserved", "released"], ["CLOSED b released", "CLOSED b released", "OK", "RESERVED a"]),
        (["released", "reserved"], ["CLOSED a released", "CLOSED a released", "OK", "CLOSED a released"]),
        (["reserved", "expired"], ["EXPIRED b", "OK", "OK", "RESERVED a"]),
        (["expired", "confirmed"], ["EXPIRED a", "OK", "CONFIRMED b", "CLOSED a expired"]),
        (["confirmed", "returned"], ["EXISTS a confirmed 2 0 0", "EXISTS a confirmed 2 0 0", "CONFIRMED a", "OK"]),
        (["returned", "confirmed"], ["EXISTS a returned 2 2 0", "EXISTS a returned 2 2 0", "CLOSED a returned", "OK"]),
        (
            ["returned", "released"],
            ["CLOSED b released", "CLOSED b released", "CLOSED a returned", "CLOSED b released"],
        ),
        (["released", "unknown"], ["CLOSED a released", "CLOSED a released", "NOORDER b", "CLOSED a released"]),
        (["unknown", "unknown"], ["NOORDER a"; 4]),
        (["unknown", "released"], ["NOORDER a"; 4]),
        (["unknown", "expired"], ["NOORDER a"; 4]),
        (["expired", "unknown"], ["EXPIRED a", "NOORDER b", "NOORDER b", "CLOSED a expired"]),
        (["unknown", "confirmed"], ["NOORDER a"; 4]),
        (["confirmed", "unknown"], ["NOORDER b", "NOORDER b", "CONFIRMED a", "NOORDER b"]),
    ];
    for (states, answers) in table {
        for (call, expected) in columns.iter().zip(answers) {
            let mut shop = two_pools();
            for (pool, state) in ["a", "b"].iter().zip(states) {
                let steps: &[&str] = match state {
                    "unknown" => &[],
                    "reserved" => &["RESERVE"],
                    "expired" => &["RESERVE"],
                    "confirmed" => &["RESERVE", "CONFIRM"],
                    "returned" => &["RESERVE", "CONFIRM", "RETURN"],
                    _ => &["RESERVE", "RELEASE"],
                };
                for step in steps {
                    let options = match (*step, state) {
                        ("RESERVE", "expired") => " 2 PX 5",
                        ("RESERVE", _) => " 2",
                        _ => "",
                    };
                    shop.call(&format!("{step} {pool} o{options}"));
                }
            }
            shop.now_ms += 5;
            shop.call("SWEEP a");
            shop.call("SWEEP b");
            let cancels = call.starts_with("MRELEASE") && !states.iter().any(|s| !["unknown", "released"].contains(s));
            match expected == "OK" || cancels {
                true => shop.says(call, expected),
                false => refuses(&mut shop, call, expected),
            }
            shop.says("VERIFY a", "OK");
            shop.says("VERIFY b", "OK");
        }
    }
}

#[test]
fn a_released_cart_is_remembered_where_nobody_knows_it() {
    let mut shop = two_pools();
    shop.says("SET c 5", "OK");
    shop.says("RELEASE b o", "NOORDER b");
    shop.says("MRELEASE o 3 b a c", "NOORDER a");
    for pool in ["a", "b", "c"] {
        shop.field(&format!("ORDER {pool} o"), "state", "released");
        refuses(&mut shop, &format!("RESERVE {pool} o 1"), &format!("CLOSED {pool} released"));
    }
    refuses(&mut shop, "MRELEASE o 3 b a c", "EXISTS b released 0 0 0");
    refuses(&mut shop, "MRESERVE o 2 c a QTY 1 1", "CLOSED c released");
    // Held somewhere: that is no order which was never placed.
    shop.says("RESERVE b p 1", "OK 1 4 1900000");
    refuses(&mut shop, "MRELEASE p 3 a b c", "NOORDER a");
    shop.says("MRELEASE p 1 b", "OK");
    shop.says("MRELEASE p 3 a b c", "NOORDER a");
    refuses(&mut shop, "MRELEASE p 3 c b a", "EXISTS c released 0 0 0");
}

#[test]
fn late_carts_take_their_units_again_together() {
    let mut shop = two_pools();
    shop.says("MRESERVE o 2 a b QTY 4 3 PX 5", "OK 1000005");
    shop.now_ms += 5;
    shop.says("RESERVE b p 3", "OK 3 2 1900005");
    shop.says("MCONFIRM o 2 a b", "EXPIRED a");
    refuses(&mut shop, "MCONFIRM o 2 a b LATE", "SOLDOUT b 2");
    shop.says("RELEASE b p", "OK 3 5");
    shop.says("SUSPEND b", "OK");
    refuses(&mut shop, "MCONFIRM o 2 a b LATE", "SUSPENDED b");
    shop.says("RESUME b", "OK");
    shop.says("MCONFIRM o 2 a b LATE", "OK");
    refuses(&mut shop, "MCONFIRM o 2 a b LATE", "EXISTS a confirmed 4 0 0");
    shop.says("AVAILABLE a b", "6 2");
}

/// Due holds come back before a cart is decided, in every pool, and stay back when it is refused.
#[test]
fn due_holds_come_back_in_every_pool_of_a_cart() {
    for (call, expected) in [
        ("MRESERVE p 2 a b QTY 11 1", "SOLDOUT a 10"),
        ("MRESERVE p 2 b a QTY 6 1", "SOLDOUT b 5"),
        ("MRESERVE p 2 b none QTY 1 1", "NOPOOL none"),
        ("MRESERVE o 2 b a QTY 1 1", "CLOSED b expired"),
        ("MCONFIRM p 2 b a", "NOORDER b"),
        ("MRETURN o 2 b a", "CLOSED b expired"),
    ] {
        let mut shop = two_pools();
        shop.says("MRESERVE o 2 a b QTY 4 3 PX 5", "OK 1000005");
        shop.now_ms += 5;
        shop.says("AVAILABLE a b", "10 5");
        shop.field("GET b", "seq", "2");
        shop.says(call, expected);
        shop.field("GET b", "seq", "3");
        shop.field("GET a", "seq", if call.contains("none") { "2" } else { "3" });
        refuses(&mut shop, call, expected);
    }
    // Errors of syntax and bounds touch nothing.
    let mut shop = two_pools();
    shop.says("MRESERVE o 2 a b QTY 4 3 PX 5", "OK 1000005");
    shop.now_ms += 5;
    for call in [
        "MRESERVE p 0 a b QTY 1 1",
        "MRESERVE p -1 a b QTY 1 1",
        "MRESERVE p two a b QTY 1 1",
        "MRESERVE p 129 a b QTY 1 1",
        "MRESERVE p 3 a b QTY 1 1",
        "MRESERVE p 2 a b QTY 1",
        "MRESERVE p 2 a b QTY 1 1 1",
        "MRESERVE p 2 a b QTY 1 0",
        "MRESERVE p 2 a b EX 1 QTY 1 1",
        "MRESERVE p 2 a b QTY 1 1 PARTIAL",
        "MRESERVE p 2 a b QTY 1 1 EX 315360001",
        "MCONFIRM p 2 a b LATE LATE",
        "MCONFIRM p 2 a",
        "MCONFIRM p 2 a b QTY 1",
        "MRELEASE p 1 a b",
        "MEXTEND p 2 a b",
        "MEXTEND p 2 a b EX 0",
        "MEXTEND p 2 a b EX 1 PX 1",
        "MRETURN p 2 a b QTY 1 TOKEN t",
        "MRETURN p 2 a b LATE",
        "MEFFECT a x",
    ] {
        if call.starts_with("MEFFECT") {
            // The log has it, clients have not; the reference does not know it at all.
            shop.says(call, "-ERR");
        } else {
            refuses(&mut shop, call, "-ERR");
        }
    }
    shop.field("GET b", "seq", "2");
}

/// Every answer that a cart can get is got by some of those that are made up.
#[test]
fn generated_carts_meet_every_answer() {
    let mut met: std::collections::BTreeMap<(String, String), usize> = Default::default();
    for seed in 0..40 {
        let profile = Profile { carts: true, ..Profile::default() };
        let mut generator = Generator::with(seed, profile);
        let mut model = Reference::new(Config::default());
        for _ in 0..4_000 {
            let step = generator.next();
            let answer = model.call(generator.now_ms(), &step.argv);
            let name = String::from_utf8_lossy(&step.argv[0]).to_ascii_uppercase();
            if name.starts_with("STOCK.M") {
                *met.entry((name, answer.word().unwrap_or_default())).or_default() += 1;
            }
        }
    }
    let answers: [(&str, &[&str]); 5] = [
        (
            "STOCK.MRESERVE",
            &[
                "OK",
                "EXISTS",
                "CLOSED",
                "CONFLICT",
                "NOPOOL",
                "SUSPENDED",
                "EARLY",
                "ENDED",
                "NODIM",
                "SOLDOUT",
                "LIMITED",
                "ERR",
            ],
        ),
        (
            "STOCK.MCONFIRM",
            &["OK", "EXISTS", "CLOSED", "EXPIRED", "NOORDER", "NOPOOL", "SUSPENDED", "SOLDOUT", "LIMITED", "ERR"],
        ),
        ("STOCK.MRELEASE", &["OK", "EXISTS", "CLOSED", "CONFIRMED", "NOORDER", "NOPOOL", "ERR"]),
        ("STOCK.MEXTEND", &["OK", "CLOSED", "EXPIRED", "CONFIRMED", "NOORDER", "NOPOOL", "ERR"]),
        ("STOCK.MRETURN", &["OK", "EXISTS", "CLOSED", "RESERVED", "NOORDER", "NOPOOL", "ERR"]),
    ];
    for (name, words) in answers {
        for word in words {
            assert!(met.contains_key(&(name.into(), word.to_string())), "{name} never answers {word}: {met:#?}");
        }
    }
    let ok: usize = answers.iter().map(|(name, _)| met[&(name.to_string(), "OK".into())]).sum();
    let all: usize = met.values().sum();
    assert!(ok * 8 >= all, "{ok} of {all} carts succeed: {met:#?}");
}
