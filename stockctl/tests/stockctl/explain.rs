//! `stockctl explain`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use testkit::Server;

use crate::harness::{command, ended, run, url};

#[test]
fn a_pool_that_sells_ends_with_0_and_shows_every_step() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET sku:618 10
         STOCK.LIMIT sku:618 user 3
         STOCK.RESERVE sku:618 o 2 EX 120 FOR user 42 => [OK, *]",
    );
    run(&server, &["explain", "sku:618", "--for", "user=42"]).ok().says(&[
        "1 unit(s) for user=42: OK, it would be held until 20",
        "  exists       yes",
        "  suspended    no",
        "  sale         always open",
        "  orders       1 of at most 10000000",
        "  stock        10 on hand - 2 held - 0 safety = 8 available",
        "  limit        allows user/life/units [42]: 2 of 3 used\n",
        "  returning    0 within 1 min, 2 within 5, 2 within 15, 2 within 60, 0 later",
        "  5 minutes    1 reserved\n",
    ]);
}

/// By the same rule as `shortfall` of STOCK.GET.
#[test]
fn a_presale_is_not_short_and_a_safety_that_is_missing_is() {
    let server = Server::start();
    server.client().script(
        "STOCK.SET ahead 0
         STOCK.SETPOLICY ahead {\"safety\":-10}
         STOCK.RESERVE ahead o 4 => [OK, *]
         STOCK.SET kept 1
         STOCK.SETPOLICY kept {\"safety\":3}",
    );
    run(&server, &["explain", "ahead"]).ok().says(&["0 on hand - 4 held - -10 safety = 6 available\n"]);
    run(&server, &["explain", "kept"]).with(1).says(&["1 on hand - 0 held - 3 safety = 0 available; short by 2\n"]);
}

#[test]
fn a_pool_that_would_refuse_ends_with_1_and_says_why() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 3
         STOCK.LIMIT k user 2 PER DAY
         STOCK.RESERVE k o 2 FOR user 42 => [OK, *]
         STOCK.RESERVE k o2 1 => -NODIM *",
    );
    let says = |words: &[&str], texts: &[&str]| {
        run(&server, &[&["explain"], words].concat()).with(1).says(texts);
    };
    says(
        &["k", "--for", "user=42"],
        &[
            "LIMITED by user/day/units [42]: 2 of 2 used, it resets at 20",
            "refuses user/day/units [42]: 2 of 2 used, resets 20",
        ],
    );
    says(&["k", "2", "--for", "user=1"], &["2 unit(s) for user=1: SOLDOUT, 1 could be had"]);
    says(
        &["k"],
        &[
            "NODIM, missing dimension for limit user/day/units",
            "missing      user: limits count by it",
            "nodim user/day/units: an error without user",
            "1 reserved, 1 errors, 1 without user (since the start)",
        ],
    );
    c.expect("STOCK.SUSPEND k", "OK");
    says(&["k"], &["SUSPENDED, until STOCK.RESUME", "suspended    yes"]);
    c.expect("STOCK.RESUME k", "OK");
    c.expect("STOCK.SCHEDULE k FROM 4102444800000 UNTIL 4102448400000", "OK");
    says(&["k"], &["EARLY, the sale opens at 2100-01-01T00:00:00Z (in ", "from 2100-01-01T00:00:00Z (in "]);
    c.expect("STOCK.SCHEDULE k FROM NONE UNTIL 1000", "OK");
    says(&["k"], &["ENDED, the sale was over at 1970-01-01T00:00:01Z (", "sale         until 1970-01-01T00:00:01Z"]);
    says(&["nobody"], &["nobody, asked at ", "NOPOOL, there is no such pool", "or the shop spells it otherwise"]);
}

#[test]
fn json_has_what_the_server_answers() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 3
         STOCK.LIMIT k user 2",
    );
    let all = run(&server, &["--json", "explain", "k", "--for", "user=42"]).ok().json();
    assert_eq!(all["key"], "k");
    assert_eq!(all["server"], server.socket().display().to_string());
    assert_eq!(all["explain"]["stock"]["available"], 3);
    assert_eq!(all["explain"]["limits"][0]["verdict"], "allows");
    assert_eq!(all["explain"]["answer"][0], "OK");
    assert_eq!(all["stats"]["since_ms"], 0);
    let none = run(&server, &["explain", "none", "--json"]).with(1).json();
    assert_eq!((&none["explain"]["exists"], &none["stats"]), (&0.into(), &serde_json::Value::Null));
}

/// Names are any bytes: they go to the server as they are, and come out so that a terminal shows
/// them.
#[test]
fn names_are_any_bytes_and_steer_no_terminal() {
    let (server, mut c) = Server::start().with_client();
    let key = b"a\x1b[2J\xff";
    c.call(&[&b"STOCK.SET"[..], key, b"1"]);
    c.call(&[&b"STOCK.LIMIT"[..], key, b"user", b"2"]);
    let mut words = command(&["--url", &url(&server), "explain"]);
    words.arg(OsStr::from_bytes(key)).arg("--for").arg(OsStr::from_bytes(b"user=\x9b\n"));
    ended(&mut words).ok().says(&[
        "a\\x1b[2J\\xff, asked at",
        "user=\\x9b\\x0a: OK",
        "allows user/life/units [\\x9b\\x0a]: 0 of 2",
    ]);
}

#[test]
fn wrong_calls_end_with_2() {
    let server = Server::start();
    server.client().expect("SET text v", "OK");
    let wrong =
        [&["explain"][..], &["explain", "k", "0"], &["explain", "k", "--for", "42"], &["explain", "k", "--for", "=1"]];
    for words in wrong {
        let ended = run(&server, words).with(2);
        assert!(ended.err.contains("Usage") || ended.err.contains("--help"), "{}", ended.err);
    }
    run(&server, &["explain", "text"]).with(2).err_has("answers WRONGTYPE");
    // A dimension that the module refuses.
    run(&server, &["explain", "text", "--for", "=1"]).with(2).err_has("write it as user=42");
}
