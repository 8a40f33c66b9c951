//! The contract in tables: the state table cell by cell, windows, overrides, give-back, LATE, tokens, bounds. What they expect
//! is written from the contract by hand. Each call goes to the reference and to the core: a second opinion on both.

use redis_stock::command::host::Origin;

use crate::generate::{Generator, Profile, START_MS};
use crate::host::Host;
use crate::reference::{Config, Reference};
use crate::reply::{same, same_for, Reply};

/// Thursday, 2026-01-01T00:00:00Z.
const NEW_YEAR_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The reference and the core with one clock, spoken to in text.
struct Shop {
    model: Reference,
    core: Host,
    now_ms: i64,
}

impl Clone for Shop {
    fn clone(&self) -> Self {
        Shop { model: self.model.clone(), core: self.core.twin(), now_ms: self.now_ms }
    }
}

impl Shop {
    fn at(now_ms: i64) -> Self {
        Shop { model: Reference::new(Config::default()), core: Host::new(1), now_ms }
    }

    /// A shop with one pool `k`.
    fn with_stock(now_ms: i64, on_hand: &str) -> Self {
        let mut shop = Shop::at(now_ms);
        shop.says(&format!("SET k {on_hand}"), "OK");
        shop
    }

    fn call(&mut self, text: &str) -> Reply {
        let mut argv: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        argv[0] = format!("STOCK.{}", text.split(' ').next().unwrap_or("")).into_bytes();
        let expected = self.model.call(self.now_ms, &argv);
        let (answer, _) = self.core.call(self.now_ms, Origin::Client, &argv);
        assert!(same_for(&argv[0], &expected, &answer), "{text}: reference {expected:?}, core {answer:?}");
        assert_eq!(self.core.verify(), Vec::<String>::new(), "{text}");
        expected
    }

    #[track_caller]
    fn says(&mut self, call: &str, expected: &str) {
        assert_eq!(show(&self.call(call)), expected, "{call}");
    }

    #[track_caller]
    fn field(&mut self, call: &str, name: &str, expected: &str) {
        let reply = self.call(call);
        let value = reply.field(name).map_or("(none)".into(), show);
        assert_eq!(value, expected, "{name} of {call}");
    }

    /// `used/max/remaining/resets` of the limits that apply.
    #[track_caller]
    fn usage(&mut self, call: &str, expected: &[&str]) {
        let Reply::Array(limits) = self.call(call) else {
            panic!("{call} is no array");
        };
        let shown: Vec<String> = limits
            .iter()
            .map(|limit| {
                let fields = ["used", "max", "remaining", "resets_ms"];
                let fields = fields.map(|name| limit.field(name).map_or("?".into(), show));
                fields.join("/")
            })
            .collect();
        assert_eq!(shown, expected, "{call}");
    }
}

/// A reply in one line: words as they are, arrays inside arrays in brackets, errors by their first word.
fn show(reply: &Reply) -> String {
    let inner = |item: &Reply| match item {
        Reply::Array(_) | Reply::Map(_) => format!("[{}]", show(item)),
        item => show(item),
    };
    match reply {
        Reply::Int(value) => value.to_string(),
        Reply::Nil => "nil".into(),
        Reply::Error(_) => format!("-{}", reply.word().unwrap_or_default()),
        Reply::Array(items) => items.iter().map(inner).collect::<Vec<_>>().join(" "),
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}={}", inner(key), inner(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        _ => String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned(),
    }
}

// --- the state table ---

const COLUMNS: [&str; 19] = [
    "RESERVE k o 4 PX 10000 FOR user u",
    "RESERVE k o 5 PX 10000 FOR user u",
    "RESERVE k o 4 PARTIAL FOR user u",
    "RESERVE k o 4 FOR user v",
    "CONFIRM k o",
    "CONFIRM k o QTY 4",
    "CONFIRM k o QTY 3",
    "CONFIRM k o QTY 5",
    "CONFIRM k o LATE",
    "CONFIRM k o QTY 4 LATE SINCE 999000 FOR user u",
    "CONFIRM k o QTY 11 LATE SINCE 999000 FOR user u",
    "RELEASE k o",
    "AMEND k o 4",
    "AMEND k o 3",
    "AMEND k o 11",
    "EXTEND k o EX 20",
    "RETURN k o",
    "RETURN k o QTY 1 TOKEN t",
    "RETURN k o QTY 1 TOKEN w LATE",
];

/// A pool of 10, and one order `o` of 4 that got into this state.
fn order_in(state: &str) -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "10");
    let calls: &[&str] = match state {
        "unknown" => &[],
        "reserved" | "due" => &["RESERVE k o 4 PX 10000 FOR user u"],
        "expired" => &["RESERVE k o 4 PX 10000 FOR user u"],
        "released" => &["RESERVE k o 4 PX 10000 FOR user u", "RELEASE k o"],
        "confirmed" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o"],
        "partly returned" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o", "RETURN k o QTY 1 TOKEN t"],
        "returned" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o", "RETURN k o"],
        _ => unreachable!("no such state"),
    };
    for call in calls {
        let reply = show(&shop.call(call));
        assert!(reply.starts_with("OK"), "{call}: {reply}");
    }
    match state {
        "due" => shop.now_ms = 1_010_000,
        "expired" => {
            shop.now_ms = 1_010_000;
            shop.says("SWEEP k", "1");
        }
        _ => {}
    }
    shop
}

#[track_caller]
fn row(state: &str, expected: [&str; COLUMNS.len()]) {
    for (call, expected) in COLUMNS.iter().zip(expected) {
        let mut shop = order_in(state);
        let reply = show(&shop.call(call));
        assert_eq!(reply, expected, "{call} of an order that is {state}");
        shop.says("VERIFY k", "OK");
    }
}

#[test]
fn table_unknown() {
    row(
        "unknown",
        [
            "OK 4 6 1010000",
            "OK 5 5 1010000",
            "OK 4 6 1900000",
            "OK 4 6 1900000",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "OK 4 4",
            "SOLDOUT k 10",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "NOORDER k",
            "OK 1 11 -1",
        ],
    );
}

#[test]
fn table_reserved() {
    row(
        "reserved",
        [
            "EXISTS k reserved 4 0 1010000",
            "-CONFLICT",
            "-CONFLICT",
            "-CONFLICT",
            "OK 4 4",
            "OK 4 4",
            "OK 3 3",
            "-CONFLICT",
            "OK 4 4",
            "OK 4 4",
            "-CONFLICT",
            "OK 4 10",
            "EXISTS k reserved 4 0 1010000",
            "OK 3 7",
            "SOLDOUT k 6",
            "OK 1020000",
            "RESERVED k",
            "RESERVED k",
            "RESERVED k",
        ],
    );
    let mut shop = order_in("reserved");
    shop.says("AMEND k o 10", "OK 10 0");
    shop.says("RESERVE k o 4 FOR user u", "EXISTS k reserved 10 0 1010000");
    shop.says("EXTEND k o PX 1", "OK 1010000");
}

const ROW_EXPIRED: [&str; COLUMNS.len()] = [
    "CLOSED k expired",
    "CLOSED k expired",
    "CLOSED k expired",
    "CLOSED k expired",
    "EXPIRED k",
    "EXPIRED k",
    "EXPIRED k",
    "EXPIRED k",
    "OK 4 4",
    "OK 4 4",
    "-CONFLICT",
    "OK 0 10",
    "EXPIRED k",
    "EXPIRED k",
    "EXPIRED k",
    "EXPIRED k",
    "CLOSED k expired",
    "CLOSED k expired",
    "CLOSED k expired",
];

#[test]
fn table_due() {
    row("due", ROW_EXPIRED);
}

#[test]
fn table_expired() {
    row("expired", ROW_EXPIRED);
}

#[test]
fn table_released() {
    let mut expected = ["CLOSED k released"; COLUMNS.len()];
    expected[11] = "EXISTS k released 4 0 0";
    row("released", expected);
}

#[test]
fn table_confirmed() {
    row(
        "confirmed",
        [
            "EXISTS k confirmed 4 0 0",
            "-CONFLICT",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k confirmed 4 0 0",
            "EXISTS k confirmed 4 0 0",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k confirmed 4 0 0",
            "EXISTS k confirmed 4 0 0",
            "-CONFLICT",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "OK 4 10 0",
            "OK 1 7 3",
            "OK 1 7 3",
        ],
    );
}

#[test]
fn table_partly_returned() {
    row(
        "partly returned",
        [
            "EXISTS k confirmed 4 1 0",
            "-CONFLICT",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k confirmed 4 1 0",
            "EXISTS k confirmed 4 1 0",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k confirmed 4 1 0",
            "EXISTS k confirmed 4 1 0",
            "-CONFLICT",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "CONFIRMED k",
            "OK 3 10 0",
            "EXISTS k confirmed 4 1 0",
            "OK 1 8 2",
        ],
    );
    let mut shop = order_in("partly returned");
    shop.says("RETURN k o QTY 4 TOKEN v", "-CONFLICT");
    shop.says("RETURN k o QTY 3 TOKEN v", "OK 3 10 0");
    shop.says("RETURN k o", "EXISTS k returned 4 4 0");
    shop.says("RETURN k o QTY 3 TOKEN v", "EXISTS k returned 4 4 0");
}

#[test]
fn table_returned() {
    row(
        "returned",
        [
            "EXISTS k returned 4 4 0",
            "-CONFLICT",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k returned 4 4 0",
            "EXISTS k returned 4 4 0",
            "-CONFLICT",
            "-CONFLICT",
            "EXISTS k returned 4 4 0",
            "EXISTS k returned 4 4 0",
            "-CONFLICT",
            "CLOSED k returned",
            "CLOSED k returned",
            "CLOSED k returned",
            "CLOSED k returned",
            "CLOSED k returned",
            "EXISTS k returned 4 4 0",
            "-CONFLICT",
            "-CONFLICT",
        ],
    );
}

// --- orders ---

#[test]
fn a_hold_expires_exactly_at_its_deadline() {
    let mut shop = order_in("reserved");
    shop.now_ms = 1_009_999;
    shop.says("AVAILABLE k", "6");
    shop.field("GET k", "next_deadline_ms", "1010000");
    shop.now_ms = 1_010_000;
    shop.says("AVAILABLE k", "10");
    shop.field("GET k", "next_deadline_ms", "0");
    shop.field("ORDER k o", "state", "expired");
    shop.field("ORDER k o", "qty", "4");
}

#[test]
fn a_refused_retry_never_moves_the_deadline_and_a_late_pxat_is_answered_by_the_state() {
    let mut shop = order_in("reserved");
    shop.says("RESERVE k o 4 PXAT 5 FOR user u", "EXISTS k reserved 4 0 1010000");
    shop.says("RESERVE k p 4 PXAT 1000000 FOR user u", "-ERR");
    shop.says("RESERVE k p 4 PXAT 1000001 FOR user u", "OK 4 2 1000001");
    shop.says("RESERVE k q 1 EX 315360000", "OK 1 1 315361000000");
    shop.says("RESERVE k r 1 PX 315360000001", "-ERR");
}

#[test]
fn a_cancelled_order_takes_no_stock() {
    let mut shop = order_in("unknown");
    shop.says("RELEASE k o", "NOORDER k");
    shop.field("GET k", "seq", "2");
    shop.says("RELEASE k o", "EXISTS k released 0 0 0");
    shop.says("RESERVE k o 4", "CLOSED k released");
    shop.field("GET k", "seq", "2");
}

#[test]
fn a_finished_order_is_forgotten_after_its_time() {
    for (state, last_ms, retain_ms) in [
        ("released", 1_000_000, 86_400_000),
        ("expired", 1_010_000, 86_400_000),
        ("confirmed", 1_000_000, 604_800_000),
        ("returned", 1_000_000, 604_800_000),
    ] {
        let mut shop = order_in(state);
        shop.now_ms = last_ms + retain_ms - 1;
        shop.field("ORDER k o", "state", state);
        shop.now_ms += 1;
        shop.says("ORDER k o", "nil");
        shop.says("ORDERS k 0", "0 []");
        shop.says("CONFIRM k o", "NOORDER k");
    }
}

#[test]
fn a_return_counts_as_a_change_and_keeps_the_order_longer() {
    let mut shop = order_in("confirmed");
    shop.now_ms += 604_799_999;
    shop.says("RETURN k o QTY 1 TOKEN t", "OK 1 7 3");
    shop.now_ms += 604_799_999;
    shop.field("ORDER k o", "state", "confirmed");
    shop.now_ms += 1;
    shop.says("ORDER k o", "nil");
}

#[test]
fn seq_counts_every_change_and_only_changes() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    let calls = [
        ("SET k 10", 2),
        ("SET k 10 NX", 2),
        ("ADD k 1 TOKEN t", 3),
        ("ADD k 1 TOKEN t", 3),
        ("RESERVE k o 2 PX 1", 4),
        ("RESERVE k o 2 PX 1", 4),
        ("RESERVE k p 2 PX 1", 5),
        ("RESERVE k q 20 PX 1", 5),
        ("AMEND k o 3", 6),
        ("EXTEND k o PX 1", 6),
        ("EXTEND k o PX 2", 7),
        ("SUSPEND k", 8),
        ("SUSPEND k", 8),
        ("RESUME k", 9),
        ("LIMIT k user 1", 10),
        ("UNLIMIT k user PER DAY", 10),
        ("UNLIMIT k user", 11),
    ];
    for (call, seq) in calls {
        shop.call(call);
        shop.field("GET k", "seq", &seq.to_string());
    }
    shop.now_ms += 2;
    // Two holds are due: a read sees them, a refused write leaves them behind.
    shop.field("GET k", "seq", "11");
    shop.says("CONFIRM k nobody", "NOORDER k");
    shop.now_ms -= 2;
    shop.field("GET k", "seq", "13");
    shop.says("RELEASE k o", "OK 0 11");
    shop.field("GET k", "seq", "14");
}

#[test]
fn errors_of_syntax_touch_nothing() {
    let mut shop = order_in("due");
    shop.says("RESERVE k p 0", "-ERR");
    shop.says("RESERVE k p 1 PARTIAL PARTIAL", "-ERR");
    shop.says("GET", "-ERR");
    shop.now_ms -= 1;
    shop.field("ORDER k o", "state", "reserved");
    shop.now_ms += 1;
    shop.says("RESERVE k p 999", "SOLDOUT k 10");
    shop.now_ms -= 1;
    shop.field("ORDER k o", "state", "expired");
}

// --- the 128 ---

/// 128 holds of 1 that are due before the hold of 4 of order `o`, out of 138.
fn behind_others() -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "138");
    for place in 0..128 {
        shop.call(&format!("RESERVE k x{place} 1 PX 10"));
    }
    shop.says("RESERVE k o 4 PX 10 FOR user u", "OK 4 6 1000010");
    shop.now_ms += 10;
    shop
}

#[test]
fn beyond_the_128_an_order_is_judged_by_its_deadline_and_its_units_still_count() {
    let mut shop = behind_others();
    shop.says("AVAILABLE k", "134");
    shop.field("GET k", "reserved", "4");
    shop.field("GET k", "next_deadline_ms", "1000010");
    for (call, expected) in [
        ("RESERVE k o 4 FOR user u", "CLOSED k expired"),
        ("CONFIRM k o", "EXPIRED k"),
        ("CONFIRM k o LATE", "OK 4 4"),
        ("RELEASE k o", "OK 0 138"),
        ("AMEND k o 2", "EXPIRED k"),
        ("EXTEND k o EX 9", "EXPIRED k"),
        ("RETURN k o", "CLOSED k expired"),
        ("RESERVE k p 135", "SOLDOUT k 134"),
    ] {
        behind_others().says(call, expected);
    }
    // Of the creation, 129 reservations, 128 expiries; and the two of this call.
    let mut shop = behind_others();
    shop.says("RELEASE k o", "OK 0 138");
    shop.field("GET k", "seq", &(1 + 129 + 128 + 2).to_string());
}

#[test]
fn due_holds_come_back_in_order_of_deadline_then_arrival() {
    let mut shop = Shop::with_stock(1_000_000, "1000");
    for place in 0..130 {
        shop.call(&format!("RESERVE k x{place} 1 PX 10"));
    }
    shop.says("EXTEND k x5 PX 11", "OK 1000011");
    shop.says("RESERVE k y 1 PX 9", "OK 1 869 1000009");
    shop.now_ms += 20;
    shop.says("SUSPEND k", "OK");
    shop.now_ms -= 20;
    // The 128 are y, and x0 to x127 without x5, whose deadline had been moved behind the others.
    shop.field("ORDER k y", "state", "expired");
    shop.field("ORDER k x127", "state", "expired");
    shop.field("ORDER k x128", "state", "reserved");
    shop.field("ORDER k x129", "state", "reserved");
    shop.field("ORDER k x5", "state", "reserved");
    shop.now_ms += 20;
    shop.says("SWEEP k COUNT 2", "2");
    shop.says("SWEEP k COUNT 2", "1");
    shop.says("SWEEP k", "0");
}

// --- stock ---

#[test]
fn set_creates_or_corrects() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET k 5 XX", "nil");
    shop.says("GET k", "nil");
    shop.says("SUSPEND k", "NOPOOL k");
    shop.says("CHECK k 1", "NOPOOL k");
    shop.says("SET k 5 NX", "OK");
    shop.says("SET k 7 NX", "nil");
    shop.says("SET k 5 NX XX", "-ERR");
    shop.says("RESERVE k o 3", "OK 3 2 1900000");
    shop.says("SET k 1 XX", "OK");
    shop.field("GET k", "available", "0");
    shop.field("GET k", "shortfall", "2");
    shop.says("RESERVE k p 1", "SOLDOUT k 0");
    shop.says("AVAILABLE k none", "0 nil");
    shop.says("SET k unlimited", "OK");
    shop.says("AVAILABLE k", "-1");
    shop.field("GET k", "on_hand", "nil");
    shop.field("GET k", "shortfall", "0");
    shop.says("RESERVE k p 100", "OK 100 -1 1900000");
    shop.says("CONFIRM k p", "OK 100 100");
    shop.says("RETURN k p QTY 1 TOKEN t", "OK 1 -1 99");
    shop.says("ADD k 1", "-ERR");
    shop.says("SET k 9", "OK");
    shop.field("GET k", "out", "99");
}

#[test]
fn add_keeps_held_units_and_knows_its_tokens() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("RESERVE k o 4", "OK 4 6 1900000");
    shop.says("ADD k -7", "SOLDOUT k 6");
    shop.says("SETPOLICY k {\"safety\":5}", "OK");
    shop.says("AVAILABLE k", "1");
    shop.says("ADD k -6 TOKEN a", "OK 4 0");
    shop.field("GET k", "shortfall", "5");
    shop.says("ADD k -6 TOKEN a", "EXISTS k added -6 0 0");
    shop.says("ADD k -5 TOKEN a", "-CONFLICT");
    shop.says("ADD k 3", "OK 7 0");
    shop.field("GET k", "out", "3");
    shop.says("ADD k 0", "-ERR");
    shop.now_ms += 604_800_000;
    shop.says("ADD k 1 TOKEN a", "OK 8 3");
}

#[test]
fn suspended_pools_take_no_units_but_let_orders_go_on() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("RESERVE k o 4 PX 1000", "OK 4 6 1001000");
    shop.says("RESERVE k late 2 PX 1", "OK 2 4 1000001");
    shop.now_ms += 1;
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k p 1", "SUSPENDED k");
    shop.says("CHECK k 1", "SUSPENDED k");
    shop.says("RESERVE k o 4", "EXISTS k reserved 4 0 1001000");
    shop.says("AMEND k o 5", "SUSPENDED k");
    shop.says("AMEND k o 3", "OK 3 7");
    shop.says("CONFIRM k late LATE", "SUSPENDED k");
    shop.says("CONFIRM k gone LATE QTY 1 SINCE 1", "SUSPENDED k");
    shop.says("CONFIRM k late LATE QTY 9", "-CONFLICT");
    shop.says("EXTEND k o PX 2000", "OK 1002001");
    shop.says("CONFIRM k o", "OK 3 3");
    shop.says("RETURN k o", "OK 3 10 0");
    shop.says("RESUME k", "OK");
    shop.says("CONFIRM k late LATE", "OK 2 2");
}

#[test]
fn sums_stay_within_their_bounds() {
    let mut shop = Shop::with_stock(1_000_000, "9007199254740991");
    shop.says("ADD k 1", "-ERR");
    shop.says("SET k 9007199254740992", "-ERR");
    shop.says("SET k UNLIMITED", "OK");
    shop.says("RESERVE k o 9007199254740991", "OK 9007199254740991 -1 1900000");
    shop.says("RESERVE k p 1", "-ERR");
    shop.says("CONFIRM k o", "OK 9007199254740991 9007199254740991");
    shop.says("RESERVE k p 1", "OK 1 -1 1900000");
    shop.says("CONFIRM k p", "-ERR");
    shop.field("ORDER k p", "state", "reserved");
}

#[test]
fn numbers_are_strict() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for bad in ["+1", "01", "", "1x", "-0", "9223372036854775808", "1.0"] {
        shop.says(&format!("ADD k {bad}"), "-ERR");
    }
    shop.says("add k -1", "OK 9 9");
}

// --- limits ---

#[test]
fn refusals_come_in_order() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 2", "OK");
    shop.says("LIMIT k region 3", "OK");
    shop.says("RESERVE k o 11 FOR user u", "-NODIM");
    shop.says("RESERVE k o 11 FOR user u region r", "SOLDOUT k 10");
    shop.says("RESERVE k o 4 FOR user u region r", "LIMITED k user/life/units [u] 0 2 0");
    shop.says("RESERVE k o 2 FOR user u region r", "OK 2 8 1900000");
    shop.says("RESERVE k p 2 FOR user v region r", "LIMITED k region/life/units [r] 2 3 0");
    shop.says("CHECK k 2 FOR user v region r", "LIMITED k region/life/units [r] 2 3 0");
    shop.says("CHECK k 1 FOR user v region r", "OK 1 7 1900000");
    shop.says("LIMIT k user 2 MISSING ALLOW", "OK");
    shop.says("RESERVE k p 1 FOR region r", "OK 1 7 1900000");
    shop.field("ORDER k o", "for", "region=r user=u");
    shop.field("ORDER k p", "for", "region=r");
}

#[test]
fn partial_takes_what_stock_and_limits_allow() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 6", "OK");
    shop.says("LIMIT k region 8 PER DAY", "OK");
    shop.says("LIMIT k user 2 COUNT ORDERS", "OK");
    shop.says("RESERVE k a 50 PARTIAL FOR user u region r", "OK 6 4 1900000");
    shop.says("RESERVE k a 50 PARTIAL FOR user u region r", "EXISTS k reserved 6 0 1900000");
    shop.says("RESERVE k b 50 PARTIAL FOR user v region r", "OK 2 2 1900000");
    shop.says("RESERVE k c 50 PARTIAL FOR user u region r", "LIMITED k user/life/units [u] 6 6 0");
    let end_ms = DAY_MS;
    shop.says("RESERVE k c 50 PARTIAL FOR user v region r", &format!("LIMITED k region/day/units [r] 8 8 {end_ms}"));
    shop.says("RESERVE k c 50 PARTIAL FOR user v region s", "OK 2 0 1900000");
    shop.says("RESERVE k d 1 PARTIAL FOR user v region s", "SOLDOUT k 0");
}

#[test]
fn the_most_exact_override_wins() {
    let mut shop = Shop::with_stock(1_000_000, "1000");
    // The text of the limit is group+user, whatever the order in which it is named.
    shop.says("LIMIT k user+group 1 PER DAY", "OK");
    shop.says("LIMIT k user+group 2 PER DAY FOR * *", "OK");
    shop.says("LIMIT k user+group 3 PER DAY FOR u *", "OK");
    shop.says("LIMIT k group+user 4 PER DAY FOR vip *", "OK");
    shop.says("LIMIT k user+group 5 PER DAY FOR u gold", "OK");
    shop.says("LIMIT k user+group UNLIMITED PER DAY FOR boss vip", "OK");
    shop.says("LIMIT k user+group 0 PER DAY FOR thief *", "OK");
    for (user, group, max) in [
        ("x", "none", "2"),
        ("u", "none", "3"),
        ("x", "vip", "4"),
        // One exact value each: the earlier dimension of the text is group.
        ("u", "vip", "4"),
        ("u", "gold", "5"),
        ("boss", "vip", "-1"),
        ("thief", "none", "0"),
        ("thief", "vip", "4"),
    ] {
        let call = format!("USAGE k FOR user {user} group {group}");
        let end_ms = DAY_MS;
        shop.usage(&call, &[&format!("0/{max}/{max}/{end_ms}")]);
    }
    shop.says(
        "RESERVE k o 1 FOR group g user thief",
        &format!("LIMITED k group+user/day/units [g thief] 0 0 {DAY_MS}"),
    );
    // Exempt, and counted all the same.
    shop.says("RESERVE k o 9 FOR group vip user boss", "OK 9 991 1900000");
    shop.says("UNLIMIT k user+group PER DAY FOR boss vip", "1");
    shop.says("UNLIMIT k user+group PER DAY FOR boss vip", "0");
    shop.usage("USAGE k FOR user boss group vip", &[&format!("9/4/0/{DAY_MS}")]);
}

#[test]
fn an_override_without_a_base_implies_an_unlimited_one() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 1 FOR thief", "OK");
    shop.says("RESERVE k o 5 FOR user u", "OK 5 5 1900000");
    shop.says("RESERVE k p 2 FOR user thief", "LIMITED k user/life/units [thief] 0 1 0");
    shop.says("LIMITS k", "[limit=user/life/units max=-1 tz=+00:00 missing=refuse overrides=[[[thief] 1]]]");
    shop.says("UNLIMIT k user FOR thief", "1");
    shop.says("LIMITS k", "[limit=user/life/units max=-1 tz=+00:00 missing=refuse overrides=[]]");
    shop.usage("USAGE k FOR user u", &["5/-1/-1/0"]);
    shop.says("UNLIMIT k user", "1");
    shop.says("LIMITS k", "");
}

#[test]
fn order_windows_compare_the_order_itself() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 3 PER ORDER", "OK");
    shop.says("LIMIT k * 1 PER ORDER COUNT ORDERS", "OK");
    for order in ["a", "b", "c"] {
        shop.call(&format!("RESERVE k {order} 3 FOR user u"));
    }
    shop.says("AVAILABLE k", "91");
    shop.says("RESERVE k d 4 FOR user u", "LIMITED k user/order/units [u] 0 3 0");
    shop.says("AMEND k a 4", "LIMITED k user/order/units [u] 0 3 0");
    shop.says("LIMIT k * 0 PER ORDER COUNT ORDERS", "OK");
    shop.says("RESERVE k d 3 FOR user u", "LIMITED k */order/orders [] 0 0 0");
    shop.usage("USAGE k FOR user u", &["0/3/3/0", "0/0/0/0"]);
}

/// The limit `user 1 PER window TZ tz` is exhausted from `first_ms` to the last millisecond before `end_ms`.
#[track_caller]
fn window(window: &str, tz: &str, first_ms: i64, end_ms: i64) {
    for at_ms in [first_ms, first_ms + 1, end_ms - 1] {
        let mut shop = Shop::with_stock(at_ms, "10");
        shop.says(&format!("LIMIT k user 1 PER {window} TZ {tz}"), "OK");
        shop.says("RESERVE k o 1 EX 99000000 FOR user u", &format!("OK 1 9 {}", at_ms + 99_000_000_000));
        shop.usage("USAGE k FOR user u", &[&format!("1/1/0/{end_ms}")]);
        for now_ms in [first_ms, end_ms - 1] {
            shop.now_ms = now_ms;
            let name = window.to_lowercase();
            shop.says("CHECK k 1 FOR user u", &format!("LIMITED k user/{name}/units [u] 1 1 {end_ms}"));
        }
        shop.now_ms = end_ms;
        shop.says("CHECK k 1 FOR user u", &format!("OK 1 8 {}", end_ms + 900_000));
    }
}

#[test]
fn windows_begin_and_end_where_the_calendar_says() {
    window("HOUR", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + HOUR_MS);
    // Half past, by an offset of half an hour.
    window("HOUR", "+05:30", NEW_YEAR_MS + HOUR_MS / 2, NEW_YEAR_MS + HOUR_MS * 3 / 2);
    window("DAY", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS);
    // A day of Beijing begins at 16:00 UTC of the day before; one of New York's winter at 05:00 UTC.
    window("DAY", "+08:00", NEW_YEAR_MS - 8 * HOUR_MS, NEW_YEAR_MS + 16 * HOUR_MS);
    window("DAY", "-05:00", NEW_YEAR_MS + 5 * HOUR_MS, NEW_YEAR_MS + 29 * HOUR_MS);
    // 2026-01-05 is a Monday.
    window("WEEK", "+00:00", NEW_YEAR_MS + 4 * DAY_MS, NEW_YEAR_MS + 11 * DAY_MS);
    window("WEEK", "+18:00", NEW_YEAR_MS + 4 * DAY_MS - 18 * HOUR_MS, NEW_YEAR_MS + 11 * DAY_MS - 18 * HOUR_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + 31 * DAY_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS + 31 * DAY_MS, NEW_YEAR_MS + 59 * DAY_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS - 31 * DAY_MS, NEW_YEAR_MS);
    // February 2028 has 29 days; it begins 365 + 365 + 31 days after 2026 does.
    window("MONTH", "+00:00", NEW_YEAR_MS + 761 * DAY_MS, NEW_YEAR_MS + 790 * DAY_MS);
    window(
        "MONTH",
        "-05:30",
        NEW_YEAR_MS + 5 * HOUR_MS + HOUR_MS / 2,
        NEW_YEAR_MS + 31 * DAY_MS + 5 * HOUR_MS + HOUR_MS / 2,
    );
    // Windows in a row since the epoch, whatever the offset: 2026 begins at 1767225600 = 7 * 252460800.
    window("7", "+05:45", NEW_YEAR_MS, NEW_YEAR_MS + 7_000);
    window("86400", "+08:00", NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS);
}

#[test]
fn a_server_wide_offset_is_fixed_into_a_limit() {
    let config = Config { utc_offset_minutes: 480, ..Config::default() };
    let mut shop = Shop { model: Reference::new(config), core: Host::new(1), now_ms: NEW_YEAR_MS };
    shop.core.defaults.utc_offset_min = 480;
    shop.says("SET k 10", "OK");
    shop.says("LIMIT k user 1 PER DAY", "OK");
    shop.usage("USAGE k FOR user u", &[&format!("0/1/1/{}", NEW_YEAR_MS + 16 * HOUR_MS)]);
    shop.says("LIMITS k", "[limit=user/day/units max=1 tz=+08:00 missing=refuse overrides=[]]");
}

#[test]
fn usage_goes_back_to_the_window_in_which_it_was_counted() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let after_ms = next_ms + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    shop.call("RESERVE k b 1 EX 999999 FOR user u");
    shop.usage("USAGE k FOR user u", &[&format!("4/5/1/{next_ms}")]);
    shop.says("RELEASE k b", "OK 1 97");
    shop.usage("USAGE k FOR user u", &[&format!("3/5/2/{next_ms}")]);
    // The next day counts anew; what is over does not come back.
    shop.now_ms = next_ms;
    shop.call("RESERVE k c 2 EX 999999 FOR user u");
    shop.says("RELEASE k a", "OK 3 98");
    shop.usage("USAGE k FOR user u", &[&format!("2/5/3/{after_ms}")]);
    // Half of an order is confirmed: the rest goes back.
    shop.says("CONFIRM k c QTY 1", "OK 1 1");
    shop.usage("USAGE k FOR user u", &[&format!("1/5/4/{after_ms}")]);
}

#[test]
fn amend_counts_as_a_new_reservation_made_now() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let after_ms = next_ms + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    shop.says("AMEND k a 6", &format!("LIMITED k user/day/units [u] 0 5 {next_ms}"));
    shop.says("AMEND k a 5", "OK 5 95");
    shop.says("AMEND k a 4", "OK 4 96");
    shop.usage("USAGE k FOR user u", &[&format!("4/5/1/{next_ms}")]);
    shop.now_ms = next_ms;
    // Down: nothing in the new window.
    shop.says("AMEND k a 3", "OK 3 97");
    shop.usage("USAGE k FOR user u", &[&format!("0/5/5/{after_ms}")]);
    shop.call("RESERVE k b 2 EX 999999 FOR user u");
    shop.says("AMEND k a 4", &format!("LIMITED k user/day/units [u] 2 5 {after_ms}"));
    shop.says("AMEND k b 1", "OK 1 96");
    // Up: the whole new quantity counts in the new window, and goes back there.
    shop.says("AMEND k a 4", "OK 4 95");
    shop.usage("USAGE k FOR user u", &[&format!("5/5/0/{after_ms}")]);
    shop.says("RELEASE k a", "OK 4 99");
    shop.usage("USAGE k FOR user u", &[&format!("1/5/4/{after_ms}")]);
    // A lowered max never stands in the way of less; a newer limit does not concern the order at all.
    shop.says("LIMIT k user 0 PER DAY", "OK");
    shop.says("LIMIT k * 0", "OK");
    shop.call("RESERVE k c 1 FOR user v");
    shop.says("UNLIMIT k user PER DAY", "1");
    shop.says("AMEND k b 9", "OK 9 91");
}

#[test]
fn count_orders_counts_one_until_the_last_unit_is_back() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 2 COUNT ORDERS", "OK");
    let used = |shop: &mut Shop, used: i64| {
        shop.usage("USAGE k FOR user u", &[&format!("{used}/2/{}/0", 2 - used)]);
    };
    for order in ["a", "b"] {
        shop.call(&format!("RESERVE k {order} 5 FOR user u"));
    }
    shop.says("RESERVE k c 1 FOR user u", "LIMITED k user/life/orders [u] 2 2 0");
    shop.says("AMEND k a 6", "OK 6 89");
    shop.says("RELEASE k b", "OK 5 94");
    used(&mut shop, 1);
    shop.says("CONFIRM k a QTY 4", "OK 4 4");
    shop.says("RETURN k a QTY 3 TOKEN t", "OK 3 99 1");
    used(&mut shop, 1);
    let mut kept = shop.clone();
    kept.says("RETURN k a KEEPUSAGE", "OK 1 100 0");
    used(&mut kept, 1);
    shop.says("RETURN k a", "OK 1 100 0");
    used(&mut shop, 0);
}

#[test]
fn returns_give_usage_and_goods_back_unless_told() {
    let mut shop = order_in("unknown");
    shop.says("LIMIT k user 9", "OK");
    shop.says("RESERVE k o 6 FOR user u", "OK 6 4 1900000");
    shop.says("CONFIRM k o", "OK 6 6");
    shop.says("RETURN k o QTY 1 TOKEN a KEEPUSAGE", "OK 1 5 5");
    shop.usage("USAGE k FOR user u", &["6/9/3/0"]);
    shop.says("RETURN k o NORESTOCK QTY 2 TOKEN b", "OK 2 5 3");
    shop.usage("USAGE k FOR user u", &["4/9/5/0"]);
    shop.field("GET k", "out", "5");
    // A token's content is the quantity, KEEPUSAGE and NORESTOCK.
    shop.says("RETURN k o QTY 2 TOKEN b NORESTOCK", "EXISTS k confirmed 6 3 0");
    shop.says("RETURN k o QTY 2 TOKEN b", "-CONFLICT");
    shop.says("RETURN k o QTY 1 TOKEN a", "-CONFLICT");
    shop.says("RETURN k o QTY 1 TOKEN b NORESTOCK", "-CONFLICT");
    shop.says("RETURN k o", "OK 3 8 0");
    shop.usage("USAGE k FOR user u", &["1/9/8/0"]);
}

#[test]
fn vouched_returns_add_up_and_need_late_every_time() {
    let mut shop = order_in("unknown");
    shop.says("RETURN k o QTY 2 TOKEN a LATE", "OK 2 12 -2");
    shop.says("RETURN k o QTY 2 TOKEN a", "EXISTS k returned 2 2 0");
    shop.says("RETURN k o QTY 3 TOKEN b", "-CONFLICT");
    shop.says("RETURN k o QTY 3 TOKEN b LATE NORESTOCK", "OK 3 12 -5");
    shop.says("RETURN k o", "EXISTS k returned 5 5 0");
    shop.field("GET k", "out", "-2");
    shop.says("RETURN k o QTY 3", "-ERR");
    shop.says("RETURN k o TOKEN b", "-ERR");
    shop.says("RETURN k o LATE", "-ERR");
}

#[test]
fn a_limit_counts_from_when_it_is_set() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.call("RESERVE k old 5 FOR user u");
    shop.says("LIMIT k user 5", "OK");
    shop.usage("USAGE k FOR user u", &["0/5/5/0"]);
    shop.call("RESERVE k new 5 FOR user u");
    shop.says("RELEASE k old", "OK 5 95");
    shop.usage("USAGE k FOR user u", &["5/5/0/0"]);
    // Set again: the same limit. Removed and set: another.
    shop.says("LIMIT k user 6", "OK");
    shop.usage("USAGE k FOR user u", &["5/6/1/0"]);
    shop.says("UNLIMIT k user", "1");
    shop.says("LIMIT k user 6", "OK");
    shop.says("RELEASE k new", "OK 5 100");
    shop.usage("USAGE k FOR user u", &["0/6/6/0"]);
}

#[test]
fn windows_only_roll_forward() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    // The clock steps back into last year: the usage still counts, and so does more.
    shop.now_ms = NEW_YEAR_MS - 1;
    shop.usage("USAGE k FOR user u", &[&format!("3/5/2/{next_ms}")]);
    shop.call("RESERVE k b 2 EX 999999 FOR user u");
    shop.says("CHECK k 1 FOR user u", &format!("LIMITED k user/day/units [u] 5 5 {next_ms}"));
    shop.now_ms = NEW_YEAR_MS;
    shop.usage("USAGE k FOR user u", &[&format!("5/5/0/{next_ms}")]);
}

#[test]
fn a_change_of_offset_cuts_the_windows_anew() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 17 * HOUR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    // By +08:00 today began at 16:00 UTC, after the usage's window did: that is over.
    let mut later = shop.clone();
    later.says("LIMIT k user 5 PER DAY TZ +08:00", "OK");
    later.usage("USAGE k FOR user u", &[&format!("0/5/5/{}", NEW_YEAR_MS + 40 * HOUR_MS)]);
    // At 04:00 UTC today by -05:00 began at 05:00 UTC of the day before, earlier than the usage's window did: it counts.
    let mut early = Shop::with_stock(NEW_YEAR_MS + 4 * HOUR_MS, "100");
    early.says("LIMIT k user 5 PER DAY", "OK");
    early.call("RESERVE k a 3 EX 999999 FOR user u");
    early.says("LIMIT k user 5 PER DAY TZ -05:00", "OK");
    early.usage("USAGE k FOR user u", &[&format!("3/5/2/{}", NEW_YEAR_MS + 5 * HOUR_MS)]);
}

// --- LATE ---

#[test]
fn late_takes_the_units_again_if_stock_and_limits_still_allow() {
    let mut shop = Shop::with_stock(1_000_000, "5");
    shop.says("LIMIT k user 4 PER HOUR", "OK");
    shop.says("RESERVE k o 4 PX 1 FOR user u", "OK 4 1 1000001");
    shop.now_ms += 1;
    shop.says("LIMIT k * 0", "OK");
    // Newer limits are ignored, older ones are not.
    let mut paid = shop.clone();
    paid.says("CONFIRM k o LATE FOR user v", "-CONFLICT");
    paid.says("CONFIRM k o LATE QTY 5", "-CONFLICT");
    paid.says("CONFIRM k o LATE QTY 3 FOR user u", "OK 3 3");
    paid.usage("USAGE k FOR user u", &["3/4/1/3600000", "0/0/0/0"]);
    paid.says("CONFIRM k o LATE", "EXISTS k confirmed 3 0 0");
    paid.says("RESERVE k o 4 FOR user u", "EXISTS k confirmed 3 0 0");
    paid.says("RETURN k o", "OK 3 5 0");
    paid.usage("USAGE k FOR user u", &["0/4/4/3600000", "0/0/0/0"]);

    shop.says("UNLIMIT k *", "1");
    shop.says("RESERVE k p 1 FOR user u", "OK 1 4 1900001");
    shop.says("CONFIRM k o LATE", "LIMITED k user/hour/units [u] 1 4 3600000");
    shop.says("RESERVE k q 1 FOR user v", "OK 1 3 1900001");
    shop.says("CONFIRM k o LATE", "SOLDOUT k 3");
    shop.says("CONFIRM k o", "EXPIRED k");
}

#[test]
fn late_of_an_unknown_order_needs_to_be_placed_after_all_that_is_forgotten() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SETPOLICY k {\"retain\":1,\"retain_paid\":1}", "OK");
    shop.says("RESERVE k o 1 PX 5", "OK 1 9 1000005");
    shop.now_ms += 5;
    shop.says("SWEEP k", "1");
    // Not forgotten yet: the order was lost in a failover, and is taken.
    shop.now_ms += 999;
    let mut known = shop.clone();
    known.says("CONFIRM k lost LATE QTY 1 SINCE 1000000", "OK 1 1");
    shop.now_ms += 1;
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000000", "NOORDER k");
    shop.says("CONFIRM k lost LATE SINCE 1000001", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000001", "OK 1 1");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000001", "EXISTS k confirmed 1 0 0");
    shop.says("RESERVE k lost 1", "EXISTS k confirmed 1 0 0");
    // Its SINCE is when it was placed: forgotten, it moves the horizon to there.
    shop.now_ms += 1000;
    shop.says("CONFIRM k other LATE QTY 1 SINCE 1000001", "NOORDER k");
    shop.says("CONFIRM k other LATE QTY 1 SINCE 1000002", "OK 1 2");
    // A SINCE in the future counts as now.
    shop.says("CONFIRM k future LATE QTY 1 SINCE 9000000", "OK 1 3");
    shop.now_ms += 1000;
    shop.says("CONFIRM k last LATE QTY 1 SINCE 1002005", "NOORDER k");
    shop.says("CONFIRM k last LATE QTY 1 SINCE 1002006", "OK 1 4");
}

#[test]
fn late_of_an_unknown_order_ignores_limits_set_after_since() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 2", "OK");
    shop.now_ms += 10;
    shop.says("LIMIT k region 0", "OK");
    shop.says("CONFIRM k a LATE QTY 1 SINCE 1000009", "-NODIM");
    shop.says("CONFIRM k a LATE QTY 3 SINCE 1000009 FOR user u", "LIMITED k user/life/units [u] 0 2 0");
    shop.says("CONFIRM k a LATE QTY 2 SINCE 1000009 FOR user u", "OK 2 2");
    shop.says("CONFIRM k b LATE QTY 2 SINCE 1000010 FOR user v", "-NODIM");
    shop.says("CONFIRM k b LATE QTY 2 SINCE 1000010 FOR user v region r", "LIMITED k region/life/units [r] 0 0 0");
    shop.says("CONFIRM k b LATE QTY 9 SINCE 999999 FOR user u", "SOLDOUT k 8");
    shop.says("CONFIRM k b LATE QTY 8 SINCE 999999", "OK 8 10");
    shop.usage("USAGE k FOR user u region r", &["2/2/0/0", "0/0/0/0"]);
}

// --- policies ---

#[test]
fn a_policy_replaces_everything_and_keeps_the_usage_of_limits_that_stay() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 5", "OK");
    shop.says("LIMIT k region 5", "OK");
    shop.call("RESERVE k o 2 FOR user u region r");
    let policy = "{\"hold\":5,\"safety\":1,\"limits\":[{\"by\":[\"store\"],\"max\":1,\"missing\":\"allow\"},\
                  {\"by\":[\"user\"],\"max\":9,\"overrides\":[{\"for\":[{\"base64\":\"/wA=\"}],\"max\":\"unlimited\"}]}]}";
    shop.says(&format!("SETPOLICY k {policy}"), "OK");
    shop.usage("USAGE k FOR user u region r store s", &["0/1/1/0", "2/9/7/0"]);
    shop.field("GET k", "hold_seconds", "5");
    shop.field("GET k", "retain_seconds", "86400");
    shop.says("RESERVE k p 1 FOR user u", "OK 1 96 1005000");
    let said = shop.call("POLICY k");
    let expected = Reply::bulk(
        "{\"hold\":5,\"safety\":1,\"alert\":0,\"limits\":[{\"by\":[\"store\"],\"max\":1,\"tz\":\"+00:00\",\
         \"count\":\"units\",\"missing\":\"allow\",\"overrides\":[]},{\"by\":[\"user\"],\"max\":9,\"tz\":\"+00:00\",\
         \"count\":\"units\",\"missing\":\"refuse\",\"overrides\":[{\"for\":[{\"base64\":\"/wA=\"}],\"max\":\"unlimited\"}]}]}",
    );
    assert!(same_for(b"stock.policy", &said, &expected), "{}", show(&said));
    let before = shop.call("GET k");
    shop.says(&format!("SETPOLICY k {}", show(&said)), "OK");
    assert!(same(&before, &shop.call("GET k")), "the same policy changes nothing");
    shop.says("SETPOLICY k {}", "OK");
    shop.field("GET k", "limits", "0");
    for bad in ["{", "1", "{\"x\":1}", "{\"hold\":0}", "{\"limits\":[{}]}", "{\"limits\":[{\"by\":[],\"max\":-1}]}"] {
        shop.says(&format!("SETPOLICY k {bad}"), "-ERR");
    }
}

// --- comparison and generator ---

#[test]
fn replies_compare_as_the_tests_need_it() {
    let map = |epoch: &str, seq: i64| {
        Reply::Map(vec![(Reply::bulk("epoch"), Reply::bulk(epoch)), (Reply::bulk("seq"), Reply::Int(seq))])
    };
    assert!(same(&map("a", 1), &map("b", 1)));
    assert!(!same(&map("a", 1), &map("a", 2)));
    let flat = |words: &[&str]| Reply::Array(words.iter().map(Reply::bulk).collect());
    assert!(same(&Reply::Status("x".into()), &Reply::bulk("x")));
    assert!(same(&Reply::Error("ERR a".into()), &Reply::Error("ERR b".into())));
    assert!(!same(&Reply::Error("ERR a".into()), &Reply::Error("NODIM a".into())));
    assert!(!same(&Reply::Error("ERR".into()), &Reply::bulk("ERR")));
    let listing = |words: &[&str]| Reply::Array(vec![Reply::bulk("0"), flat(words)]);
    let (one, other) = (listing(&["a", "x", "b", "y"]), listing(&["b", "y", "a", "x"]));
    assert!(same_for(b"STOCK.ORDERS", &one, &other));
    assert!(!same(&one, &other));
    assert!(!same_for(b"STOCK.ORDERS", &one, &listing(&["a", "x"])));
}

/// Runs a generator against the model: the share of calls that change something, in percent.
fn share_of_changes(profile: Profile) -> usize {
    let (mut calls, mut changed) = (0, 0);
    for seed in 0..8 {
        let mut generator = Generator::with(seed, profile);
        let mut twin = Generator::with(seed, profile);
        let mut model = Reference::new(Config::default());
        let mut now_ms = START_MS;
        for _ in 0..5_000 {
            let step = generator.next();
            assert_eq!(step, twin.next(), "a generator is a function of its seed");
            now_ms += step.advance_ms;
            assert_eq!(now_ms, generator.now_ms());
            let before = model.changes();
            model.call(now_ms, &step.argv);
            calls += 1;
            changed += usize::from(model.changes() != before);
        }
    }
    changed * 100 / calls
}

#[test]
fn enough_of_the_generated_calls_change_something() {
    assert!(share_of_changes(Profile::default()) >= 40);
    let ordinary = Profile { backlogs: false, ..Profile::default() };
    assert!(share_of_changes(ordinary) >= 35);
}

#[test]
fn reads_change_nothing_and_pools_add_up() {
    for seed in 100..104 {
        let mut generator = Generator::new(seed);
        let mut model = Reference::new(Config::default());
        let mut now_ms = START_MS;
        for _ in 0..4_000 {
            let step = generator.next();
            now_ms += step.advance_ms;
            model.call(now_ms, &step.argv);
            let keys: Vec<Vec<u8>> = model.keys().map(<[u8]>::to_vec).collect();
            let before = model.changes();
            for key in keys {
                let got = model.call(now_ms, &[b"STOCK.GET".to_vec(), key]);
                let number = |name: &str| match got.field(name) {
                    Some(Reply::Int(value)) => *value,
                    _ => 0,
                };
                assert!(number("reserved") >= 0);
                if number("unlimited") == 0 {
                    let free = number("on_hand") - number("reserved") - number("safety");
                    assert_eq!(free, number("available") - number("shortfall"));
                }
            }
            assert_eq!(before, model.changes());
        }
    }
}

// --- carts ---

/// Pools `a` of 10 and `b` of 5.
fn two_pools() -> Shop {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 10", "OK");
    shop.says("SET b 5", "OK");
    shop
}

/// Runs a call that must not change anything.
#[track_caller]
fn refuses(shop: &mut Shop, call: &str, expected: &str) {
    let (changes, state) = (shop.model.changes(), shop.core.state());
    shop.says(call, expected);
    assert_eq!(shop.model.changes(), changes, "{call}");
    assert!(shop.core.state() == state, "{call} changed the core");
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

/// What each of four commands says to an order that is in one state in `a` and in another one in `b`.
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
        "MEFFECT 1 a x",
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
    for seed in 0..24 {
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
            &["OK", "EXISTS", "CLOSED", "CONFLICT", "NOPOOL", "SUSPENDED", "NODIM", "SOLDOUT", "LIMITED", "ERR"],
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
