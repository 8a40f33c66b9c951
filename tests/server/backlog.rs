//! What INFO says of event streams: how many there are, the longest, and the longest backlog of a
//! group of readers.

use std::collections::HashMap;

use testkit::{info, wait_until, Client, Server};

/// The fields of event streams, without `stock_event_`.
fn figures(c: &mut Client) -> HashMap<String, String> {
    let fields = info(c, "stock").into_iter();
    fields.filter_map(|(name, value)| Some((name.strip_prefix("stock_event_")?.to_string(), value))).collect()
}

/// Waits until these fields say this; `expected` is `name=value`, a line for each.
#[track_caller]
fn shows(c: &mut Client, expected: &str) {
    let mut last = HashMap::new();
    let lines: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < 60 {
        last = figures(c);
        let fits = |line: &&str| {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            last.get(name).map(String::as_str) == Some(value)
        };
        if lines.iter().all(fits) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("expected\n{expected}\nINFO says {last:#?}");
}

#[test]
fn the_longest_stream_and_the_longest_backlog() {
    let (_server, mut c) = Server::with(&["--stock.events", "all"]).with_client();
    shows(
        &mut c,
        "streams=0
         streams_without_group=0
         streams_lag_unknown=0
         streams_limit_reached=0
         longest_stream_entries=0
         longest_stream_at=
         longest_lag_entries=0
         longest_lag_at=
         longest_pending_entries=0
         longest_pending_at=",
    );
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}
         STOCK.SET silent 10
         STOCK.SETPOLICY silent {"events":""}
         SELECT 3
         STOCK.SET b 5
         SELECT 0"#,
    );
    shows(
        &mut c,
        "streams=3
         streams_without_group=3
         longest_lag_entries=unknown
         longest_pending_entries=unknown",
    );
    c.script(
        "XGROUP CREATE ev mail 0
         XGROUP CREATE ev slow 0
         STOCK.RESERVE a o1 1 => [OK, *]
         STOCK.RESERVE a o2 1 => [OK, *]
         STOCK.RESERVE a o3 1 => [OK, *]
         XREADGROUP GROUP mail worker COUNT 2 STREAMS ev > => *",
    );
    shows(
        &mut c,
        "streams=3
         streams_without_group=2
         streams_lag_unknown=0
         longest_stream_entries=4
         longest_stream_at=db=0,stream=ev
         longest_lag_entries=4
         longest_lag_at=db=0,stream=ev,group=slow
         longest_pending_entries=2
         longest_pending_at=db=0,stream=ev,group=mail",
    );
    // After XDEL the server knows no lag of groups that have the gap before them.
    let third = c.say("XRANGE ev - + COUNT 3").items()[2].items()[0].text();
    c.expect(&format!("XDEL ev {third}"), "1");
    shows(
        &mut c,
        "streams_lag_unknown=1
         longest_lag_entries=unknown
         longest_lag_at=
         longest_pending_entries=2",
    );
    // What is gone, or is no stream any more, does not count.
    c.script(
        "DEL ev => 1
         SET ev text",
    );
    shows(
        &mut c,
        "streams=2
         longest_stream_entries=2
         longest_stream_at=db=0,stream=all
         longest_pending_entries=unknown",
    );
    c.expect("SWAPDB 3 7", "OK");
    c.expect("FLUSHDB", "OK");
    shows(
        &mut c,
        "streams=1
         longest_stream_at=db=7,stream=all",
    );
    c.expect("FLUSHALL", "OK");
    shows(&mut c, "streams=0");
}

/// Where entries were trimmed before a group had read them, Redis 7.0 and Valkey 9.1 report a lag
/// of a group that has read all there is.
#[test]
fn a_group_that_a_trim_overtook_has_no_lag_once_it_has_read_the_rest() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}
         XGROUP CREATE ev mail 0
         STOCK.RESERVE a o1 1 => [OK, *]
         STOCK.RESERVE a o2 1 => [OK, *]
         STOCK.RESERVE a o3 1 => [OK, *]
         STOCK.RESERVE a o4 1 => [OK, *]
         XREADGROUP GROUP mail worker COUNT 1 STREAMS ev > => *
         XTRIM ev MAXLEN 2 => 3"#,
    );
    shows(&mut c, "longest_lag_entries=2");
    c.expect("XREADGROUP GROUP mail worker STREAMS ev >", "*");
    shows(&mut c, "longest_lag_entries=0");
    c.expect("STOCK.RESERVE a o5 1", "[OK, *]");
    shows(&mut c, "longest_lag_entries=1");
    c.expect("XTRIM ev MAXLEN 0", "3");
    shows(
        &mut c,
        "longest_stream_entries=0
         longest_lag_entries=0",
    );
}

/// More than a hundred unread entries are not counted, but never more than there are.
#[test]
fn no_lag_is_longer_than_the_stream() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        r#"STOCK.SET a 1000
         STOCK.SETPOLICY a {"events":"ev"}
         XGROUP CREATE ev mail 0"#,
    );
    for order in 0..300 {
        c.expect(&format!("STOCK.RESERVE a o{order} 1"), "[OK, *]");
    }
    c.expect("XREADGROUP GROUP mail worker COUNT 1 STREAMS ev >", "*");
    c.expect("XTRIM ev MAXLEN 150", "151");
    shows(&mut c, "longest_lag_entries=150");
}

/// A name cannot write a field of its own.
#[test]
fn names_are_escaped() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET a 10", "OK");
    let policy = r#"{"events":"e\r\nstock_pools:99\n\"ü"}"#;
    assert_eq!(c.call(&["STOCK.SETPOLICY", "a", policy]).to_string(), "OK");
    let stream = "e\r\nstock_pools:99\n\"ü".as_bytes();
    assert_eq!(c.call(&[b"XGROUP", b"CREATE".as_slice(), stream, b"g\nstock_pools:98", b"0"]).to_string(), "OK");
    shows(
        &mut c,
        r#"longest_stream_at=db=0,stream=e\r\nstock_pools:99\n\"\xc3\xbc
           longest_lag_at=db=0,stream=e\r\nstock_pools:99\n\"\xc3\xbc,group=g\nstock_pools:98"#,
    );
    assert_eq!(info(&mut c, "stock")["stock_pools"], "1");
}

/// Looking changes nothing: no key, no file, no miss, no error. It counts as a call of XINFO and a
/// hit.
#[test]
fn looking_leaves_no_trace() {
    let (server, mut c) = Server::with(&["--appendonly", "yes", "--save", "3600 1"]).with_client();
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}
         STOCK.SET b 10
         STOCK.SETPOLICY b {"events":"unwritten"}
         STOCK.RESERVE a o1 1 => [OK, *]
         XGROUP CREATE ev mail 0
         CONFIG RESETSTAT"#,
    );
    shows(&mut c, "longest_lag_entries=2");
    let state = |c: &mut Client| {
        let digest = c.say("DEBUG DIGEST").text();
        let changes = info(c, "persistence")["rdb_changes_since_last_save"].clone();
        let misses = info(c, "stats")["keyspace_misses"].clone();
        let errors = info(c, "stats")["total_error_replies"].clone();
        (digest, changes, misses, errors)
    };
    let before = state(&mut c);
    assert_eq!(before.2, "0");
    let bytes = server.aof_bytes();
    let hits = |c: &mut Client| info(c, "stats")["keyspace_hits"].parse::<u64>().expect("a number");
    let seen = hits(&mut c);
    wait_until("two more looks", || hits(&mut c) >= seen + 2);
    assert_eq!(state(&mut c), before);
    assert_eq!(server.aof_bytes(), bytes);
}

/// The module looks, whoever may do what; and it only reads, also where nothing may be written.
#[test]
fn neither_users_nor_a_pause_are_in_its_way() {
    let (_server, mut c) = Server::on_port(&[]).with_client();
    c.pause_background();
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}
         STOCK.RESERVE a o1 1 PX 1 => [OK, *]
         XGROUP CREATE ev mail 0
         CONFIG SET min-replicas-to-write 2
         ACL SETUSER default -xinfo resetkeys %W~none
         CLIENT PAUSE 60000 WRITE"#,
    );
    assert_eq!(figures(&mut c)["streams"], "0");
    c.expect("XINFO GROUPS ev", "-NOPERM*");
    c.resume_background();
    shows(
        &mut c,
        "longest_stream_entries=2
         longest_lag_entries=2",
    );
    c.expect("CLIENT UNPAUSE", "OK");
}

/// A stream that has expired does not count.
#[test]
fn an_expired_stream_does_not_count() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}"#,
    );
    shows(&mut c, "streams=1");
    c.expect("PEXPIRE ev 1", "1");
    shows(&mut c, "streams=0");
}

#[test]
fn streams_are_known_after_a_restart_and_where_pools_arrive() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    c.script(
        r#"STOCK.SET a 10
         STOCK.SETPOLICY a {"events":"ev"}"#,
    );
    let payload = c.say("DUMP a").bytes().to_vec();
    server.restart("NOSAVE");
    shows(&mut server.client(), "streams=1");

    let (_other, mut c) = Server::start().with_client();
    c.expect("XADD ev * it 1", "*");
    assert_eq!(c.call(&[b"RESTORE".as_slice(), b"arrived", b"0", &payload]).to_string(), "OK");
    shows(&mut c, "longest_stream_entries=1");
}

/// A replica tells of what it has: the groups are replicated.
#[test]
fn a_replica_knows_as_much() {
    let (primary, mut c) = Server::on_port(&["--repl-diskless-sync-delay", "0"]).with_client();
    let (_replica, mut r) = Server::replica_of(&primary, &[]).with_client();
    // The pool is in the wake-up queue already when its policy names a stream.
    c.script(
        r#"STOCK.SET a 10
         STOCK.RESERVE a o1 1 => [OK, *]
         STOCK.SETPOLICY a {"events":"ev"}
         XGROUP CREATE ev mail 0
         XADD ev * foreign 1 => *"#,
    );
    for client in [&mut c, &mut r] {
        shows(
            client,
            "streams=1
             longest_lag_entries=2
             longest_lag_at=db=0,stream=ev,group=mail",
        );
    }
    assert_eq!(c.say("DEBUG DIGEST").text(), r.say("DEBUG DIGEST").text());
}

/// There is a limit on streams. Those that are gone make way.
#[test]
fn so_many_streams_are_looked_at_and_no_more() {
    let (_server, mut c) = Server::start().with_client();
    let calls = |n: usize| {
        let (pool, policy) = (format!("pool{n}"), format!(r#"{{"events":"ev{n}"}}"#));
        [vec!["STOCK.SET".into(), pool.clone(), "1".into()], vec!["STOCK.SETPOLICY".to_string(), pool, policy]]
    };
    let all: Vec<Vec<String>> = (0..1_005).flat_map(calls).collect();
    assert!(c.pipeline(&all).iter().all(|answer| answer.to_string() == "OK"));
    shows(
        &mut c,
        "streams=1000
         streams_limit_reached=1
         longest_stream_entries=1",
    );
    c.expect("DEL ev7", "1");
    shows(&mut c, "streams=999");
    c.expect(r#"STOCK.SETPOLICY pool1004 {"events":"ev1004","alert":3}"#, "OK");
    shows(&mut c, "streams=1000");
}
