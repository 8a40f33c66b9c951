//! A pool that a panic has left half changed (`core/apply.rs` has the panic): nothing is served
//! from it, and it is not saved.

use std::panic::{catch_unwind, AssertUnwindSafe};

use redis_stock::command::host::Origin;
use redis_stock::core::codec::save;
use redis_stock::core::stored_pool::StoredPool;

use testkit::host::Host;
use testkit::reply::Reply;

const NOW_MS: i64 = 1_767_268_800_000;

fn say(host: &mut Host, line: &str) -> Reply {
    let argv: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    host.call(NOW_MS, Origin::Client, &argv).0
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(line) if line.starts_with("ERR pool is out of service"))
}

#[test]
fn a_broken_pool_serves_nobody_and_the_others_go_on() {
    let mut host = Host::new(7);
    for line in ["STOCK.SET k 10", "STOCK.SET other 10", "STOCK.RESERVE k o 2", "STOCK.RESERVE other o 2"] {
        assert!(!matches!(say(&mut host, line), Reply::Error(_)), "{line}");
    }
    host.pool_mut(b"k").mark_broken();
    let calls = [
        "STOCK.RESERVE k p 1",
        "STOCK.RESERVE k o 2",
        "STOCK.CONFIRM k o",
        "STOCK.RELEASE k o",
        "STOCK.CHECK k 1",
        "STOCK.AVAILABLE k",
        "STOCK.GET k",
        "STOCK.ORDER k o",
        "STOCK.SET k 99",
        "STOCK.SWEEP k",
        "STOCK.MRESERVE p 2 other k QTY 1 1",
        "STOCK.MCONFIRM o 2 other k",
    ];
    for line in calls {
        let reply = say(&mut host, line);
        assert!(is_refused(&reply), "{line}: {reply:?}");
    }
    let Reply::Array(left) = say(&mut host, "STOCK.AVAILABLE other") else { panic!("no array") };
    assert_eq!(left.first(), Some(&Reply::Int(8)), "a cart that was refused has taken nothing");
    assert!(!matches!(say(&mut host, "STOCK.CONFIRM other o"), Reply::Error(_)));
}

#[test]
fn a_broken_pool_is_not_saved_and_a_copy_of_it_is_broken() {
    let mut host = Host::new(7);
    say(&mut host, "STOCK.SET k 10");
    let mut stored = StoredPool::Complete(host.pool(b"k").clone());
    let mut bytes = Vec::new();
    stored.save(&mut |chunk| bytes.extend_from_slice(chunk));
    let mut whole = Vec::new();
    save(host.pool(b"k"), &mut |chunk| whole.extend_from_slice(chunk));
    assert_eq!(bytes, whole);
    stored.mark_broken();
    assert!(stored.copy().is_broken());
    assert_eq!(stored.next_wake_ms(), None, "the background leaves it alone");
    let mut chunks = 0;
    let saved = catch_unwind(AssertUnwindSafe(|| stored.save(&mut |_| chunks += 1)));
    assert!(saved.is_err());
    assert_eq!(chunks, 0);
}
