//! The table of an order's life, cell by cell: every command in every state, what it answers, what the same call
//! answers again, and what it leaves behind.

use testkit::{fits, now_ms, pass, Client, Server};

/// state | command | answer | answer to the same call again | order: state qty returned, - for an unknown one |
/// pool: on_hand reserved sold out. `=` stands for "as before": the same answer, or nothing changed.
const CELLS: &str = "
unknown | RESERVE $k o 5 FOR user u | [OK, 5, 95, *] | [EXISTS, $k, reserved, 5, 0, *] | reserved 5 0 | 100 5 0 0
unknown | RESERVE $k o 101 | [SOLDOUT, $k, 100] | = | = | =
unknown | CONFIRM $k o | [NOORDER, $k] | = | = | =
unknown | CONFIRM $k o QTY 3 | [NOORDER, $k] | = | = | =
unknown | CONFIRM $k o LATE | [NOORDER, $k] | = | = | =
unknown | CONFIRM $k o QTY 3 LATE | [NOORDER, $k] | = | = | =
unknown | CONFIRM $k o LATE SINCE $n | [NOORDER, $k] | = | = | =
unknown | CONFIRM $k o QTY 3 LATE SINCE $n | [OK, 3, 3] | [EXISTS, $k, confirmed, 3, 0, 0] | confirmed 3 0 | 97 0 3 3
unknown | CONFIRM $k o QTY 101 LATE SINCE $n | [SOLDOUT, $k, 100] | = | = | =
unknown | RELEASE $k o | [NOORDER, $k] | [EXISTS, $k, released, 0, 0, 0] | released 0 0 | =
unknown | AMEND $k o 5 | [NOORDER, $k] | = | = | =
unknown | EXTEND $k o EX 60 | [NOORDER, $k] | = | = | =
unknown | RETURN $k o | [NOORDER, $k] | = | = | =
unknown | RETURN $k o QTY 2 TOKEN t | [NOORDER, $k] | = | = | =
unknown | RETURN $k o QTY 2 TOKEN t LATE | [OK, 2, 102, -2] | [EXISTS, $k, returned, 2, 2, 0] | returned 2 2 | 102 0 -2 -2

cancelled | RESERVE $k o 5 FOR user u | [CLOSED, $k, released] | = | = | =
cancelled | CONFIRM $k o | [CLOSED, $k, released] | = | = | =
cancelled | RELEASE $k o | [EXISTS, $k, released, 0, 0, 0] | = | = | =

reserved | RESERVE $k o 5 FOR user u | [EXISTS, $k, reserved, 5, 0, $d] | = | = | =
reserved | RESERVE $k o 5 PX 1 FOR user u | [EXISTS, $k, reserved, 5, 0, $d] | = | = | =
reserved | RESERVE $k o 5 EX 90000 FOR user u | [EXISTS, $k, reserved, 5, 0, $d] | = | = | =
reserved | RESERVE $k o 4 FOR user u | -CONFLICT * | = | = | =
reserved | RESERVE $k o 5 PARTIAL FOR user u | -CONFLICT * | = | = | =
reserved | RESERVE $k o 5 FOR user v | -CONFLICT * | = | = | =
reserved | RESERVE $k o 5 | -CONFLICT * | = | = | =
reserved | RESERVE $k o 5 FOR user u region r | -CONFLICT * | = | = | =
reserved | CONFIRM $k o | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM $k o QTY 5 | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM $k o QTY 3 | [OK, 3, 3] | [EXISTS, $k, confirmed, 3, 0, 0] | confirmed 3 0 | 97 0 3 3
reserved | CONFIRM $k o QTY 6 | -CONFLICT * | = | = | =
reserved | CONFIRM $k o LATE | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM $k o QTY 3 LATE | [OK, 3, 3] | [EXISTS, $k, confirmed, 3, 0, 0] | confirmed 3 0 | 97 0 3 3
reserved | CONFIRM $k o QTY 6 LATE | -CONFLICT * | = | = | =
reserved | CONFIRM $k o LATE SINCE $n FOR user u | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
reserved | CONFIRM $k o LATE SINCE $n FOR user v | -CONFLICT * | = | = | =
reserved | RELEASE $k o | [OK, 5, 100] | [EXISTS, $k, released, 5, 0, 0] | released 5 0 | 100 0 0 0
reserved | AMEND $k o 5 | [EXISTS, $k, reserved, 5, 0, $d] | = | = | =
reserved | AMEND $k o 3 | [OK, 3, 97] | [EXISTS, $k, reserved, 3, 0, $d] | reserved 3 0 | 100 3 0 0
reserved | AMEND $k o 100 | [OK, 100, 0] | [EXISTS, $k, reserved, 100, 0, $d] | reserved 100 0 | 100 100 0 0
reserved | AMEND $k o 101 | [SOLDOUT, $k, 95] | = | = | =
reserved | EXTEND $k o PXAT $l | [OK, $l] | = | = | =
reserved | EXTEND $k o PX 1 | [OK, $d] | = | = | =
reserved | EXTEND $k o PXAT 1 | [OK, $d] | = | = | =
reserved | RETURN $k o | [RESERVED, $k] | = | = | =
reserved | RETURN $k o QTY 2 TOKEN t | [RESERVED, $k] | = | = | =
reserved | RETURN $k o QTY 2 TOKEN t LATE | [RESERVED, $k] | = | = | =

due+expired | RESERVE $k o 5 FOR user u | [CLOSED, $k, expired] | = | expired 5 0 | 100 0 0 0
due+expired | RESERVE $k o 4 | [CLOSED, $k, expired] | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM $k o | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM $k o QTY 3 | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM $k o QTY 6 | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM $k o LATE | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
due+expired | CONFIRM $k o LATE FOR user u | [OK, 5, 5] | [EXISTS, $k, confirmed, 5, 0, 0] | confirmed 5 0 | 95 0 5 5
due+expired | CONFIRM $k o LATE FOR user v | -CONFLICT * | = | expired 5 0 | 100 0 0 0
due+expired | CONFIRM $k o QTY 3 LATE | [OK, 3, 3] | [EXISTS, $k, confirmed, 3, 0, 0] | confirmed 3 0 | 97 0 3 3
due+expired | CONFIRM $k o QTY 6 LATE | -CONFLICT * | = | expired 5 0 | 100 0 0 0
due+expired | RELEASE $k o | [OK, 0, 100] | [EXISTS, $k, released, 5, 0, 0] | released 5 0 | 100 0 0 0
due+expired | AMEND $k o 5 | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | AMEND $k o 3 | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | AMEND $k o 101 | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | EXTEND $k o PXAT $l | [EXPIRED, $k] | = | expired 5 0 | 100 0 0 0
due+expired | RETURN $k o | [CLOSED, $k, expired] | = | expired 5 0 | 100 0 0 0
due+expired | RETURN $k o QTY 2 TOKEN t LATE | [CLOSED, $k, expired] | = | expired 5 0 | 100 0 0 0

released | RESERVE $k o 5 FOR user u | [CLOSED, $k, released] | = | = | =
released | RESERVE $k o 4 | [CLOSED, $k, released] | = | = | =
released | CONFIRM $k o | [CLOSED, $k, released] | = | = | =
released | CONFIRM $k o QTY 3 | [CLOSED, $k, released] | = | = | =
released | CONFIRM $k o LATE | [CLOSED, $k, released] | = | = | =
released | CONFIRM $k o QTY 3 LATE SINCE $n | [CLOSED, $k, released] | = | = | =
released | RELEASE $k o | [EXISTS, $k, released, 5, 0, 0] | = | = | =
released | AMEND $k o 3 | [CLOSED, $k, released] | = | = | =
released | EXTEND $k o PXAT $l | [CLOSED, $k, released] | = | = | =
released | RETURN $k o | [CLOSED, $k, released] | = | = | =
released | RETURN $k o QTY 2 TOKEN t LATE | [CLOSED, $k, released] | = | = | =

confirmed | RESERVE $k o 5 FOR user u | [EXISTS, $k, confirmed, 5, 0, 0] | = | = | =
confirmed | RESERVE $k o 4 FOR user u | -CONFLICT * | = | = | =
confirmed | CONFIRM $k o | [EXISTS, $k, confirmed, 5, 0, 0] | = | = | =
confirmed | CONFIRM $k o QTY 5 | [EXISTS, $k, confirmed, 5, 0, 0] | = | = | =
confirmed | CONFIRM $k o QTY 4 | -CONFLICT * | = | = | =
confirmed | CONFIRM $k o LATE | [EXISTS, $k, confirmed, 5, 0, 0] | = | = | =
confirmed | CONFIRM $k o LATE FOR user v | [EXISTS, $k, confirmed, 5, 0, 0] | = | = | =
confirmed | RELEASE $k o | [CONFIRMED, $k] | = | = | =
confirmed | AMEND $k o 5 | [CONFIRMED, $k] | = | = | =
confirmed | AMEND $k o 3 | [CONFIRMED, $k] | = | = | =
confirmed | EXTEND $k o PXAT $l | [CONFIRMED, $k] | = | = | =
confirmed | RETURN $k o | [OK, 5, 100, 0] | [EXISTS, $k, returned, 5, 5, 0] | returned 5 5 | 100 0 0 0
confirmed | RETURN $k o NORESTOCK | [OK, 5, 95, 0] | [EXISTS, $k, returned, 5, 5, 0] | returned 5 5 | 95 0 0 5
confirmed | RETURN $k o QTY 2 TOKEN t | [OK, 2, 97, 3] | [EXISTS, $k, confirmed, 5, 2, 0] | confirmed 5 2 | 97 0 3 3
confirmed | RETURN $k o QTY 2 TOKEN t LATE | [OK, 2, 97, 3] | [EXISTS, $k, confirmed, 5, 2, 0] | confirmed 5 2 | 97 0 3 3
confirmed | RETURN $k o QTY 2 TOKEN t NORESTOCK | [OK, 2, 95, 3] | [EXISTS, $k, confirmed, 5, 2, 0] | confirmed 5 2 | 95 0 3 5
confirmed | RETURN $k o QTY 5 TOKEN t | [OK, 5, 100, 0] | [EXISTS, $k, returned, 5, 5, 0] | returned 5 5 | 100 0 0 0
confirmed | RETURN $k o QTY 6 TOKEN t | -CONFLICT * | = | = | =

partly | RESERVE $k o 5 FOR user u | [EXISTS, $k, confirmed, 5, 2, 0] | = | = | =
partly | RESERVE $k o 3 FOR user u | -CONFLICT * | = | = | =
partly | CONFIRM $k o | [EXISTS, $k, confirmed, 5, 2, 0] | = | = | =
partly | CONFIRM $k o QTY 5 | [EXISTS, $k, confirmed, 5, 2, 0] | = | = | =
partly | CONFIRM $k o QTY 3 | -CONFLICT * | = | = | =
partly | CONFIRM $k o LATE | [EXISTS, $k, confirmed, 5, 2, 0] | = | = | =
partly | RELEASE $k o | [CONFIRMED, $k] | = | = | =
partly | AMEND $k o 3 | [CONFIRMED, $k] | = | = | =
partly | EXTEND $k o PXAT $l | [CONFIRMED, $k] | = | = | =
partly | RETURN $k o | [OK, 3, 100, 0] | [EXISTS, $k, returned, 5, 5, 0] | returned 5 5 | 100 0 0 0
partly | RETURN $k o QTY 2 TOKEN t | [EXISTS, $k, confirmed, 5, 2, 0] | = | = | =
partly | RETURN $k o QTY 1 TOKEN t | -CONFLICT * | = | = | =
partly | RETURN $k o QTY 2 TOKEN t KEEPUSAGE | -CONFLICT * | = | = | =
partly | RETURN $k o QTY 2 TOKEN t NORESTOCK | -CONFLICT * | = | = | =
partly | RETURN $k o QTY 3 TOKEN t2 | [OK, 3, 100, 0] | [EXISTS, $k, returned, 5, 5, 0] | returned 5 5 | 100 0 0 0
partly | RETURN $k o QTY 4 TOKEN t2 | -CONFLICT * | = | = | =

returned | RESERVE $k o 5 FOR user u | [CLOSED, $k, returned] | = | = | =
returned | RESERVE $k o 4 FOR user u | [CLOSED, $k, returned] | = | = | =
returned | CONFIRM $k o | [EXISTS, $k, returned, 5, 5, 0] | = | = | =
returned | CONFIRM $k o QTY 5 | [EXISTS, $k, returned, 5, 5, 0] | = | = | =
returned | CONFIRM $k o QTY 4 | -CONFLICT * | = | = | =
returned | CONFIRM $k o LATE | [EXISTS, $k, returned, 5, 5, 0] | = | = | =
returned | RELEASE $k o | [CLOSED, $k, returned] | = | = | =
returned | AMEND $k o 3 | [CLOSED, $k, returned] | = | = | =
returned | EXTEND $k o PXAT $l | [CLOSED, $k, returned] | = | = | =
returned | RETURN $k o | [EXISTS, $k, returned, 5, 5, 0] | = | = | =
returned | RETURN $k o QTY 1 TOKEN t9 | -CONFLICT * | = | = | =
returned | RETURN $k o QTY 1 TOKEN t9 LATE | -CONFLICT * | = | = | =

vouched | RETURN $k o QTY 2 TOKEN t | [EXISTS, $k, returned, 2, 2, 0] | = | = | =
vouched | RETURN $k o QTY 2 TOKEN t LATE | [EXISTS, $k, returned, 2, 2, 0] | = | = | =
vouched | RETURN $k o QTY 1 TOKEN t LATE | -CONFLICT * | = | = | =
vouched | RETURN $k o QTY 1 TOKEN t9 | -CONFLICT * | = | = | =
vouched | RETURN $k o QTY 1 TOKEN t9 LATE | [OK, 1, 103, -3] | [EXISTS, $k, returned, 3, 3, 0] | returned 3 3 | 103 0 -3 -3
vouched | RETURN $k o | [EXISTS, $k, returned, 2, 2, 0] | = | = | =
vouched | RESERVE $k o 2 | [CLOSED, $k, returned] | = | = | =
vouched | CONFIRM $k o | [EXISTS, $k, returned, 2, 2, 0] | = | = | =
vouched | RELEASE $k o | [CLOSED, $k, returned] | = | = | =
";

struct Cell {
    state: &'static str,
    command: &'static str,
    answer: &'static str,
    again: &'static str,
    order: &'static str,
    pool: &'static str,
    key: String,
    deadline: i64,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for line in CELLS.lines().filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [states, command, answer, again, order, pool] = columns[..] else {
            panic!("six columns: {line}");
        };
        for state in states.split('+') {
            let key = format!("k{}", cells.len());
            cells.push(Cell { state, command, answer, again, order, pool, key, deadline: 0 });
        }
    }
    cells
}

/// Brings order `o` of the cell's pool into its state, but for the deadline that must still pass.
fn arrange(c: &mut Client, cell: &mut Cell) {
    let k = &cell.key;
    c.expect(&format!("STOCK.SET {k} 100"), "OK");
    let hold = match cell.state {
        "due" | "expired" => "PX 100",
        _ => "EX 900",
    };
    match cell.state {
        "unknown" => {}
        "cancelled" => {
            c.expect(&format!("STOCK.RELEASE {k} o"), "[NOORDER, *]");
        }
        "vouched" => {
            c.expect(&format!("STOCK.RETURN {k} o QTY 2 TOKEN t LATE"), "[OK, *]");
        }
        _ => {
            let answer = c.expect(&format!("STOCK.RESERVE {k} o 5 {hold} FOR user u"), "[OK, *]");
            cell.deadline = answer.items()[3].int();
        }
    }
    if let "confirmed" | "partly" | "returned" = cell.state {
        c.expect(&format!("STOCK.CONFIRM {k} o"), "[OK, *]");
    }
    match cell.state {
        "released" => c.expect(&format!("STOCK.RELEASE {k} o"), "[OK, *]"),
        "partly" => c.expect(&format!("STOCK.RETURN {k} o QTY 2 TOKEN t"), "[OK, *]"),
        "returned" => c.expect(&format!("STOCK.RETURN {k} o"), "[OK, *]"),
        _ => c.expect("PING", "PONG"),
    };
}

fn describe(c: &mut Client, key: &str) -> (String, String) {
    let order = c.call(&["STOCK.ORDER", key, "o"]);
    let order = match order.to_string().as_str() {
        "nil" => "-".to_string(),
        _ => ["state", "qty", "returned"].map(|f| order.field(f).to_string()).join(" "),
    };
    let pool = c.call(&["STOCK.GET", key]);
    let pool = ["on_hand", "reserved", "sold", "out"].map(|f| pool.field(f).to_string()).join(" ");
    (order, pool)
}

#[test]
fn every_cell() {
    let server = Server::start();
    let mut c = server.client();
    c.pause_background();
    let mut cells = cells();
    for cell in &mut cells {
        arrange(&mut c, cell);
    }
    pass(now_ms() + 101);
    let (now, later) = (now_ms().to_string(), (now_ms() + 7_200_000).to_string());
    let mut wrong = Vec::new();
    for cell in cells {
        let key = cell.key.as_str();
        if cell.state == "expired" {
            c.expect(&format!("STOCK.SWEEP {key}"), "1");
        }
        let fill = |text: &str| {
            text.replace("$k", key).replace("$n", &now).replace("$l", &later).replace("$d", &cell.deadline.to_string())
        };
        let (order, pool) = describe(&mut c, key);
        let command = fill(&format!("STOCK.{}", cell.command));
        let mut check = |what: &str, found: &str, wanted: &str| {
            if !fits(wanted, found) {
                wrong.push(format!("{}: {command}: {what} {found}, not {wanted}", cell.state));
            }
        };
        let answer = fill(cell.answer);
        check("answered", &c.say(&command).to_string(), &answer);
        let after_once = c.digest(key);
        let again = if cell.again == "=" { answer } else { fill(cell.again) };
        check("answered again", &c.say(&command).to_string(), &again);
        check("after the repetition the digest is", &c.digest(key), &after_once);
        let (order_after, pool_after) = describe(&mut c, key);
        check("the order is", &order_after, if cell.order == "=" { &order } else { cell.order });
        check("the pool is", &pool_after, if cell.pool == "=" { &pool } else { cell.pool });
        check("VERIFY says", &c.call(&["STOCK.VERIFY", key]).to_string(), "OK");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A hold that is due counts as expired for every read, whether its units came back or not.
#[test]
fn due_holds_read_as_expired() {
    let server = Server::start();
    let mut c = server.client();
    c.pause_background();
    c.expect("STOCK.SET k 10", "OK");
    let answer = c.expect("STOCK.RESERVE k o 4 PX 30", "[OK, 4, 6, *]");
    c.expect_pool("k", "reserved=4 available=6");
    let before = c.digest("k");
    pass(answer.items()[3].int());
    c.expect_pool("k", "on_hand=10 reserved=0 available=10 next_deadline_ms=0");
    c.expect("STOCK.AVAILABLE k", "[10]");
    c.expect("STOCK.CHECK k 10", "[OK, 10, 0, *]");
    assert_eq!(c.order("k", "o", "state"), "expired");
    assert_eq!(c.order("k", "o", "deadline_ms"), "0");
    c.expect("STOCK.ORDERS k 0", "[*, [o, expired]]");
    c.expect("STOCK.ORDERS k 0 STATE reserved", "[*, []]");
    assert_eq!(c.digest("k"), before, "reads change nothing");
    c.expect("STOCK.SWEEP k", "1");
    c.expect("STOCK.SWEEP k", "0");
    assert_ne!(c.digest("k"), before);
    c.verify("k");
}
