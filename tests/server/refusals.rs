//! A refused call leaves no trace: no change of the value, no byte in the AOF or to the replicas,
//! no entry in a stream, no event, no disturbed WATCH. A change leaves all of them.

use std::collections::BTreeSet;

use super::carts::digests;
use super::replication::log_of;
use testkit::{now_ms, pass, Client, Events, Server, Value};

/// Calls, some with the answer that `tests/model` cannot see: the words of an error, and which
/// pool of several is named.
const REFUSED: &[&str] = &[
    // A retry, and a call with other content.
    "STOCK.RESERVE k held 5 FOR user u",
    "STOCK.RESERVE k held 6 FOR user u",
    "STOCK.RESERVE k held 5 FOR user v",
    "STOCK.RESERVE k released 1 FOR user u",
    "STOCK.RESERVE k expired 1 FOR user u",
    "STOCK.RESERVE k new 1000 FOR user u",
    "STOCK.RESERVE k new 9 FOR user u",
    "STOCK.RESERVE k new 9",
    "STOCK.RESERVE k new 9 PXAT 5 FOR user v",
    "STOCK.RESERVE full new 1 PARTIAL",
    "STOCK.RESERVE asleep new 1",
    "STOCK.RESERVE early new 1",
    "STOCK.RESERVE ended new 1",
    "STOCK.RESERVE k new",
    "STOCK.RESERVE k new x",
    "STOCK.RESERVEBATCH k DIMS 1 user ORDERS 4 held 5 u released 1 u new 1000 u new 9 u",
    "STOCK.RESERVEBATCH k PXAT 5 DIMS 1 user ORDERS 2 new 9 v held 6 u",
    "STOCK.RESERVEBATCH k ORDERS 2 new 1 new 1",
    "STOCK.RESERVEBATCH asleep ORDERS 1 new 1",
    "STOCK.RESERVEBATCH no ORDERS 2 new 1 new2 1",
    "STOCK.CONFIRMBATCH k ORDERS 4 paid expired released unknown",
    "STOCK.CONFIRMBATCH k ORDERS 2 held",
    "STOCK.CONFIRMBATCH no ORDERS 1 held",
    "STOCK.RESERVEBATCH k ORDERS 2 a 1 b 0 => -ERR order 2: quantity is out of range*",
    "STOCK.RESERVEBATCH k ORDERS 2 a x b 1 => -ERR order 1: value is not an integer*",
    "STOCK.RESERVEBATCH k ORDERS 2 a 1 b => -ERR syntax error",
    "STOCK.RESERVEBATCH k ORDERS 1 a 1 b 1 => -ERR syntax error",
    "STOCK.RESERVEBATCH k ORDERS 0 a 1 => -ERR invalid number of orders: 1 to 128",
    "STOCK.RESERVEBATCH k ORDERS 129 a 1 => -ERR invalid number of orders: 1 to 128",
    "STOCK.RESERVEBATCH k ORDERS -1 a 1 => -ERR invalid number of orders: 1 to 128",
    "STOCK.RESERVEBATCH k ORDERS x a 1 => -ERR value is not an integer*",
    "STOCK.RESERVEBATCH k EX 5 PX 5 ORDERS 1 a 1 => -ERR syntax error",
    "STOCK.RESERVEBATCH k PARTIAL ORDERS 1 a 1 => -ERR syntax error",
    "STOCK.RESERVEBATCH k DIMS 1 user => -ERR wrong number of arguments*",
    "STOCK.RESERVEBATCH k EX 5 DIMS 1 user => -ERR syntax error",
    "STOCK.RESERVEBATCH k DIMS 9 user ORDERS 1 a 1 => -ERR *",
    "STOCK.RESERVEBATCH k DIMS 0 ORDERS 1 a 1 => -ERR invalid number of dimensions: 1 to 16",
    "STOCK.RESERVEBATCH k DIMS 17 ORDERS 1 a 1 => -ERR invalid number of dimensions: 1 to 16",
    "STOCK.RESERVEBATCH k DIMS 2 user user ORDERS 1 a 1 u u => -ERR duplicate dimension",
    "STOCK.RESERVEBATCH k DIMS 1 User ORDERS 1 a 1 u => -ERR invalid dimension name*",
    "STOCK.RESERVEBATCH k DIMS 1 user DIMS 1 user ORDERS 1 a 1 u u => -ERR syntax error",
    "STOCK.CONFIRMBATCH k ORDERS 2 a => -ERR syntax error",
    "STOCK.CONFIRMBATCH k a b c => -ERR syntax error",
    "STOCK.MRETURN paid 1 k KEEPUSAGE KEEPUSAGE => -ERR syntax error",
    "STOCK.MRETURN paid 1 k NORESTOCK NORESTOCK => -ERR syntax error",
    "STOCK.RESERVEBATCH text ORDERS 1 a 1 => -WRONGTYPE *",
    "STOCK.CONFIRM k paid",
    "STOCK.CONFIRM k paid QTY 3",
    "STOCK.CONFIRM k paid LATE",
    "STOCK.CONFIRM k expired",
    "STOCK.CONFIRM k expired QTY 50 LATE",
    "STOCK.CONFIRM k released",
    "STOCK.CONFIRM k unknown",
    "STOCK.CONFIRM k unknown QTY 1000 LATE SINCE 1",
    "STOCK.CONFIRM k held QTY 6",
    "STOCK.RELEASE k released",
    "STOCK.RELEASE k paid",
    "STOCK.RELEASE k returned",
    "STOCK.AMEND k held 5",
    "STOCK.AMEND k held 2000",
    "STOCK.AMEND k held 9",
    "STOCK.AMEND k paid 2",
    "STOCK.AMEND k expired 1",
    "STOCK.AMEND k unknown 1",
    "STOCK.SPLIT k held new 99",
    "STOCK.SPLIT k held held 1",
    "STOCK.SPLIT k paid new 1",
    "STOCK.SPLIT k expired new 1",
    "STOCK.SPLIT k unknown new 1",
    "STOCK.SPLIT k held paid 1",
    "STOCK.EXTEND k held PX 1",
    "STOCK.EXTEND k paid EX 5",
    "STOCK.EXTEND k expired EX 5",
    "STOCK.EXTEND k unknown EX 5",
    "STOCK.RETURN k held",
    "STOCK.RETURN k returned",
    "STOCK.RETURN k partly QTY 1 TOKEN t",
    "STOCK.RETURN k partly QTY 2 TOKEN t",
    "STOCK.RETURN k partly QTY 9 TOKEN t2",
    "STOCK.RETURN k unknown",
    "STOCK.RETURN k expired",
    "STOCK.SET k 5 NX",
    "STOCK.SET no 5 XX",
    "STOCK.SET k 5 NX POLICY {\"hold\":5}",
    "STOCK.SET no 5 POLICY {}",
    "STOCK.SET no 5 NX POLICY {\"hold\":0}",
    "STOCK.SET no 5 NX POLICY {\"events\":\"text\"}",
    "STOCK.SET no -9007199254740991 NX POLICY {\"safety\":1}",
    "STOCK.SET text 5",
    "STOCK.SET k x",
    "STOCK.ADD k -5000",
    "STOCK.ADD k 5 TOKEN t",
    "STOCK.ADD k 6 TOKEN t",
    "STOCK.ADD k 9007199254740991",
    "STOCK.ADD no 5",
    "STOCK.ADD k 5 TOKEN moved",
    "STOCK.TRANSFER k full 5 TOKEN moved",
    "STOCK.TRANSFER k full 6 TOKEN moved",
    "STOCK.TRANSFER full k 5 TOKEN moved",
    "STOCK.TRANSFER k asleep 5 TOKEN moved",
    "STOCK.TRANSFER k asleep 5 TOKEN t",
    "STOCK.TRANSFER k full 99 TOKEN new",
    "STOCK.TRANSFER full k 1 TOKEN new",
    "STOCK.TRANSFER k k 1 TOKEN new",
    "STOCK.TRANSFER k no 1 TOKEN new",
    "STOCK.TRANSFER no k 1 TOKEN new",
    "STOCK.TRANSFER k text 1 TOKEN new",
    "STOCK.TRANSFER k endless 1 TOKEN new",
    "STOCK.TRANSFER k full 0 TOKEN new",
    "STOCK.TRANSFER k full 1 TAKEN new",
    "STOCK.SUSPEND asleep",
    "STOCK.RESUME k",
    "STOCK.SCHEDULE k FROM NONE UNTIL NONE",
    "STOCK.SCHEDULE k FROM 9 UNTIL 9",
    "STOCK.SCHEDULE ended FROM 6",
    "STOCK.SCHEDULE no FROM 9",
    "STOCK.SETPOLICY k {\"from\":9,\"until\":8}",
    "STOCK.SETPOLICY k {\"unknown\":1}",
    "STOCK.SETPOLICY no {}",
    "STOCK.SWEEP k",
    "STOCK.SWEEP no",
    "STOCK.LIMIT k user -1",
    "STOCK.LIMIT no user 1",
    "STOCK.UNLIMIT k region",
    "STOCK.UNLIMIT k user FOR nobody",
    "STOCK.GET k",
    "STOCK.CHECK k 1 FOR user u",
    "STOCK.ORDERS k 0",
    "STOCK.VERIFY k",
    "STOCK.CONFIRM k late",
    "STOCK.RELEASE k never",
    "STOCK.SCHEDULE early FROM 4102444800000",
    "STOCK.RECONCILE full 0",
    "STOCK.RECONCILE k 9 DRYRUN",
    "STOCK.RECONCILE no 5 => [NOPOOL, no]",
    "STOCK.RECONCILE no 5 DRYRUN => [NOPOOL, no]",
    "STOCK.RECONCILE text 5 => -WRONGTYPE*",
    "STOCK.RECONCILE endless 5 => -ERR pool is unlimited*",
    "STOCK.RECONCILE k => -ERR wrong number*",
    "STOCK.RECONCILE k x => -ERR*",
    "STOCK.RECONCILE k 9007199254740992 => -ERR*",
    "STOCK.RECONCILE k -9007199254740991 => -ERR result*",
    "STOCK.RECONCILE k 5 WHAT => -ERR syntax*",
    "STOCK.RECONCILE k 5 DRYRUN DRYRUN => -ERR syntax*",
    "STOCK.RECONCILE k 5 AFTER 0123456789abcdef 1 => -ERR syntax*",
    "STOCK.RECONCILE k 5 AFTER 0123456789abcdef -1 0 => -ERR invalid seq*",
    "STOCK.RECONCILE k 5 AFTER 0123456789abcdef0 1 0 => -ERR invalid epoch*",
    "STOCK.RECONCILE k 5 AFTER xyz 1 0 => -ERR invalid epoch*",
    "STOCK.RECONCILE k 5 AFTER 0123456789abcdef 1 9007199254740992 => -ERR*",
    // Syntax and bounds are judged before the key is opened.
    "STOCK.RESERVE text new 0 => -ERR *",
    "STOCK.RESERVE text new 1 => -WRONGTYPE *",
    // Who asks for a pool that is not there hears of no other one.
    "STOCK.RESERVE no o 1 => [NOPOOL, no]",
    "STOCK.CONFIRM no o => [NOPOOL, no]",
    "STOCK.CONFIRM no o QTY 1 LATE SINCE 1 => [NOPOOL, no]",
    "STOCK.RELEASE no o => [NOPOOL, no]",
    "STOCK.AMEND no o 1 => [NOPOOL, no]",
    "STOCK.EXTEND no o EX 1 => [NOPOOL, no]",
    "STOCK.RETURN no o => [NOPOOL, no]",
    "STOCK.RETURN no o QTY 1 TOKEN t LATE => [NOPOOL, no]",
    // Carts.
    "STOCK.MRESERVE held 2 a b QTY 2 1 FOR user u",
    "STOCK.MRESERVE held 2 b a QTY 1 2 PX 7 FOR user u",
    "STOCK.MRESERVE held 2 a b QTY 2 2 FOR user u",
    "STOCK.MRESERVE held 2 a b QTY 2 1 FOR user v",
    "STOCK.MRESERVE held 3 a b capped QTY 2 1 1 FOR user u",
    "STOCK.MRESERVE half 2 a b QTY 1 1 FOR user u",
    "STOCK.MRESERVE half 2 b a QTY 1 1 FOR user u",
    "STOCK.MRESERVE released 2 a b QTY 1 1",
    "STOCK.MRESERVE expired 2 b a QTY 1 1",
    "STOCK.MRESERVE new 2 a no QTY 1 1",
    "STOCK.MRESERVE new 2 a text QTY 1 1",
    "STOCK.MRESERVE new 3 no a text QTY 1 1 1",
    "STOCK.MRESERVE new 2 a asleep QTY 1 1",
    "STOCK.MRESERVE new 2 a capped QTY 1 1",
    "STOCK.MRESERVE new 2 a capped QTY 1 3 FOR user u",
    "STOCK.MRESERVE new 2 a b QTY 1 99",
    "STOCK.MRESERVE new 3 b a b QTY 2 1 2",
    "STOCK.MRESERVE new 2 a b QTY 1 1 PXAT 5",
    "STOCK.MRESERVE new 2 a b QTY 1 9007199254740991",
    "STOCK.MRESERVE new 2 a a QTY 1 9007199254740991",
    "STOCK.MRESERVE new 2 a b QTY 1 0",
    "STOCK.MRESERVE new 2 a b QTY 1",
    "STOCK.MRESERVE new 2 a b QTY 1 1 1",
    "STOCK.MRESERVE new 2 a b QTY 1 1 PARTIAL",
    "STOCK.MRESERVE new 0 QTY 1 1",
    "STOCK.MRESERVE new 200 a b QTY 1 1",
    "STOCK.MRESERVE new",
    "STOCK.MCONFIRM paid 2 a b",
    "STOCK.MCONFIRM paid 2 b a LATE",
    "STOCK.MCONFIRM half 2 a b",
    "STOCK.MCONFIRM half 2 b a LATE",
    "STOCK.MCONFIRM held 3 a b no",
    "STOCK.MCONFIRM held 3 a b text",
    "STOCK.MCONFIRM held 3 a b asleep LATE",
    "STOCK.MCONFIRM mixed 2 a b",
    "STOCK.MCONFIRM expired 2 a b",
    "STOCK.MCONFIRM big 2 b a LATE",
    "STOCK.MCONFIRM released 2 a b",
    "STOCK.MCONFIRM held 2 a b QTY 1 9",
    "STOCK.MCONFIRM held 2 a b QTY 1",
    "STOCK.MCONFIRM held 2 a b QTY 1 0",
    "STOCK.MCONFIRM paid 2 a b QTY 1 2",
    "STOCK.MSPLIT held new 2 a b QTY 1 1",
    "STOCK.MSPLIT held new 2 a no QTY 1 1",
    "STOCK.MSPLIT held new 2 a text QTY 1 1",
    "STOCK.MSPLIT held held 2 a b QTY 1 1",
    "STOCK.MSPLIT big paid 2 a b QTY 1 1",
    "STOCK.MSPLIT big new 2 a b QTY 1",
    "STOCK.MSPLIT unknown new 2 a b QTY 1 1",
    "STOCK.MRESERVE new 2 a b QTY 9 99 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 0 1 REPLACES paid",
    "STOCK.MRESERVE new 2 a asleep QTY 1 1 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 0 0 REPLACES held",
    "STOCK.MRESERVE new 2 a b QTY 1 1 REPLACES new",
    "STOCK.MRELEASE released 2 a b",
    "STOCK.MRELEASE paid 2 a b",
    "STOCK.MRELEASE returned 2 a b",
    "STOCK.MRELEASE half 2 a b",
    "STOCK.MRELEASE half 2 b a",
    "STOCK.MRELEASE held 3 a b no",
    "STOCK.MRELEASE held 3 text a b",
    "STOCK.MEXTEND held 2 a b PX 1",
    "STOCK.MEXTEND held 2 a no EX 9999",
    "STOCK.MEXTEND half 2 a b EX 9999",
    "STOCK.MEXTEND paid 2 a b EX 9999",
    "STOCK.MEXTEND expired 2 a b EX 9999",
    "STOCK.MEXTEND held 2 a b EX 0",
    "STOCK.MEXTEND held 2 a b",
    "STOCK.MRETURN returned 2 a b",
    "STOCK.MRETURN held 2 a b",
    "STOCK.MRETURN mixed 2 b a",
    "STOCK.MRETURN half 2 a b",
    "STOCK.MRETURN expired 2 a b NORESTOCK",
    "STOCK.MRETURN unknown 2 a b",
    "STOCK.MRETURN paid 2 a no",
    "STOCK.MRETURN paid 2 a b LATE",
    "STOCK.MEFFECT a x",
    "STOCK.MEFFECT a x b y",
    // An order that would take the place of another one.
    "STOCK.RESERVE l o2 1 REPLACES o1 => [SOLDOUT, l, 0]",
    "STOCK.MRESERVE o2 2 m l QTY 0 1 REPLACES o1 => [SOLDOUT, l, 0]",
    "STOCK.MRESERVE o2 2 m l QTY 1 1 REPLACES o1 FOR user u => [SOLDOUT, l, 0]",
    "STOCK.RESERVE m o2 2 REPLACES o1 FOR user u => [SOLDOUT, m, 1]",
    "STOCK.RESERVE m o2 1 REPLACES o1 => -NODIM *",
    "STOCK.RESERVE asleep o2 1 REPLACES o1 => [SUSPENDED, asleep]",
    "STOCK.RESERVE done o4 1 REPLACES paid => [CONFIRMED, done]",
    "STOCK.RESERVE done o3 1 REPLACES o2 => [EXISTS, done, reserved, 1, 0, *]",
    "STOCK.RESERVE done o3 2 REPLACES o2 => -CONFLICT *",
    "STOCK.RESERVE done o2 1 REPLACES o3 => [CLOSED, done, released]",
    "STOCK.RESERVE no o2 1 REPLACES o1 => [NOPOOL, no]",
    "STOCK.RESERVE m o2 1 PXAT 5 REPLACES o1 FOR user u => -ERR invalid expire time*",
    "STOCK.RESERVE m o1 1 REPLACES o1 => -ERR order cannot replace itself",
    "STOCK.MRESERVE o1 1 m QTY 1 REPLACES o1 => -ERR order cannot replace itself",
    "STOCK.RESERVE m o2 1 REPLACES => -ERR syntax error",
    "STOCK.RESERVE m o2 1 REPLACES o1 REPLACES o1 => -ERR syntax error",
    "STOCK.MRESERVE o2 1 m QTY 0 => -ERR quantity is out of range*",
    "STOCK.MRESERVE o2 1 m QTY 0 REPLACES o1 => -ERR quantity is out of range*",
    // Units that would shift between buckets.
    "STOCK.SHIFT {b0}x TO {b1}x 4 => [EXISTS, {b0}x, shifted, 4, 0, 0]",
    "STOCK.SHIFT {b0}x TO {b1}x 1 RECEIVED => [EXISTS, {b0}x, shifted, 4, 0, 0]",
    "STOCK.SHIFT {b0}x TO {b1}x 11 => [SOLDOUT, {b0}x, 6]",
    "STOCK.SHIFT {b0}x TO {b1}x 6 LIMIT region FOR eu => [LIMITED, {b0}x, region/life/units, [eu], 0, 5, 0]",
    "STOCK.SHIFT {b0}x TO {b1}x 6 LIMIT region PER DAY FOR eu => -ERR no such limit*",
    "STOCK.SHIFT {b0}x FROM {b1}x 6 LIMIT region FOR eu => -ERR FROM with LIMIT needs SINCE",
    "STOCK.SHIFT {b0}x FROM {b1}x 6 SINCE 5 => -ERR SINCE needs LIMIT",
    "STOCK.SHIFT {b0}x FROM {b1}x 6 RECEIVED => -ERR RECEIVED needs TO",
    "STOCK.SHIFT {b0}x TO {b1}x 6 SINCE 5 => -ERR SINCE needs FROM",
    "STOCK.SHIFT {b0}x TO {b1}x 6 FOR eu => -ERR PER, ROLLING, COUNT and FOR need LIMIT",
    "STOCK.SHIFT {b0}x FROM {b1}x 0 => -ERR total is out of range*",
    "STOCK.SHIFT {b0}x TO {b0}x 1 => -ERR a pool cannot shift to or from itself",
    "STOCK.SHIFT {b0}x FROM {b0}x 1 => -ERR a pool cannot shift to or from itself",
    "STOCK.SHIFT no TO no 1 => -ERR a pool cannot shift to or from itself",
    "STOCK.SHIFT no TO {b1}x 1 => [NOPOOL, no]",
    "STOCK.SHIFTS no => nil",
];

/// The keys that these calls name, and the stream that all of the pools write to.
const KEYS: [&str; 15] =
    ["k", "full", "asleep", "early", "ended", "no", "text", "a", "b", "capped", "m", "l", "done", "{b0}x", "feed"];

/// A primary that writes a file and a stream, with its pools; and its replica.
fn setting() -> (Server, Server) {
    let (server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    c.script(
        "SET text v
         STOCK.SET full 0
         STOCK.SET asleep 5
         STOCK.RESERVE asleep o1 1 => [OK, *]
         STOCK.SUSPEND asleep
         STOCK.SET early 5
         STOCK.SCHEDULE early FROM 4102444800000
         STOCK.SET ended 5
         STOCK.SCHEDULE ended UNTIL 5
         STOCK.SET k 100
         STOCK.ADD k 5 TOKEN t => [OK, 105, 105]
         STOCK.SET endless UNLIMITED
         STOCK.TRANSFER k full 5 TOKEN moved => [OK, 100, 100, 5, 5]
         STOCK.ADD full -5 => [OK, 0, 0]
         STOCK.LIMIT k user 8 MISSING REFUSE
         STOCK.RESERVE k held 5 FOR user u => [OK, *]
         STOCK.RESERVE k released 1 FOR user u => [OK, *]
         STOCK.RELEASE k released => [OK, *]
         STOCK.RESERVE k expired 1 PX 10 FOR user u => [OK, *]
         STOCK.RESERVE k paid 2 FOR user w => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.RESERVE k returned 2 FOR user w => [OK, *]
         STOCK.CONFIRM k returned => [OK, *]
         STOCK.RETURN k returned => [OK, *]
         STOCK.RELEASE k never => [NOORDER, k]
         STOCK.CONFIRM k late QTY 1 LATE SINCE 5 FOR user w => [OK, 1, *]
         STOCK.RESERVE k partly 2 FOR user w => [OK, *]
         STOCK.CONFIRM k partly => [OK, *]
         STOCK.RETURN k partly QTY 1 TOKEN t => [OK, *]
         STOCK.SET a 100
         STOCK.SET b 10
         STOCK.SET capped 5
         STOCK.LIMIT capped user 2
         STOCK.MRESERVE held 2 a b QTY 2 1 FOR user u => [OK, *]
         STOCK.RESERVE a half 1 FOR user u => [OK, *]
         STOCK.MRESERVE paid 2 a b QTY 1 1 => [OK, *]
         STOCK.MCONFIRM paid 2 a b => [OK]
         STOCK.MRESERVE returned 2 a b QTY 1 1 => [OK, *]
         STOCK.MCONFIRM returned 2 a b => [OK]
         STOCK.MRETURN returned 2 a b => [OK]
         STOCK.MRESERVE released 2 a b QTY 1 1 => [OK, *]
         STOCK.MRELEASE released 2 a b => [OK]
         STOCK.MRESERVE mixed 2 a b QTY 1 1 => [OK, *]
         STOCK.RELEASE b mixed => [OK, *]
         STOCK.MRESERVE big 2 a b QTY 90 5 PX 10 => [OK, *]
         STOCK.SET m 1
         STOCK.SET l 0
         STOCK.LIMIT m user 1
         STOCK.RESERVE m o1 1 FOR user guest => [OK, *]
         STOCK.SET done 5
         STOCK.RESERVE done paid 1 => [OK, *]
         STOCK.CONFIRM done paid => [OK, *]
         STOCK.RESERVE done o2 1 => [OK, *]
         STOCK.RESERVE done o3 1 REPLACES o2 => [OK, *]
         STOCK.SET {b0}x 10
         STOCK.LIMIT {b0}x region 5
         STOCK.SHIFT {b0}x TO {b1}x 4 => [OK, 6, 6]
         STOCK.MRESERVE expired 2 a b QTY 1 1 PX 10 => [OK, *]",
    );
    // The due holds come back before the test begins, so that no refused call is the one that
    // returns them.
    pass(now_ms() + 11);
    for pool in ["k", "a", "b"] {
        c.say(&format!("STOCK.SWEEP {pool}"));
        c.expect(&format!("STOCK.SWEEP {pool}"), "0");
        c.expect(&format!("STOCK.ORDER {pool} expired"), "[state, expired, *]");
        c.verify(pool);
    }
    c.expect("STOCK.RESERVE b full 5", "[OK, *]");
    (server, replica)
}

/// Everything that could show a trace.
fn trace(server: &Server, c: &mut Client) -> (Vec<String>, u64, i64) {
    (digests(c, &KEYS), server.aof_bytes(), server.offset())
}

fn follows(replica: &Server, server: &Server) {
    replica.catch_up(server);
    let mut r = replica.client();
    assert_eq!(digests(&mut r, &KEYS), digests(&mut server.client(), &KEYS));
    ["k", "a", "b"].iter().for_each(|pool| r.verify(pool));
}

#[test]
fn no_trace_of_a_refused_call() {
    let (server, replica) = setting();
    let mut events = Events::listen(&server, "KEA");
    events.take(&server);
    let (mut c, mut looker, mut watcher) = (server.client(), server.client(), server.client());
    let mut answers = BTreeSet::new();
    for line in REFUSED {
        let (line, pattern) = line.split_once(" => ").unwrap_or((line, "*"));
        let before = trace(&server, &mut looker);
        let survived = watcher.watch_survives(&KEYS.join(" "), || {
            let answer = c.expect(line, pattern);
            let word = match &answer {
                Value::Array(items) => items[0].to_string(),
                Value::Error(_) => answer.error().split(' ').next().unwrap_or_default().to_string(),
                _ => String::new(),
            };
            let only_looks = ["EXTEND", "CHECK", "RECONCILE"].iter().any(|name| line.contains(name));
            assert!(word != "OK" || only_looks, "{line} was not refused: {answer}");
            answers.insert(word);
        });
        assert!(survived, "{line} disturbed a WATCH");
        assert_eq!(trace(&server, &mut looker), before, "{line} left a trace");
        // The same in a transaction and in a script, where an empty MULTI would be a trace too.
        c.expect("MULTI", "OK");
        c.expect("PING", "QUEUED");
        // A wrong arity is refused here, and then the whole transaction.
        c.say(line);
        c.say("EXEC");
        assert_eq!(trace(&server, &mut looker), before, "{line} in a transaction left a trace");
        let mut call = vec!["EVAL", "return redis.pcall(unpack(ARGV))", "0"];
        call.extend(line.split(' '));
        c.call(&call);
        assert_eq!(trace(&server, &mut looker), before, "{line} in a script left a trace");
        assert_eq!(events.take(&server), [""; 0], "{line} was announced");
    }
    for word in [
        "EXISTS",
        "CLOSED",
        "EXPIRED",
        "CONFIRMED",
        "RESERVED",
        "SUSPENDED",
        "NOORDER",
        "NOPOOL",
        "SOLDOUT",
        "LIMITED",
        "ERR",
        "WRONGTYPE",
        "CONFLICT",
        "NODIM",
    ] {
        assert!(answers.contains(word), "no {word} among the refusals: {answers:?}");
    }
    follows(&replica, &server);
}

/// Changes, and what each announces of every pool that it names.
const CHANGES: &[(&str, &[&str])] = &[
    ("STOCK.RESERVE k fresh 3 FOR user x", &["reserve"]),
    ("STOCK.AMEND k fresh 4", &["amend"]),
    ("STOCK.SPLIT k fresh part 1", &["amend", "reserve"]),
    ("STOCK.RESERVE k fresh2 1 REPLACES part FOR user x", &["release", "reserve"]),
    ("STOCK.RESERVE k fresh3 1 REPLACES unknown FOR user x", &["reserve"]),
    ("STOCK.EXTEND k fresh EX 5000", &["extend"]),
    ("STOCK.CONFIRM k fresh QTY 2", &["confirm"]),
    ("STOCK.RETURN k fresh QTY 1 TOKEN t", &["return"]),
    ("STOCK.RETURN k fresh", &["return"]),
    ("STOCK.RESERVEBATCH k DIMS 1 user ORDERS 3 paid 2 w many 1 y held 5 u", &["reserve"]),
    ("STOCK.CONFIRMBATCH k ORDERS 3 paid many unknown", &["confirm"]),
    ("STOCK.RELEASE k held", &["release"]),
    ("STOCK.RELEASE k unknown", &["cancel"]),
    ("STOCK.CONFIRM k later QTY 1 LATE SINCE 5 FOR user x", &["late"]),
    ("STOCK.RETURN k vouched QTY 1 TOKEN t LATE", &["return"]),
    ("STOCK.SET k 50", &["set"]),
    ("STOCK.SET k 50", &["set"]),
    ("STOCK.ADD k 1 TOKEN more", &["add"]),
    ("STOCK.RECONCILE k 60", &["reconcile"]),
    ("STOCK.SHIFT k TO peer 1", &["shift"]),
    ("STOCK.SUSPEND k", &["suspend"]),
    ("STOCK.RESUME k", &["resume"]),
    ("STOCK.SCHEDULE k UNTIL 4102444800000", &["policy"]),
    ("STOCK.SCHEDULE k FROM 4102444700000", &["policy"]),
    ("STOCK.SCHEDULE k FROM NONE", &["policy", "open"]),
    ("STOCK.SCHEDULE k UNTIL 5", &["policy", "ended"]),
    ("STOCK.SCHEDULE k UNTIL NONE", &["policy", "open"]),
    ("STOCK.LIMIT k user 9", &["policy"]),
    ("STOCK.UNLIMIT k user", &["policy"]),
    ("STOCK.SETPOLICY k {\"safety\":1}", &["policy"]),
    ("STOCK.TRANSFER k a 1 TOKEN gone", &["transfer"]),
    ("STOCK.MRESERVE fresh 2 a capped QTY 1 1 FOR user x", &["reserve"]),
    ("STOCK.MEXTEND fresh 2 a capped EX 5000", &["extend"]),
    ("STOCK.MCONFIRM fresh 2 a capped", &["confirm"]),
    ("STOCK.MRETURN fresh 2 a capped", &["return"]),
    ("STOCK.MRELEASE never 2 a capped", &["cancel"]),
    ("STOCK.MRESERVE more 2 a capped QTY 1 1 FOR user x", &["reserve"]),
    ("STOCK.MRELEASE more 2 a capped", &["release"]),
];

/// A change does leave all these traces in each of its pools, so the test above is not blind. It is
/// one effect, and says the same again nothing.
#[test]
fn a_change_leaves_its_traces() {
    let (server, replica) = setting();
    let mut events = Events::listen(&server, "Ed");
    let (mut c, mut watcher) = (server.client(), server.client());
    let effects = || log_of(&server).iter().filter(|call| call[0].starts_with(b"STOCK")).count();
    for (line, expected) in CHANGES {
        let keys: Vec<String> = c.say(&format!("COMMAND GETKEYS {line}")).items().iter().map(Value::text).collect();
        let held: Vec<String> = keys.iter().map(|key| c.digest(key)).collect();
        let ((_, aof, offset), before) = (trace(&server, &mut c), effects());
        events.take(&server);
        let survived = watcher.watch_survives(&keys.join(" "), || {
            let answer = c.say(line);
            assert!(!answer.is_error(), "{line}: {answer}");
        });
        assert!(!survived, "{line} did not touch a WATCH");
        let (_, aof_after, offset_after) = trace(&server, &mut c);
        for (key, before) in keys.iter().zip(&held) {
            assert_ne!(&c.digest(key), before, "{line}: the same digest of {key}");
        }
        assert!(aof_after > aof, "{line}: nothing in the AOF");
        assert!(offset_after > offset, "{line}: nothing for the replicas");
        assert_eq!(effects() - before, 1, "{line}: one effect");
        let mut announced = events.take(&server);
        let mut expected: Vec<String> =
            keys.iter().flat_map(|key| expected.iter().map(move |event| format!("stock.{event} {key}"))).collect();
        announced.sort();
        expected.sort();
        assert_eq!(announced, expected, "{line}");
    }
    follows(&replica, &server);
}

/// Due holds come back before the call is decided: that is a change of its own, one for all pools,
/// also when the call is refused.
#[test]
fn due_holds_are_a_change_of_their_own() {
    let (server, replica) = setting();
    let mut events = Events::listen(&server, "Ed");
    let (mut c, mut watcher) = (server.client(), server.client());
    c.pause_background();
    for (line, pools) in [
        ("STOCK.RESERVE a new 100", &["a"][..]),
        ("STOCK.RESERVE a held 2", &["a"]),
        ("STOCK.CONFIRM a unknown", &["a"]),
        ("STOCK.MRESERVE new 2 a b QTY 100 1", &["a", "b"]),
        ("STOCK.MCONFIRM new 2 a b", &["a", "b"]),
        ("STOCK.MRETURN new 3 a b no", &["a", "b"]),
    ] {
        c.script(
            "DEL a b => *
             STOCK.SET a 10
             STOCK.SET b 10
             STOCK.RESERVE a held 1 => [OK, *]",
        );
        let due = c.expect("STOCK.MRESERVE due 2 a b QTY 3 4 PX 20", "[OK, *]").items()[1].int();
        pass(due);
        events.take(&server);
        let before = trace(&server, &mut c);
        // Errors of syntax, bounds and type come before and touch nothing.
        c.script(
            "STOCK.RESERVE a new 0 => -ERR *
             STOCK.RESERVE a new => -ERR *
             STOCK.MRESERVE new 2 a b QTY 0 1 => -ERR *
             STOCK.MRESERVE new 3 a b b QTY 1 1 => -ERR *",
        );
        assert_eq!(trace(&server, &mut c), before);
        assert_eq!(events.take(&server), [""; 0]);
        let survived = watcher.watch_survives("a", || {
            c.say(line);
        });
        assert!(!survived, "{line}");
        assert_ne!(trace(&server, &mut c), before, "{line}");
        let expired: Vec<String> = pools.iter().map(|pool| format!("stock.expire {pool}")).collect();
        assert_eq!(events.take(&server), expired, "{line}");
        let after = trace(&server, &mut c);
        c.say(line);
        assert_eq!(trace(&server, &mut c), after, "{line} once more");
        pools.iter().for_each(|pool| c.verify(pool));
    }
    follows(&replica, &server);
    let held = digests(&mut c, &KEYS);
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(digests(&mut c, &KEYS), held, "from the log");
}
