//! The table of an order's life, cell by cell: every command in every state, what it answers, what
//! the same call answers again, and what it leaves behind.

use super::*;

/// state | command | answer | answer to the same call again | order: state qty returned, nil for an
/// unknown one | pool: on_hand reserved sold out. `=` stands for "as before": the same answer, or
/// nothing changed. `$n` is the time of the call, `$d` the deadline of the order, `$h` that of a
/// hold which is made now, `$l` one that is later.
const CELLS: &str = "
unknown | RESERVE k o 5 FOR user u | OK 5 95 $h | EXISTS k reserved 5 0 $h | reserved 5 0 | 100 5 0 0
unknown | RESERVE k o 101 | SOLDOUT k 100 | = | = | =
unknown | RESERVE k o 5 PXAT $n FOR user u | -ERR | = | = | =
unknown | CONFIRM k o | NOORDER k | = | = | =
unknown | CONFIRM k o QTY 3 | NOORDER k | = | = | =
unknown | CONFIRM k o LATE | NOORDER k | = | = | =
unknown | CONFIRM k o QTY 3 LATE | NOORDER k | = | = | =
unknown | CONFIRM k o LATE SINCE $n | NOORDER k | = | = | =
unknown | CONFIRM k o QTY 3 LATE SINCE $n | OK 3 3 | EXISTS k confirmed 3 0 0 | confirmed 3 0 | 97 0 3 3
unknown | CONFIRM k o QTY 101 LATE SINCE $n | SOLDOUT k 100 | = | = | =
unknown | RELEASE k o | NOORDER k | EXISTS k released 0 0 0 | released 0 0 | =
unknown | AMEND k o 5 | NOORDER k | = | = | =
unknown | EXTEND k o EX 60 | NOORDER k | = | = | =
unknown | RETURN k o | NOORDER k | = | = | =
unknown | RETURN k o QTY 2 TOKEN t | NOORDER k | = | = | =
unknown | RETURN k o QTY 2 TOKEN t LATE | OK 2 102 -2 | EXISTS k returned 2 2 0 | returned 2 2 | 102 0 -2 -2
unknown | RESERVE k o 5 PARTIAL FOR user u | OK 5 95 $h | EXISTS k reserved 5 0 $h | reserved 5 0 | 100 5 0 0
unknown | RESERVE k o 101 PARTIAL | OK 100 0 $h | EXISTS k reserved 100 0 $h | reserved 100 0 | 100 100 0 0

cancelled | RESERVE k o 5 FOR user u | CLOSED k released | = | = | =
cancelled | CONFIRM k o | CLOSED k released | = | = | =
cancelled | RELEASE k o | EXISTS k released 0 0 0 | = | = | =

reserved | RESERVE k o 5 FOR user u | EXISTS k reserved 5 0 $d | = | = | =
reserved | RESERVE k o 5 PX 1 FOR user u | EXISTS k reserved 5 0 $d | = | = | =
reserved | RESERVE k o 5 EX 90000 FOR user u | EXISTS k reserved 5 0 $d | = | = | =
reserved | RESERVE k o 4 FOR user u | -CONFLICT | = | = | =
reserved | RESERVE k o 5 PARTIAL FOR user u | -CONFLICT | = | = | =
reserved | RESERVE k o 5 FOR user v | -CONFLICT | = | = | =
reserved | RESERVE k o 5 | -CONFLICT | = | = | =
reserved | RESERVE k o 5 FOR user u region r | -CONFLICT | = | = | =
reserved | CONFIRM k o | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM k o QTY 5 | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM k o QTY 3 | OK 3 3 | EXISTS k confirmed 3 0 0 | confirmed 3 0 | 97 0 3 3
reserved | CONFIRM k o QTY 6 | -CONFLICT | = | = | =
reserved | CONFIRM k o LATE | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM k o QTY 3 LATE | OK 3 3 | EXISTS k confirmed 3 0 0 | confirmed 3 0 | 97 0 3 3
reserved | CONFIRM k o QTY 6 LATE | -CONFLICT | = | = | =
reserved | CONFIRM k o LATE SINCE $n FOR user u | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM k o LATE SINCE $n FOR user v | -CONFLICT | = | = | =
reserved | RELEASE k o | OK 5 100 | EXISTS k released 5 0 0 | released 5 0 | 100 0 0 0
reserved | AMEND k o 5 | EXISTS k reserved 5 0 $d | = | = | =
reserved | AMEND k o 3 | OK 3 97 | EXISTS k reserved 3 0 $d | reserved 3 0 | 100 3 0 0
reserved | AMEND k o 100 | OK 100 0 | EXISTS k reserved 100 0 $d | reserved 100 0 | 100 100 0 0
reserved | AMEND k o 101 | SOLDOUT k 95 | = | = | =
reserved | EXTEND k o PXAT $l | OK $l | = | = | =
reserved | EXTEND k o PX 1 | OK $d | = | = | =
reserved | EXTEND k o PXAT 1 | OK $d | = | = | =
reserved | RETURN k o | RESERVED k | = | = | =
reserved | RETURN k o QTY 2 TOKEN t | RESERVED k | = | = | =
reserved | RETURN k o QTY 2 TOKEN t LATE | RESERVED k | = | = | =
reserved | CONFIRM k o QTY 5 LATE SINCE $n FOR user u | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | -CONFLICT | = | = | =

partial | RESERVE k o 120 PARTIAL FOR user u | EXISTS k reserved 100 0 $d | = | = | =
partial | RESERVE k o 120 PX 1 PARTIAL FOR user u | EXISTS k reserved 100 0 $d | = | = | =
partial | RESERVE k o 100 PARTIAL FOR user u | -CONFLICT | = | = | =
partial | RESERVE k o 100 FOR user u | -CONFLICT | = | = | =
partial | RESERVE k o 120 FOR user u | -CONFLICT | = | = | =
partial | RESERVE k o 120 PARTIAL FOR user v | -CONFLICT | = | = | =
partial | RESERVE k o 120 PARTIAL | -CONFLICT | = | = | =
partial | CONFIRM k o | OK 100 100 | EXISTS k confirmed 100 0 0 | confirmed 100 0 | 0 0 100 100
partial | CONFIRM k o QTY 120 | -CONFLICT | = | = | =
partial | AMEND k o 40 | OK 40 60 | EXISTS k reserved 40 0 $d | reserved 40 0 | 100 40 0 0
partial amended | RESERVE k o 120 PARTIAL FOR user u | EXISTS k reserved 40 0 $d | = | = | =
partial amended | RESERVE k o 40 PARTIAL FOR user u | -CONFLICT | = | = | =
partial paid | RESERVE k o 120 PARTIAL FOR user u | EXISTS k confirmed 100 0 0 | = | = | =
partial paid | RESERVE k o 100 PARTIAL FOR user u | -CONFLICT | = | = | =
partial due | RESERVE k o 120 PARTIAL FOR user u | CLOSED k expired | = | expired 100 0 | 100 0 0 0
partial due | RESERVE k o 100 PARTIAL FOR user u | CLOSED k expired | = | expired 100 0 | 100 0 0 0
partial due | CONFIRM k o LATE | OK 100 100 | EXISTS k confirmed 100 0 0 | confirmed 100 0 | 0 0 100 100

due+expired | RESERVE k o 5 FOR user u | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | RESERVE k o 5 PXAT 1 FOR user u | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | RESERVE k o 4 PXAT 1 FOR user u | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | RESERVE k o 4 | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o QTY 3 | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o QTY 6 | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o LATE | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
due+expired | CONFIRM k o LATE FOR user u | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
due+expired | CONFIRM k o LATE FOR user v | -CONFLICT | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o QTY 3 LATE | OK 3 3 | EXISTS k confirmed 3 0 0 | confirmed 3 0 | 97 0 3 3
due+expired | CONFIRM k o QTY 6 LATE | -CONFLICT | = | expired 5 0 | 100 0 0 0
due+expired | RELEASE k o | OK 0 100 | EXISTS k released 5 0 0 | released 5 0 | 100 0 0 0
due+expired | AMEND k o 5 | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | AMEND k o 3 | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | AMEND k o 101 | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | EXTEND k o PXAT $l | EXPIRED k | = | expired 5 0 | 100 0 0 0
due+expired | RETURN k o | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | RETURN k o QTY 2 TOKEN t LATE | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | RESERVE k o 5 PARTIAL FOR user u | CLOSED k expired | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM k o QTY 5 LATE SINCE $n FOR user u | OK 5 5 | EXISTS k confirmed 5 0 0 | confirmed 5 0 | 95 0 5 5
due+expired | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | -CONFLICT | = | expired 5 0 | 100 0 0 0
due+expired | RETURN k o QTY 2 TOKEN t | CLOSED k expired | = | expired 5 0 | 100 0 0 0

released | RESERVE k o 5 FOR user u | CLOSED k released | = | = | =
released | RESERVE k o 4 | CLOSED k released | = | = | =
released | CONFIRM k o | CLOSED k released | = | = | =
released | CONFIRM k o QTY 3 | CLOSED k released | = | = | =
released | CONFIRM k o LATE | CLOSED k released | = | = | =
released | CONFIRM k o QTY 3 LATE SINCE $n | CLOSED k released | = | = | =
released | RELEASE k o | EXISTS k released 5 0 0 | = | = | =
released | AMEND k o 3 | CLOSED k released | = | = | =
released | EXTEND k o PXAT $l | CLOSED k released | = | = | =
released | RETURN k o | CLOSED k released | = | = | =
released | RETURN k o QTY 2 TOKEN t LATE | CLOSED k released | = | = | =
released | RESERVE k o 5 PARTIAL FOR user u | CLOSED k released | = | = | =
released | CONFIRM k o QTY 6 | CLOSED k released | = | = | =
released | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | CLOSED k released | = | = | =
released | AMEND k o 5 | CLOSED k released | = | = | =
released | AMEND k o 101 | CLOSED k released | = | = | =
released | RETURN k o QTY 2 TOKEN t | CLOSED k released | = | = | =

confirmed | RESERVE k o 5 FOR user u | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | RESERVE k o 4 FOR user u | -CONFLICT | = | = | =
confirmed | CONFIRM k o | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | CONFIRM k o QTY 5 | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | CONFIRM k o QTY 4 | -CONFLICT | = | = | =
confirmed | CONFIRM k o LATE | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | CONFIRM k o LATE FOR user v | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | RELEASE k o | CONFIRMED k | = | = | =
confirmed | AMEND k o 5 | CONFIRMED k | = | = | =
confirmed | AMEND k o 3 | CONFIRMED k | = | = | =
confirmed | EXTEND k o PXAT $l | CONFIRMED k | = | = | =
confirmed | RETURN k o | OK 5 100 0 | EXISTS k returned 5 5 0 | returned 5 5 | 100 0 0 0
confirmed | RETURN k o NORESTOCK | OK 5 95 0 | EXISTS k returned 5 5 0 | returned 5 5 | 95 0 0 5
confirmed | RETURN k o QTY 2 TOKEN t | OK 2 97 3 | EXISTS k confirmed 5 2 0 | confirmed 5 2 | 97 0 3 3
confirmed | RETURN k o QTY 2 TOKEN t LATE | OK 2 97 3 | EXISTS k confirmed 5 2 0 | confirmed 5 2 | 97 0 3 3
confirmed | RETURN k o QTY 2 TOKEN t NORESTOCK | OK 2 95 3 | EXISTS k confirmed 5 2 0 | confirmed 5 2 | 95 0 3 5
confirmed | RETURN k o QTY 5 TOKEN t | OK 5 100 0 | EXISTS k returned 5 5 0 | returned 5 5 | 100 0 0 0
confirmed | RETURN k o QTY 6 TOKEN t | -CONFLICT | = | = | =
confirmed | RESERVE k o 5 PARTIAL FOR user u | -CONFLICT | = | = | =
confirmed | RESERVE k o 5 FOR user v | -CONFLICT | = | = | =
confirmed | CONFIRM k o QTY 6 | -CONFLICT | = | = | =
confirmed | CONFIRM k o QTY 5 LATE SINCE $n FOR user u | EXISTS k confirmed 5 0 0 | = | = | =
confirmed | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | -CONFLICT | = | = | =
confirmed | AMEND k o 101 | CONFIRMED k | = | = | =

partly | RESERVE k o 5 FOR user u | EXISTS k confirmed 5 2 0 | = | = | =
partly | RESERVE k o 3 FOR user u | -CONFLICT | = | = | =
partly | CONFIRM k o | EXISTS k confirmed 5 2 0 | = | = | =
partly | CONFIRM k o QTY 5 | EXISTS k confirmed 5 2 0 | = | = | =
partly | CONFIRM k o QTY 3 | -CONFLICT | = | = | =
partly | CONFIRM k o LATE | EXISTS k confirmed 5 2 0 | = | = | =
partly | RELEASE k o | CONFIRMED k | = | = | =
partly | AMEND k o 3 | CONFIRMED k | = | = | =
partly | EXTEND k o PXAT $l | CONFIRMED k | = | = | =
partly | RETURN k o | OK 3 100 0 | EXISTS k returned 5 5 0 | returned 5 5 | 100 0 0 0
partly | RETURN k o QTY 2 TOKEN t | EXISTS k confirmed 5 2 0 | = | = | =
partly | RETURN k o QTY 1 TOKEN t | -CONFLICT | = | = | =
partly | RETURN k o QTY 2 TOKEN t KEEPUSAGE | -CONFLICT | = | = | =
partly | RETURN k o QTY 2 TOKEN t NORESTOCK | -CONFLICT | = | = | =
partly | RETURN k o QTY 3 TOKEN t2 | OK 3 100 0 | EXISTS k returned 5 5 0 | returned 5 5 | 100 0 0 0
partly | RETURN k o QTY 4 TOKEN t2 | -CONFLICT | = | = | =
partly | RESERVE k o 5 PARTIAL FOR user u | -CONFLICT | = | = | =
partly | RESERVE k o 5 FOR user v | -CONFLICT | = | = | =
partly | CONFIRM k o QTY 6 | -CONFLICT | = | = | =
partly | CONFIRM k o QTY 5 LATE SINCE $n FOR user u | EXISTS k confirmed 5 2 0 | = | = | =
partly | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | -CONFLICT | = | = | =
partly | AMEND k o 5 | CONFIRMED k | = | = | =
partly | AMEND k o 101 | CONFIRMED k | = | = | =
partly | RETURN k o QTY 1 TOKEN w LATE | OK 1 98 2 | EXISTS k confirmed 5 3 0 | confirmed 5 3 | 98 0 2 2

returned | RESERVE k o 5 FOR user u | CLOSED k returned | = | = | =
returned | RESERVE k o 4 FOR user u | CLOSED k returned | = | = | =
returned | CONFIRM k o | EXISTS k returned 5 5 0 | = | = | =
returned | CONFIRM k o QTY 5 | EXISTS k returned 5 5 0 | = | = | =
returned | CONFIRM k o QTY 4 | -CONFLICT | = | = | =
returned | CONFIRM k o LATE | EXISTS k returned 5 5 0 | = | = | =
returned | RELEASE k o | CLOSED k returned | = | = | =
returned | AMEND k o 3 | CLOSED k returned | = | = | =
returned | EXTEND k o PXAT $l | CLOSED k returned | = | = | =
returned | RETURN k o | EXISTS k returned 5 5 0 | = | = | =
returned | RETURN k o QTY 1 TOKEN t9 | -CONFLICT | = | = | =
returned | RETURN k o QTY 1 TOKEN t9 LATE | -CONFLICT | = | = | =
returned | RESERVE k o 5 PARTIAL FOR user u | CLOSED k returned | = | = | =
returned | RESERVE k o 5 FOR user v | CLOSED k returned | = | = | =
returned | CONFIRM k o QTY 6 | -CONFLICT | = | = | =
returned | CONFIRM k o QTY 5 LATE SINCE $n FOR user u | EXISTS k returned 5 5 0 | = | = | =
returned | CONFIRM k o QTY 101 LATE SINCE $n FOR user u | -CONFLICT | = | = | =
returned | AMEND k o 5 | CLOSED k returned | = | = | =
returned | AMEND k o 101 | CLOSED k returned | = | = | =

unverified | RETURN k o QTY 2 TOKEN t | EXISTS k returned 2 2 0 | = | = | =
unverified | RETURN k o QTY 2 TOKEN t LATE | EXISTS k returned 2 2 0 | = | = | =
unverified | RETURN k o QTY 1 TOKEN t LATE | -CONFLICT | = | = | =
unverified | RETURN k o QTY 1 TOKEN t9 | -CONFLICT | = | = | =
unverified | RETURN k o QTY 1 TOKEN t9 LATE | OK 1 103 -3 | EXISTS k returned 3 3 0 | returned 3 3 | 103 0 -3 -3
unverified | RETURN k o | EXISTS k returned 2 2 0 | = | = | =
unverified | RESERVE k o 2 | CLOSED k returned | = | = | =
unverified | CONFIRM k o | EXISTS k returned 2 2 0 | = | = | =
unverified | RELEASE k o | CLOSED k returned | = | = | =
";

/// A pool of 100, and its order `o` of 5 in a state. The clock stands behind the deadline of those
/// that are due.
fn arranged(state: &str) -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "100");
    let calls: &[&str] = match state {
        "unknown" => &[],
        "cancelled" => &["RELEASE k o"],
        "unverified" => &["RETURN k o QTY 2 TOKEN t LATE"],
        "partial" => &["RESERVE k o 120 EX 900 PARTIAL FOR user u"],
        "partial amended" => &["RESERVE k o 120 EX 900 PARTIAL FOR user u", "AMEND k o 40"],
        "partial paid" => &["RESERVE k o 120 EX 900 PARTIAL FOR user u", "CONFIRM k o"],
        "partial due" => &["RESERVE k o 120 PX 100 PARTIAL FOR user u"],
        "reserved" => &["RESERVE k o 5 EX 900 FOR user u"],
        "due" | "expired" => &["RESERVE k o 5 PX 100 FOR user u"],
        "released" => &["RESERVE k o 5 EX 900 FOR user u", "RELEASE k o"],
        "confirmed" => &["RESERVE k o 5 EX 900 FOR user u", "CONFIRM k o"],
        "partly" => &["RESERVE k o 5 EX 900 FOR user u", "CONFIRM k o", "RETURN k o QTY 2 TOKEN t"],
        "returned" => &["RESERVE k o 5 EX 900 FOR user u", "CONFIRM k o", "RETURN k o"],
        _ => unreachable!("{state}"),
    };
    for call in calls {
        let answer = show(&shop.call(call));
        assert!(answer.starts_with("OK") || state == "cancelled", "{call}: {answer}");
    }
    shop.now_ms += 101;
    if state == "expired" {
        shop.says("SWEEP k", "1");
    }
    shop
}

fn fields(shop: &mut Shop, call: &str, names: &[&str]) -> String {
    let reply = shop.call(call);
    let shown: Vec<String> = names.iter().filter_map(|name| reply.field(name).map(show)).collect();
    if shown.is_empty() {
        show(&reply)
    } else {
        shown.join(" ")
    }
}

#[test]
fn every_cell() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in CELLS.lines().filter(|line| !line.is_empty()) {
        let [states, command, answer, again, order, pool] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("six columns: {line}");
        };
        for state in states.split('+') {
            let mut shop = arranged(state);
            let describe = |shop: &mut Shop| {
                let order = fields(shop, "ORDER k o", &["state", "qty", "returned"]);
                (order, fields(shop, "GET k", &["on_hand", "reserved", "sold", "out"]))
            };
            let fill = |text: &str| {
                let text = text.replace("$n", "1000101").replace("$d", "1900000");
                text.replace("$h", "1900101").replace("$l", "8200101")
            };
            let before = describe(&mut shop);
            let command = fill(command);
            let mut check = |what: &str, found: &str, wanted: &str| {
                if found != wanted {
                    wrong.push(format!("{state}: {command}: {what} {found}, not {wanted}"));
                }
            };
            let answer = fill(answer);
            check("answered", &show(&shop.call(&command)), &answer);
            let after_once = shop.core.state();
            let again = if again == "=" { answer } else { fill(again) };
            check("answered again", &show(&shop.call(&command)), &again);
            assert!(shop.core.state() == after_once, "{state}: {command} does something twice");
            let (order_after, pool_after) = describe(&mut shop);
            check("the order is", &order_after, if order == "=" { &before.0 } else { order });
            check("the pool is", &pool_after, if pool == "=" { &before.1 } else { pool });
            shop.says("VERIFY k", "OK");
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 180, "{seen} cells");
}

#[test]
fn an_order_that_was_amended_is_known_by_what_was_asked_for() {
    let mut shop = order_in("reserved");
    shop.says("AMEND k o 10", "OK 10 0");
    shop.says("RESERVE k o 4 FOR user u", "EXISTS k reserved 10 0 1010000");
    shop.says("EXTEND k o PX 1", "OK 1010000");
}

/// A hold that is due counts as expired for every read, whether its units came back or not.
#[test]
fn due_holds_read_as_expired() {
    let mut shop = order_in("reserved");
    assert_eq!(fields(&mut shop, "GET k", &["reserved", "available", "next_deadline_ms"]), "4 6 1010000");
    shop = order_in("due");
    let before = shop.core.state();
    for (read, answer) in [
        ("AVAILABLE k", "10"),
        ("CHECK k 10", "OK 10 0 1910000"),
        ("ORDERS k 0", "0 [o expired]"),
        ("ORDERS k 0 STATE reserved", "0 []"),
    ] {
        shop.says(read, answer);
    }
    assert_eq!(fields(&mut shop, "GET k", &["on_hand", "reserved", "available", "next_deadline_ms"]), "10 0 10 0");
    assert_eq!(fields(&mut shop, "ORDER k o", &["state", "deadline_ms"]), "expired 0");
    assert!(shop.core.state() == before, "reads change nothing");
    shop.says("SWEEP k", "1");
    shop.says("SWEEP k", "0");
    assert!(shop.core.state() != before);
}
