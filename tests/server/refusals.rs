//! A refused call leaves no trace: no change of the value, no byte in the AOF or to the replicas,
//! no event, no disturbed WATCH.

use testkit::{now_ms, pass, stock_info, wait_until, Client, Events, Server, Value};

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
    "STOCK.RESERVE no new 1",
    "STOCK.RESERVE text new 1",
    "STOCK.RESERVE k new",
    "STOCK.RESERVE k new x",
    "STOCK.RESERVEBATCH k DIMS 1 user ORDERS 4 held 5 u released 1 u new 1000 u new 9 u",
    "STOCK.RESERVEBATCH k PXAT 5 DIMS 1 user ORDERS 2 new 9 v held 6 u",
    "STOCK.RESERVEBATCH k ORDERS 2 new 1 new 1",
    "STOCK.RESERVEBATCH k ORDERS 2 new 1 new 0",
    "STOCK.RESERVEBATCH asleep ORDERS 1 new 1",
    "STOCK.RESERVEBATCH no ORDERS 2 new 1 new2 1",
    "STOCK.RESERVEBATCH text ORDERS 1 new 1",
    "STOCK.CONFIRMBATCH k ORDERS 4 paid expired released unknown",
    "STOCK.CONFIRMBATCH k ORDERS 2 held",
    "STOCK.CONFIRMBATCH no ORDERS 1 held",
    "STOCK.CONFIRM k paid",
    "STOCK.CONFIRM k paid QTY 3",
    "STOCK.CONFIRM k paid LATE",
    "STOCK.CONFIRM k expired",
    "STOCK.CONFIRM k expired QTY 50 LATE",
    "STOCK.CONFIRM k released",
    "STOCK.CONFIRM k unknown",
    "STOCK.CONFIRM k unknown QTY 1000 LATE SINCE 1",
    "STOCK.CONFIRM k held QTY 6",
    "STOCK.CONFIRM no held",
    "STOCK.RELEASE k released",
    "STOCK.RELEASE k paid",
    "STOCK.RELEASE k returned",
    "STOCK.RELEASE no held",
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
];

fn setting(server: &Server) {
    let mut c = server.client();
    let before = now_ms();
    c.script(
        "SET text v
         STOCK.SET full 0
         STOCK.SET asleep 5
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
         STOCK.RESERVE k partly 2 FOR user w => [OK, *]
         STOCK.CONFIRM k partly => [OK, *]
         STOCK.RETURN k partly QTY 1 TOKEN t => [OK, *]",
    );
    // The due hold comes back before the test begins, so that no refused call is the one that
    // returns it.
    pass(now_ms().max(before) + 11);
    c.say("STOCK.SWEEP k");
    c.expect("STOCK.SWEEP k", "0");
    c.verify("k");
}

/// Everything that could show a trace.
fn trace(server: &Server) -> (String, u64, i64) {
    let mut c = server.client();
    let digests: Vec<String> =
        ["k", "full", "asleep", "early", "ended", "no", "text"].iter().map(|k| c.digest(k)).collect();
    (digests.join(" "), server.aof_bytes(), server.offset())
}

#[test]
fn no_trace_of_a_refused_call() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    setting(&server);
    let mut events = Events::listen(&server, "KEA");
    events.take(&server);
    let mut c = server.client();
    let mut watcher = server.client();
    for line in REFUSED {
        let before = trace(&server);
        let key = line.split(' ').nth(1).expect("a key");
        let survived = watcher.watch_survives(key, || {
            let answer = c.say(line);
            let refused = match &answer {
                Value::Array(items) if !line.contains("EXTEND") => items[0].to_string() != "OK",
                _ => true,
            };
            assert!(refused || line.contains("CHECK"), "{line} was not refused: {answer}");
        });
        assert!(survived, "{line} disturbed a WATCH");
        assert_eq!(trace(&server), before, "{line} left a trace");
        // The same in a transaction and in a script, where an empty MULTI would be a trace too.
        c.expect("MULTI", "OK");
        c.expect("PING", "QUEUED");
        // A wrong arity is refused here, and then the whole transaction.
        c.say(line);
        c.say("EXEC");
        assert_eq!(trace(&server), before, "{line} in a transaction left a trace");
        let words: Vec<&str> = line.split(' ').collect();
        let mut call = vec!["EVAL", "return redis.pcall(unpack(ARGV))", "1", words[1]];
        call.extend(&words);
        c.call(&call);
        assert_eq!(trace(&server), before, "{line} in a script left a trace");
        assert_eq!(events.take(&server), [""; 0], "{line} was announced");
    }
    replica.catch_up(&server);
    let mut r = replica.client();
    assert_eq!(r.digest("k"), c.digest("k"));
    r.verify("k");
}

/// A change does leave all these traces, so the test above is not blind.
#[test]
fn a_change_leaves_its_traces() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let _replica = Server::replica_of(&server, &[]);
    setting(&server);
    let mut events = Events::listen(&server, "KEA");
    let mut c = server.client();
    let mut watcher = server.client();
    for line in [
        "STOCK.RESERVE k fresh 1 FOR user x",
        "STOCK.AMEND k fresh 2",
        "STOCK.SPLIT k fresh part 1",
        "STOCK.EXTEND k fresh EX 5000",
        "STOCK.CONFIRM k fresh",
        "STOCK.RETURN k fresh",
        "STOCK.RESERVEBATCH k DIMS 1 user ORDERS 3 paid 2 w many 1 y held 5 u",
        "STOCK.CONFIRMBATCH k ORDERS 3 paid many unknown",
        "STOCK.RELEASE k held",
        "STOCK.RELEASE k unknown",
        "STOCK.SET k 50",
        "STOCK.ADD k 1",
        "STOCK.SUSPEND k",
        "STOCK.RESUME k",
        "STOCK.SCHEDULE k UNTIL 4102444800000",
        "STOCK.LIMIT k user 9",
        "STOCK.UNLIMIT k user",
        "STOCK.SETPOLICY k {\"safety\":1}",
    ] {
        let (digest, aof, offset) = trace(&server);
        let survived = watcher.watch_survives("k", || {
            let answer = c.say(line);
            assert!(!answer.is_error(), "{line}: {answer}");
        });
        assert!(!survived, "{line} did not touch a WATCH");
        let (digest_after, aof_after, offset_after) = trace(&server);
        assert_ne!(digest_after, digest, "{line}: the same digest");
        assert!(aof_after > aof, "{line}: nothing in the AOF");
        assert!(offset_after > offset, "{line}: nothing for the replicas");
        assert!(!events.take(&server).is_empty(), "{line}: not announced");
    }
}

/// Due holds come back before the call is decided: that is a change of its own, also when the call
/// is refused.
#[test]
fn due_holds_are_a_change_of_their_own() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    let mut watcher = server.client();
    c.pause_background();
    for line in ["STOCK.RESERVE k new 100", "STOCK.RESERVE k held 2", "STOCK.CONFIRM k unknown"] {
        c.script(
            "DEL k => *
             STOCK.SET k 10
             STOCK.RESERVE k held 1 => [OK, *]",
        );
        let due = c.expect("STOCK.RESERVE k due 3 PX 20", "[OK, *]").items()[3].int();
        pass(due);
        events.take(&server);
        let before = trace(&server);
        // Errors of syntax, bounds and type come before and touch nothing.
        c.expect("STOCK.RESERVE k new 0", "-ERR *");
        c.expect("STOCK.RESERVE k new", "-ERR *");
        assert_eq!(trace(&server), before);
        let survived = watcher.watch_survives("k", || {
            c.say(line);
        });
        assert!(!survived, "{line}");
        assert_ne!(trace(&server), before, "{line}");
        assert_eq!(events.take(&server), ["stock.expire k"], "{line}");
        let after = trace(&server);
        c.say(line);
        assert_eq!(trace(&server), after, "{line} once more");
        c.verify("k");
    }
    replica.catch_up(&server);
    assert_eq!(replica.client().digest("k"), c.digest("k"));
}

/// The answer of a key that is sold out and asked for often is kept as a whole
/// (`src/redis/kept_refusals.rs`). Nobody can tell, and it ends with what it says.
#[test]
fn an_answer_that_is_kept_is_the_one_that_was_written() {
    let server = Server::start();
    let (mut c, mut three) = (server.client(), server.client().resp3());
    c.expect("STOCK.SET k 1", "OK");
    c.expect("STOCK.RESERVE k first 1", "[OK, *]");
    let written = |c: &mut Client| {
        c.expect("STOCK.RESERVE k late 1", "[SOLDOUT, k, 0]");
        c.last_raw().to_vec()
    };
    let before = [written(&mut c), written(&mut three)];
    let made =
        |c: &mut Client| c.say("INFO commandstats").to_string().to_lowercase().contains("cmdstat_stock.check:calls=1,");
    assert!(!made(&mut c));
    let mut calls = 2;
    wait_until("the answer is kept", || {
        calls += 1;
        written(&mut c);
        made(&mut c)
    });
    assert_eq!([written(&mut c), written(&mut three)], before);
    assert_eq!(stock_info(&mut c, "replies_soldout"), calls + 2, "of calls, and of nothing else");
    // In a script, in a transaction, of another command, of another key and of another quantity.
    let script = "return redis.call('STOCK.RESERVE', 'k', 'late', '1')";
    assert_eq!(c.call(&["EVAL", script, "1", "k"]).to_string(), "[SOLDOUT, k, 0]");
    assert_eq!(c.transaction(&["STOCK.RESERVE k late 1"]).to_string(), "[[SOLDOUT, k, 0]]");
    c.expect("STOCK.CHECK k 1", "[SOLDOUT, k, 0]");
    c.expect("STOCK.SET l 1", "OK");
    c.expect("STOCK.RESERVE l late 2", "[SOLDOUT, l, 1]");
    c.expect("STOCK.RESERVE l late 1", "[OK, *]");
    c.expect("STOCK.RESERVE l later 1", "[SOLDOUT, l, 0]");
    // Units that come back are sold, whatever is kept.
    c.expect("STOCK.RELEASE k first", "[OK, *]");
    c.expect("STOCK.RESERVE k late 2", "[SOLDOUT, k, 1]");
    c.expect("STOCK.RESERVE k late 1", "[OK, *]");
    c.expect("STOCK.RESERVE k later 1", "[SOLDOUT, k, 0]");
    c.expect("DEL k", "1");
    c.expect("STOCK.RESERVE k later 1", "[NOPOOL, k]");
}
