//! The state table, cell by cell.

use super::*;

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
            "CLOSED k returned",
            "CLOSED k returned",
            "CLOSED k returned",
            "CLOSED k returned",
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
