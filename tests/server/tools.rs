//! The tools themselves work: what a server says is read as it is.

use testkit::args;
use testkit::{Events, Server, Value};

#[test]
fn replies_of_both_protocols() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("PING", "PONG");
    c.expect("GET nothing", "nil");
    assert_eq!(c.last_raw(), b"$-1\r\n");
    c.expect("SET k 5", "OK");
    c.expect("GET k", "\"5\"");
    c.expect("LPUSH k 1", "-WRONGTYPE *");
    c.call(&args!["HSET", "h", b"\xff\r\n", 5]);
    c.expect("HGETALL h", "[\\xff\\r\\n, \"5\"]");
    let mut c = c.resp3();
    c.expect("HGETALL h", "{\\xff\\r\\n: \"5\"}");
    c.expect("GET nothing", "nil");
    assert_eq!(c.last_raw(), b"_\r\n");
    c.expect("ZADD z 1.5 m", "1");
    c.expect("ZSCORE z m", "1.5d");
    assert_eq!(c.pipeline(&[args!["ECHO", 1], args!["ECHO", 2]])[1], Value::Bulk(b"2".to_vec()));
    c.expect_silence();
}

#[test]
fn watch_and_events() {
    let server = Server::start();
    let mut events = Events::listen(&server, "KEA");
    let mut c = server.client();
    let mut d = server.client();
    assert!(c.watch_survives("k", || {
        d.say("GET k");
    }));
    assert!(!c.watch_survives("k", || {
        d.say("SET k 1");
    }));
    assert_eq!(events.take(&server), ["set k"]);
}

#[test]
fn replicas_and_restarts() {
    let mut primary = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&primary, &[]);
    primary.client().expect("SET k 1", "OK");
    replica.catch_up(&primary);
    replica.client().expect("GET k", "\"1\"");
    assert!(primary.aof_bytes() > 0);
    primary.restart("NOSAVE");
    primary.client().expect("GET k", "\"1\"");
}

#[test]
fn the_work_of_a_server_is_seen() {
    let (server, mut c) = Server::start().with_client();
    let before = server.worked();
    c.call(&["EVAL", "local n = 0 for i = 1, 20000000 do n = n + i end return n", "0"]);
    let worked = server.worked() - before;
    assert!(worked.as_millis() >= 20, "{worked:?}");
}
