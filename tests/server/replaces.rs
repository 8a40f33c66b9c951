//! Orders that take the place of others, on real servers: no moment in between, no trace of a
//! refusal, in the log, on replicas and in the stream.

use std::sync::Barrier;

use testkit::entry::told;
use testkit::{now_ms, stock_info, Client, Events, Server};

use super::carts::cut_inside;
use super::history::kept;

const NIGHTS: [&str; 3] = ["mon", "tue", "wed"];
/// Of the entries of a stream.
const SHOWN: [&str; 5] = ["type", "pool", "order", "qty", "edge"];

/// A hotel with one room, full on Monday and Tuesday.
fn full_hotel(c: &mut Client) {
    for night in NIGHTS {
        c.expect(&format!("STOCK.SET {night} 1"), "OK");
    }
    c.expect("STOCK.MRESERVE stay-1 2 mon tue QTY 1 1 FOR user u1", "[OK, *]");
}

const MOVE: &str = "STOCK.MRESERVE stay-2 3 mon tue wed QTY 0 1 1 REPLACES stay-1 FOR user u1";

#[test]
fn a_guest_of_a_full_hotel_moves_by_a_night() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    full_hotel(&mut c);
    events.take(&server);
    c.expect("DEL feed", "1");
    let deadline = c.expect(MOVE, "[OK, *]").items()[1].int();
    c.expect("STOCK.AVAILABLE mon tue wed", "[1, 0, 0]");
    // Tuesday was never free: nobody is told that it was.
    assert_eq!(
        events.take(&server),
        [
            "stock.release mon",
            "stock.restock mon",
            "stock.release tue",
            "stock.reserve tue",
            "stock.reserve wed",
            "stock.soldout wed"
        ]
    );
    assert_eq!(
        told(&mut c, "feed", &SHOWN),
        [
            "released mon stay-1 1 restocked",
            "released tue stay-1 1 -",
            "reserved tue stay-2 1 -",
            "reserved wed stay-2 1 soldout"
        ]
    );
    c.expect(MOVE, &format!("[EXISTS, tue, reserved, 1, 0, {deadline}]"));
    c.script(
        "STOCK.MCONFIRM stay-1 2 mon tue LATE => [CLOSED, mon, released]
         STOCK.MCONFIRM stay-2 2 tue wed => [OK]
         STOCK.MRESERVE stay-3 2 mon tue QTY 1 0 REPLACES stay-2 => [CONFIRMED, tue]",
    );
    kept(&mut server, &replica, &["mon", "tue", "wed", "feed"]);
}

/// Two checkouts of one basket that log in at the same moment: one takes its place, the other is a
/// plain one.
#[test]
fn two_orders_replace_the_same_one_at_once() {
    let (server, mut c) = Server::start().with_client();
    for round in 0..20 {
        c.script(
            "DEL k => *
             STOCK.SET k 2
             STOCK.RESERVE k old 2 => [OK, 2, 0, *]",
        );
        let start = Barrier::new(2);
        let answers: Vec<String> = std::thread::scope(|scope| {
            let calls: Vec<_> = ["one", "two"]
                .map(|order| {
                    let (start, server) = (&start, &server);
                    scope.spawn(move || {
                        let mut c = server.client();
                        start.wait();
                        let answer = c.say(&format!("STOCK.RESERVE k {order} 2 REPLACES old"));
                        answer.items()[0].text()
                    })
                })
                .into_iter()
                .collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let mut sorted = answers.clone();
        sorted.sort();
        assert_eq!(sorted, ["OK", "SOLDOUT"], "round {round}: {answers:?}");
        c.expect_pool("k", "on_hand=2 reserved=2 available=0");
        c.expect("STOCK.ORDER k old", "[state, released, *]");
        c.verify("k");
    }
}

/// Wherever the log breaks off inside a replacement, the old order stands and the new one is not
/// there.
#[test]
fn a_log_cut_inside_a_replacement() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes", "--aof-load-truncated", "yes"]).with_client();
    full_hotel(&mut c);
    cut_inside(&mut server, MOVE, &NIGHTS);
}

/// The old hold is past its deadline, but the background has not come by: its units go to the new
/// order.
#[test]
fn a_hold_that_is_due_is_replaced() {
    let (_server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    c.pause_background();
    c.script(
        "STOCK.SET k 1
         STOCK.RESERVE k old 1 PX 20 => [OK, *]",
    );
    testkit::pass(now_ms() + 25);
    c.script(
        "STOCK.RESERVE k new 1 REPLACES old => [OK, 1, 0, *]
         STOCK.ORDER k old => [state, released, *]
         STOCK.VERIFY k",
    );
    let held = c.digest("k");
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(c.digest("k"), held);
}

/// Part of a cart goes its own way: one step, in the log, on a replica and in the stream.
#[test]
fn a_cart_is_split_and_paid_in_parts() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "{c}feed"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    c.script(
        "STOCK.SET {c}tea 4
         STOCK.SET {c}cup 10
         STOCK.LIMIT {c}cup user 2 COUNT ORDERS
         STOCK.MRESERVE o 2 {c}tea {c}cup QTY 4 3 FOR user u group g => [OK, *]",
    );
    events.take(&server);
    c.expect("DEL {c}feed", "1");
    let split = "STOCK.MSPLIT o p 2 {c}tea {c}cup QTY 1 1";
    c.expect(split, "[OK]");
    // Nothing of the tea, which is sold out, was to be had in between.
    assert_eq!(
        events.take(&server),
        ["stock.amend {c}tea", "stock.reserve {c}tea", "stock.amend {c}cup", "stock.reserve {c}cup"]
    );
    assert_eq!(
        told(&mut c, "{c}feed", &SHOWN),
        ["amended {c}tea o 3 -", "reserved {c}tea p 1 -", "amended {c}cup o 2 -", "reserved {c}cup p 1 -"]
    );
    // The attributes that are counted stand in the entry.
    assert_eq!(told(&mut c, "{c}feed", &["for"])[3], "{\"user\":\"u\"}");
    c.script(
        "STOCK.MSPLIT o p 2 {c}tea {c}cup QTY 1 1 => [EXISTS, {c}tea, reserved, 1, 0, *]
         STOCK.SPLIT {c}cup o q 1 => [LIMITED, {c}cup, user/life/orders, [u], 2, 2, 0]
         STOCK.SPLIT {c}tea o q 3 => -CONFLICT quantity must be less than the order holds
         STOCK.MSPLIT o q 1 {c}tea QTY 9 => -CONFLICT key 1: quantity must be less than the order holds
         STOCK.SPLIT {c}tea o o 1 => -ERR part needs an order id of its own
         STOCK.MCONFIRM o 2 {c}tea {c}cup QTY 2 2 => [OK]
         STOCK.MCONFIRM o 2 {c}tea {c}cup QTY 2 1 => -CONFLICT key 2: *
         STOCK.AVAILABLE {c}tea {c}cup => [1, 7]
         STOCK.RESERVE {c}cup p 1 FOR user u group g => [EXISTS, {c}cup, reserved, 1, 0, *]
         STOCK.RESERVE {c}cup p 1 FOR user u => -CONFLICT attributes *
         STOCK.MCONFIRM p 2 {c}tea {c}cup => [OK]",
    );
    assert_eq!(stock_info(&mut c, "replies_split"), 1);
    kept(&mut server, &replica, &["{c}tea", "{c}cup", "{c}feed"]);
}
