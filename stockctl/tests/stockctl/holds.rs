//! `stockctl holds`.

use testkit::Server;

use crate::harness::{command, ended, run, url};

/// Three buyers with 2, 1 and 1 orders; one order is paid and one is over.
fn sale() -> Server {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 100
         STOCK.LIMIT k user 50
         STOCK.RESERVE k o1 2 EX 300 FOR user 42 => [OK, *]
         STOCK.RESERVE k o2 3 EX 600 FOR user 42 => [OK, *]
         STOCK.RESERVE k o3 4 EX 100 FOR user 7 => [OK, *]
         STOCK.RESERVE k o4 9 FOR user 7 => [OK, *]
         STOCK.CONFIRM k o4 => [OK, *]
         STOCK.RESERVE k o5 1 FOR user 8 => [OK, *]
         STOCK.RELEASE k o5 => [OK, *]",
    );
    server
}

#[test]
fn holds_are_shown_with_the_first_that_returns_on_top() {
    let server = sale();
    let ended = run(&server, &["holds", "k"]).ok();
    let lines: Vec<Vec<&str>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let of = |order: &str| lines.iter().position(|line| line.first() == Some(&order)).expect("a line of the order");
    assert!(of("o3") < of("o1") && of("o1") < of("o2"), "{}", ended.out);
    assert_eq!(lines[of("o3")][..2], ["o3", "4"]);
    assert_eq!(lines[of("o3")].last(), Some(&"7"));
    let ended = ended.says(&["3 orders hold 9 units of k."]);
    assert!(!ended.out.contains("o4") && !ended.out.contains("o5"), "paid and released orders hold nothing");
    run(&server, &["holds", "k", "--most", "1"]).ok().says(&["3 orders hold 9 units", "1 of 3 lines are shown"]);
}

#[test]
fn one_buyer_and_sums_of_buyers() {
    let server = sale();
    run(&server, &["holds", "k", "--for", "user=42"]).ok().says(&["2 orders hold 5 units of k."]);
    run(&server, &["holds", "k", "--for", "user=1"]).ok().says(&["0 orders hold 0 units of k."]);
    let by = run(&server, &["holds", "k", "--by", "user", "--json"]).ok().json();
    assert_eq!(by["values"].to_string(), r#"[{"value":"42","orders":2,"units":5},{"value":"7","orders":1,"units":4}]"#);
    run(&server, &["holds", "k", "--by", "region"]).ok().says(&["(unknown)", "3 orders hold 9 units of k."]);
}

#[test]
fn csv_and_json_have_every_order_once() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10000
         STOCK.SETPOLICY k {\"remember\":[\"user\"]}",
    );
    // More than two pages, among them orders that are over.
    let calls: Vec<Vec<String>> = (0..2500)
        .flat_map(|n| {
            let reserve = format!("STOCK.RESERVE k o{n} 2 FOR user u{}", n % 7);
            let over = (n % 5 == 0).then(|| format!("STOCK.RELEASE k o{n}"));
            std::iter::once(reserve).chain(over)
        })
        .map(|line| line.split(' ').map(String::from).collect())
        .collect();
    assert!(c.pipeline(&calls).iter().all(|answer| !answer.is_error()));
    let out = run(&server, &["holds", "k", "--csv"]).ok().out;
    let mut rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows.remove(0), "order,qty,deadline_ms,deadline,user");
    let orders: std::collections::BTreeSet<&str> = rows.iter().filter_map(|row| row.split(',').next()).collect();
    assert_eq!((rows.len(), orders.len()), (2000, 2000));
    assert!(rows.iter().all(|row| row.split(',').nth(1) == Some("2")));
    assert!(rows[0].contains(",20") && rows[0].contains("Z,u"), "{}", rows[0]);
    let all = run(&server, &["holds", "k", "--json"]).ok().json();
    assert_eq!((&all["orders"], &all["units"]), (&2000.into(), &4000.into()));
    assert_eq!(all["holds"].as_array().map(Vec::len), Some(2000));
    assert!(all["holds"][0]["for"]["user"].is_string() && all["holds"][0]["deadline_ms"].is_i64());
    // Who reads the first lines alone ends the rest without a word.
    let mut head = command(&["--url", &url(&server), "holds", "k", "--csv"]);
    let mut child =
        head.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("stockctl");
    drop(child.stdout.take());
    let left = child.wait_with_output().expect("an end");
    assert_eq!((left.status.code(), String::from_utf8_lossy(&left.stderr).into_owned()), (Some(0), String::new()));
}

#[test]
fn what_is_no_pool_has_no_holds() {
    let server = Server::start();
    server.client().expect("SET text v", "OK");
    assert_eq!(run(&server, &["holds", "none"]).with(1).err, "error: there is no pool none\n");
    run(&server, &["holds", "text"]).with(2).err_has("WRONGTYPE");
    run(&server, &["holds", "k", "--csv", "--json"]).with(2);
    let both = ended(&mut command(&["--url", &url(&server), "holds", "k", "--csv", "--by", "user"]));
    both.with(2);
}
