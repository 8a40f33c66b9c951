//! Which node answers what: MOVED, CROSSSLOT, reads on replicas.

use redis_stock::command::spec::{Access, KeyPositions};
use redis_stock::command::TABLE;

use testkit::cluster::{slot_of, tag_of, Cluster};
use testkit::{fits, Client};

/// A call of the command with keys in its places; what follows them does not matter to a cluster.
fn call(spec: &redis_stock::command::spec::Spec, keys: [&str; 2]) -> Vec<String> {
    let words: &[&str] = match spec.keys {
        KeyPositions::Counted(3) => &[spec.name, "o", "p", "2", keys[0], keys[1]],
        KeyPositions::None => &[spec.name],
        KeyPositions::First => &[spec.name, keys[0]],
        KeyPositions::FirstTwo => &[spec.name, keys[0], keys[1]],
        KeyPositions::All => &[spec.name, keys[0], keys[1]],
        KeyPositions::Pairs => &[spec.name, keys[0], "x", keys[1], "x"],
        KeyPositions::Counted(_) => &[spec.name, "o", "2", keys[0], keys[1]],
    };
    let padding = spec.arity.unsigned_abs() as usize;
    let padding = std::iter::repeat_n("1", padding.saturating_sub(words.len()));
    words.iter().copied().chain(padding).map(String::from).collect()
}

#[track_caller]
fn expect(client: &mut Client, words: &[String], pattern: &str) {
    let answer = client.call(words).to_string();
    assert!(fits(pattern, &answer), "{words:?}\n  answered {answer}\n  expected {pattern}");
}

/// The table of the commands is the list: a command that a cluster cannot route does not get in.
#[test]
fn every_command_finds_its_node() {
    let cluster = Cluster::steady();
    let (here, there) = (tag_of(0), tag_of(1));
    let (slot, port) = (slot_of(here.as_bytes()), cluster.nodes[0].port());
    let (one, two, far) = (format!("{{{here}}}a"), format!("{{{here}}}b"), format!("{{{there}}}a"));
    let mut stranger = cluster.client(1);
    let mut replica = cluster.client(3);
    let mut reader = cluster.client(3);
    reader.expect("READONLY", "OK");
    let moved = format!("-MOVED {slot} 127.0.0.1:{port}");
    for spec in TABLE.iter().filter(|spec| spec.keys != KeyPositions::None) {
        expect(&mut stranger, &call(spec, [&one, &two]), &moved);
        if spec.keys != KeyPositions::First {
            expect(&mut stranger, &call(spec, [&one, &far]), "-CROSSSLOT *");
            expect(&mut cluster.client(0), &call(spec, [&one, &far]), "-CROSSSLOT *");
        }
        // A replica answers reads of a client that has said that it wants them, and nothing else.
        expect(&mut replica, &call(spec, [&one, &two]), &moved);
        let answer = reader.call(&call(spec, [&one, &two])).to_string();
        assert_eq!(answer.starts_with("-MOVED"), spec.access != Access::Read, "{}: {answer}", spec.name);
    }

    // What names no keys stays where it is sent, and is an error there.
    for line in ["STOCK.MRESERVE o 5 a b QTY 1", "STOCK.MRESERVE o x a QTY 1", "STOCK.MCONFIRM o -1 a"] {
        stranger.expect(line, "-ERR *");
    }

    // In a transaction the first stray command spoils the rest.
    stranger.expect("MULTI", "OK");
    stranger.expect(&format!("STOCK.RESERVE {one} o 1"), &moved);
    stranger.expect("EXEC", "-EXECABORT *");

    carts_and_reads(&cluster, &one, &two);
    wait_after_exists_needs_a_write(&cluster);
}

/// KeyPositions that share a hash tag share a slot: carts work, and replicas answer reads.
fn carts_and_reads(cluster: &Cluster, one: &str, two: &str) {
    let mut c = cluster.client(0);
    let cart = format!("2 {one} {two}");
    c.script(&format!(
        "STOCK.SET {one} 10
         STOCK.SET {two} 1
         STOCK.MRESERVE o1 {cart} QTY 2 1 FOR user 42 => [OK, *]
         STOCK.MRESERVE o1 {cart} QTY 2 1 FOR user 42 => [EXISTS, {one}, reserved, 2, 0, *]
         STOCK.MRESERVE o2 {cart} QTY 1 1 => [SOLDOUT, {two}, 0]
         STOCK.MCONFIRM o1 {cart} => [OK]
         STOCK.AVAILABLE {one} {two} => [8, 0]"
    ));
    cluster.nodes[3].catch_up(&cluster.nodes[0]);
    let mut reader = cluster.client(3);
    reader.expect("READONLY", "OK");
    reader.expect_pool(one, "on_hand=8 sold=2 reserved=0");
    reader.expect(&format!("STOCK.AVAILABLE {one} {two}"), "[8, 0]");
    reader.expect(&format!("STOCK.CHECK {two} 1"), &format!("[SOLDOUT, {two}, 0]"));
    assert_eq!(reader.order(one, "o1", "state"), "confirmed");
}

/// WAIT speaks of what its own connection has written. After EXISTS that is nothing, and WAIT may
/// say 1 although no replica has the order (docs/guides/clients.md): a small write of its own makes
/// it speak of everything before it.
fn wait_after_exists_needs_a_write(cluster: &Cluster) {
    let key = format!("{{{}}}wait", tag_of(0));
    let fence = format!("SET {{{}}}fence 1", tag_of(0));
    let mut first = cluster.client(0);
    first.expect(&format!("STOCK.SET {key} 10"), "OK");
    first.expect(&format!("STOCK.RESERVE {key} o1 1"), "[OK, *]");
    first.expect("WAIT 1 5000", "1");
    cluster.nodes[3].freeze();
    first.expect(&format!("STOCK.CONFIRM {key} o1"), "[OK, *]");
    first.expect("WAIT 1 100", "0");
    let mut second = cluster.client(0);
    second.expect(&format!("STOCK.CONFIRM {key} o1"), "[EXISTS, *]");
    eprintln!("WAIT after EXISTS, nothing replicated: {}", second.say("WAIT 1 100"));
    second.expect(&fence, "OK");
    second.expect("WAIT 1 100", "0");
    cluster.nodes[3].thaw();
    second.expect("WAIT 1 5000", "1");
}
