//! `stockctl pools`.

use testkit::Server;

use crate::harness::run;

fn keys(all: &serde_json::Value) -> Vec<&str> {
    all["pools"].as_array().expect("pools").iter().map(|pool| pool["key"].as_str().expect("a key")).collect()
}

#[test]
fn pools_are_found_by_what_is_wrong_with_them() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "SET text v
         STOCK.SET sku:1 10
         STOCK.SET sku:2 1
         STOCK.RESERVE sku:2 o 1 => [OK, *]
         STOCK.SET sku:3 5
         STOCK.SUSPEND sku:3
         STOCK.SET sku:4 9
         STOCK.RESERVE sku:4 o 7 => [OK, *]
         STOCK.SET sku:4 4
         STOCK.SET cap:1 UNLIMITED",
    );
    let found = |words: &[&str]| {
        let all = run(&server, &[&["pools", "--json"], words].concat()).ok().json();
        assert_eq!(all["forbidden"], 0);
        keys(&all).join(" ")
    };
    assert_eq!(found(&[]), "cap:1 sku:1 sku:2 sku:3 sku:4");
    assert_eq!(found(&["--sold-out"]), "sku:2 sku:4");
    assert_eq!(found(&["--suspended"]), "sku:3");
    assert_eq!(found(&["--short"]), "sku:4");
    assert_eq!(found(&["--suspended", "--short"]), "sku:3 sku:4");
    assert_eq!(found(&["--match", "cap:*"]), "cap:1");
    let ended =
        run(&server, &["pools"]).ok().says(&["5 of 5 pools.", "short by 3", "suspended", "sold out", "unlimited"]);
    assert!(!ended.out.contains("server"), "one server needs no name");
    run(&server, &["pools", "--short"]).ok().says(&["1 of 5 pools."]);
}

#[test]
fn every_pool_of_many_is_there_once() {
    let (server, mut c) = Server::start().with_client();
    let calls: Vec<Vec<String>> =
        (0..3000).map(|n| ["STOCK.SET".to_string(), format!("p{n:04}"), "1".to_string()].to_vec()).collect();
    c.pipeline(&calls);
    let all = run(&server, &["pools", "--json"]).ok().json();
    let keys = keys(&all);
    assert_eq!((keys.len(), keys.first(), keys.last()), (3000, Some(&"p0000"), Some(&"p2999")));
    assert_eq!(all["seen"], 3000);
}
