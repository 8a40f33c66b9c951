//! What must be true of the pools when all is over: nothing lost, nothing twice.

use std::collections::HashMap;

use crate::load::{Fate, Ledger};
use testkit::cluster::{Cluster, PRIMARIES};
pub use testkit::orders_in;
use testkit::{poll, stock_info, wait_until, Client};

/// What the shoppers were told of one pool, order by order.
pub fn told(ledger: &Ledger, key: &str, fate: Fate) -> HashMap<String, i64> {
    let mut found = HashMap::new();
    for order in ledger.orders.iter().filter(|order| order.fate == fate) {
        for line in order.lines.iter().filter(|line| line.0 == key) {
            *found.entry(order.id.clone()).or_default() += line.1;
        }
    }
    found
}

/// Every order that was paid is there, no other is, and the units add up. Nothing may be lost here:
/// for changes of the cluster that lose nothing.
#[track_caller]
pub fn nothing_is_lost(client: &mut Client, key: &str, put_in: i64, ledger: &Ledger) {
    settle(client, key);
    assert_eq!(orders_in(client, key, "confirmed"), told(ledger, key, Fate::Paid), "{key}: what was paid");
    assert_eq!(orders_in(client, key, "released"), told(ledger, key, Fate::Released), "{key}: what was given up");
    assert_eq!(orders_in(client, key, "expired"), told(ledger, key, Fate::Abandoned), "{key}: what was left alone");
    adds_up(client, key, put_in);
}

/// On hand and sold make up what was put in, and sold is the sum of the orders.
#[track_caller]
pub fn adds_up(client: &mut Client, key: &str, put_in: i64) {
    let sold: i64 = orders_in(client, key, "confirmed").values().sum();
    let pool = client.say(&format!("STOCK.GET {key}"));
    assert_eq!(pool.field("sold").int(), sold, "{key}: sold");
    assert_eq!(pool.field("on_hand").int() + sold, put_in, "{key}: on hand and sold");
    assert_eq!(pool.field("out").int(), sold, "{key}: out");
    assert!(pool.field("on_hand").int() >= 0, "{key}: more sold than there was");
    client.verify(key);
}

/// Waits until no hold is open. Nothing but the background of the new owner brings the abandoned
/// ones back: reads change nothing.
#[track_caller]
pub fn settle(client: &mut Client, key: &str) {
    let mut seq = String::new();
    wait_until("the holds come back by themselves", || {
        let pool = client.say(&format!("STOCK.GET {key}"));
        let (before, now) = (std::mem::take(&mut seq), pool.field("seq").to_string());
        let calm = before == now && pool.field("reserved").int() == 0;
        seq = now;
        std::thread::sleep(std::time::Duration::from_millis(20));
        calm && client.say(&format!("STOCK.ORDERS {key} 0 STATE reserved COUNT 10000")).items()[1].items().is_empty()
    });
}

/// The stream tells every change of each pool once, without a gap up to the last one, and what it
/// tells adds up. A second stream, born on another node while a slot moved, would show as a gap.
#[track_caller]
pub fn events_are_whole(client: &mut Client, stream: &str, keys: &[String]) {
    let mut seqs: HashMap<String, i64> = HashMap::new();
    let mut sold: HashMap<String, i64> = HashMap::new();
    for entry in client.say(&format!("XRANGE {stream} - +")).items() {
        let fields = &entry.items()[1];
        let number = |name: &str| -> i64 { fields.field(name).text().parse().expect("a number") };
        let pool = fields.field("pool").text();
        if let Some(before) = seqs.insert(pool.clone(), number("seq")) {
            assert_eq!(number("seq"), before + 1, "{pool} in {stream}: {fields}");
        }
        if fields.field("type").text() == "confirmed" {
            *sold.entry(pool).or_default() += number("qty");
        }
    }
    for key in keys {
        let pool = client.say(&format!("STOCK.GET {key}"));
        assert_eq!(seqs.get(key), Some(&pool.field("seq").int()), "{key}: the last change");
        assert_eq!(sold.get(key), Some(&pool.field("sold").int()), "{key}: what was told as sold");
    }
}

/// Each replica holds the bytes of its primary, and nothing did not fit anywhere.
#[track_caller]
pub fn replicas_agree(cluster: &Cluster, keys: &[String]) {
    for key in keys {
        let owner = cluster.owner(key);
        let replica = (owner + PRIMARIES) % (2 * PRIMARIES);
        cluster.nodes[replica].wait_for_link();
        let mut reader = cluster.client(replica);
        reader.expect("READONLY", "OK");
        let mut primary = cluster.client(owner);
        // A hold that comes back in between changes both, one after the other: such a look does not
        // count.
        let found = poll("nothing changes for a moment", || {
            let before = primary.digest(key);
            cluster.nodes[replica].catch_up(&cluster.nodes[owner]);
            let found = reader.digest(key);
            (primary.digest(key) == before).then_some((found, before))
        });
        assert_eq!(found.0, found.1, "{key} on its replica");
    }
    for node in &cluster.nodes {
        assert_eq!(stock_info(&mut node.client(), "divergences"), 0);
        assert_eq!(stock_info(&mut node.client(), "events_dropped"), 0);
    }
}
