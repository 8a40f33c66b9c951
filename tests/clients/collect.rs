//! Collectors: many calls of an application in one call of the server, each with the answer of its
//! own order.

use std::collections::BTreeMap;
use std::process::Command;

use crate::programs::{clients, libraries, printed, python};
use testkit::{info, Server};

const COUNT: usize = 300;
const UNITS: usize = 100;

/// A pool of 100 units, at most one for each user; two orders have the same user.
fn sells(collector: impl FnOnce(u16) -> Command) {
    let (server, mut c) = Server::on_port(&[]).with_client();
    c.script(&format!("STOCK.SET k {UNITS}\nSTOCK.LIMIT k user 1"));
    let said = printed(&mut collector(server.port()));
    let mut answers = BTreeMap::new();
    let mut paid = 0;
    for line in said.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["paid", _, word] => {
                assert_eq!(word, "OK", "{line}");
                paid += 1;
            }
            [order, word] => assert!(answers.insert(order.to_string(), word.to_string()).is_none(), "{line}"),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(answers.len(), COUNT, "an answer for each: {said}");
    // The unit of a caller that went away is held, or its call was never sent.
    let gone = usize::from(!c.say("STOCK.ORDER k gone").to_string().starts_with("nil"));
    let count = |word: &str| answers.values().filter(|answer| *answer == word).count();
    assert_eq!(count("OK"), UNITS - gone, "{said}");
    assert_eq!(paid, UNITS - gone);
    assert_eq!(
        (answers[&format!("o{}", COUNT - 2)].as_str(), answers[&format!("o{}", COUNT - 1)].as_str()),
        ("NODIM", "ERR")
    );
    assert_eq!(count("OK") + count("LIMITED") + count("SOLDOUT") + 2, COUNT, "{said}");
    assert!(count("LIMITED") > 0 && count("SOLDOUT") > 0, "{said}");
    // Who was told OK has it, and nobody else.
    for (order, answer) in &answers {
        let known = c.say(&format!("STOCK.ORDER k {order}")).to_string();
        assert_eq!(known.contains("confirmed"), answer == "OK", "{order}: {answer}, {known}");
    }
    c.expect_pool("k", &format!("sold={} reserved={gone}", UNITS - gone));
    c.verify("k");
    let stats = info(&mut c, "commandstats");
    let calls = |name: &str| -> usize {
        let text = stats.get(&format!("cmdstat_{name}")).cloned().unwrap_or_default();
        text.split([',', '=']).nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let (together, alone) = (calls("STOCK.RESERVEBATCH"), calls("STOCK.RESERVE"));
    assert!((1..=60).contains(&together), "{COUNT} orders in {together} calls");
    assert!(alone <= 32, "only the batch with the wrong one went out one by one: {alone}");
    assert!((1..=60).contains(&calls("STOCK.CONFIRMBATCH")), "{stats:?}");
}

#[test]
fn python_collects() {
    sells(|port| {
        let mut command = python();
        command.arg(clients("python/tests/collect.py")).args([port.to_string(), COUNT.to_string()]);
        command
    });
}

/// PHP has none: one process has one buyer.
#[test]
fn every_collector_sells() {
    for library in libraries().filter(|library| ["go", "node", "java", "ruby", "rust"].contains(&library.language)) {
        sells(|port| library.program(port, &["collect".to_string(), COUNT.to_string()]));
    }
}
