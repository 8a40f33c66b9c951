//! Event streams: one entry per change, in the same step, the same on every side.

use std::collections::BTreeMap;

use testkit::entry::told;
use testkit::{now_ms, pass, stock_info, Client, Server};

use super::history::kept;

/// One entry as text: `type=reserved seq=2 …`, without what differs from run to run.
fn entries(c: &mut Client, stream: &str) -> Vec<String> {
    let told = |(name, _): &(String, String)| !["at", "epoch", "pool", "db"].contains(&name.as_str());
    let entry = |pairs: Vec<(String, String)>| {
        let told = pairs.into_iter().filter(told);
        told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    pairs(c, stream).into_iter().map(entry).collect()
}

fn fields(c: &mut Client, stream: &str) -> Vec<BTreeMap<String, String>> {
    pairs(c, stream).into_iter().map(|pairs| pairs.into_iter().collect()).collect()
}

/// The fields of all entries, in order, also of packed ones.
fn pairs(c: &mut Client, stream: &str) -> Vec<Vec<(String, String)>> {
    let answer = c.call(&["XRANGE", stream, "-", "+"]);
    answer.items().iter().map(|entry| testkit::entry::fields(&entry.items()[1])).collect()
}

/// Ids and fields: what two servers must agree on.
fn whole(c: &mut Client, stream: &str) -> String {
    c.call(&["XRANGE", stream, "-", "+"]).to_string()
}

const STORY: &str = r#"STOCK.SET k 20
    STOCK.SETPOLICY k {"events":"ev","alert":5,"limits":[{"by":["user"],"max":50,"missing":"allow"}]}
    STOCK.RESERVE k a 3 FOR user u region bj
    STOCK.AMEND k a 4
    STOCK.EXTEND k a EX 5000
    STOCK.CONFIRM k a QTY 2
    STOCK.RETURN k a QTY 1 TOKEN t NORESTOCK
    STOCK.RETURN k a
    STOCK.RESERVE k b 14
    STOCK.RELEASE k b
    STOCK.RELEASE k never
    STOCK.CONFIRM k late QTY 19 LATE SINCE 5 FOR user v
    STOCK.ADD k 2 TOKEN d
    STOCK.RECONCILE k 5
    STOCK.LIMIT k region 5 MISSING ALLOW
    STOCK.SUSPEND k
    STOCK.RESUME k
    STOCK.SET k UNLIMITED
    STOCK.RESERVE k c 2"#;

#[test]
fn each_change_is_one_entry() {
    one_entry_for_each_change(STORY, "events");
}

/// A pool that is made with its policy publishes as one that gets it by the next call.
#[test]
fn a_pool_that_is_made_with_its_policy_publishes_it() {
    let story = STORY.replacen("20\n    STOCK.SETPOLICY k ", "20 NX POLICY ", 1);
    assert!(story.starts_with("STOCK.SET k 20 NX POLICY {"), "{story}");
    one_entry_for_each_change(&story, "events");
}

/// In one field, with the same names, numbers and words.
#[test]
fn a_packed_entry_says_the_same() {
    let packed = STORY.replace(r#""events":"ev","#, r#""events":"ev","events_format":"packed","#);
    one_entry_for_each_change(&packed, "events,events_format");
}

/// `first_changes` is what the first policy of the story changes beside its alert and its limit.
fn one_entry_for_each_change(story: &str, first_changes: &str) {
    let (_server, mut c) = Server::start().with_client();
    c.play(story);
    let expected = [
        &format!(
            "type=policy seq=2 qty=0 available=20 reserved=0 on_hand=20 sold=0 out=0 \
             changed=alert,{first_changes},user/life/units"
        ),
        r#"type=reserved seq=3 order=a qty=3 available=17 reserved=3 on_hand=20 sold=0 out=0 for={"region":"bj","user":"u"}"#,
        "type=amended seq=4 order=a qty=4 available=16 reserved=4 on_hand=20 sold=0 out=0",
        "type=extended seq=5 order=a qty=4 available=16 reserved=4 on_hand=20 sold=0 out=0",
        "type=confirmed seq=6 order=a qty=2 available=18 reserved=0 on_hand=18 sold=2 out=2",
        "type=returned seq=7 order=a qty=1 available=18 reserved=0 on_hand=18 sold=1 out=2 token=t",
        "type=returned seq=8 order=a qty=1 available=19 reserved=0 on_hand=19 sold=0 out=1",
        "type=reserved seq=9 order=b qty=14 available=5 reserved=14 on_hand=19 sold=0 out=1 for={} edge=low",
        "type=released seq=10 order=b qty=14 available=19 reserved=0 on_hand=19 sold=0 out=1",
        "type=cancelled seq=11 order=never qty=0 available=19 reserved=0 on_hand=19 sold=0 out=1",
        r#"type=late seq=12 order=late qty=19 available=0 reserved=0 on_hand=0 sold=19 out=20 for={"user":"v"} edge=soldout"#,
        "type=added seq=13 qty=2 available=2 reserved=0 on_hand=2 sold=19 out=18 token=d edge=restocked",
        "type=reconciled seq=14 qty=3 available=5 reserved=0 on_hand=5 sold=19 out=18",
        "type=policy seq=15 qty=0 available=5 reserved=0 on_hand=5 sold=19 out=18 changed=region/life/units",
        "type=suspended seq=16 qty=0 available=5 reserved=0 on_hand=5 sold=19 out=18",
        "type=resumed seq=17 qty=0 available=5 reserved=0 on_hand=5 sold=19 out=18",
        "type=set seq=18 qty=0 available=-1 reserved=0 on_hand= sold=19 out=18",
        "type=reserved seq=19 order=c qty=2 available=-1 reserved=2 on_hand= sold=19 out=18 for={}",
    ];
    assert_eq!(entries(&mut c, "ev"), expected);
    let about = fields(&mut c, "ev");
    let epoch = c.get("k", "epoch");
    for entry in &about {
        assert_eq!((entry["pool"].as_str(), entry["db"].as_str()), ("k", "0"));
        assert_eq!(entry["epoch"].trim_matches('"'), epoch.trim_matches('"'));
        let at: i64 = entry["at"].parse().expect("a time");
        assert!((now_ms() - 60_000..=now_ms()).contains(&at));
    }
    assert_eq!(stock_info(&mut c, "events_published"), expected.len() as i64);
    assert_eq!(stock_info(&mut c, "events_dropped"), 0);
    c.verify("k");
}

/// Who and why, in the entry of the change and in no other one; what a change of policy changed.
/// The same on a replica and from the log.
#[test]
fn notes_and_what_a_policy_changes() {
    let (mut primary, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "{k}ev"]).with_client();
    let replica = Server::replica_of(&primary, &[]);
    c.pause_background();
    c.play(
        r#"STOCK.SET {k} 20 NOTE opening
        STOCK.RESERVE {k} due 1 PX 1
        STOCK.SET {k}2 0"#,
    );
    pass(now_ms() + 5);
    c.play(
        r#"STOCK.ADD {k} 5 NOTE kim TOKEN d1
        STOCK.ADD {k} 5 TOKEN d1 NOTE again
        STOCK.TRANSFER {k} {k}2 2 NOTE truck TOKEN m1
        STOCK.RECONCILE {k} 30 NOTE counted
        STOCK.RECONCILE {k} 30 NOTE nothing
        STOCK.SUSPEND {k} NOTE fire
        STOCK.SUSPEND {k} NOTE fire
        STOCK.RESUME {k} NOTE out
        STOCK.LIMIT {k} user 2 PER DAY NOTE FOR FOR vip
        STOCK.LIMIT {k} user 3 PER DAY NOTE more
        STOCK.SETPOLICY {k} {"safety":1,"limits":[{"by":["user"],"max":3,"per":"day"},{"by":["store"]}]} NOTE two
        STOCK.SETPOLICY {k} {"safety":1,"limits":[{"by":["store"]},{"by":["user"],"max":3,"per":"day"}]}
        STOCK.SCHEDULE {k} UNTIL 5 NOTE over
        STOCK.UNLIMIT {k} store NOTE gone
        STOCK.UNLIMIT {k} store NOTE gone
        STOCK.SETPOLICY {k} {}"#,
    );
    assert_eq!(
        told(&mut c, "{k}ev", &["type", "changed", "note"]),
        [
            "set - opening",
            "reserved - -",
            "set - -",
            "expired - -",
            "added - kim",
            "transferred - truck",
            "transferred - truck",
            "reconciled - counted",
            "suspended - fire",
            "resumed - out",
            "policy user/day/units FOR",
            "policy user/day/units more",
            "policy safety,user/day/units,store/life/units two",
            "policy limits -",
            "policy until over",
            "ended - -",
            "policy store/life/units gone",
            "policy safety,until,user/day/units -",
            "opened - -",
        ]
    );
    c.script(
        "STOCK.ADD {k} 5 NOTE => -ERR syntax error
         STOCK.SUSPEND {k} WHY x => -ERR syntax error
         STOCK.SUSPEND {k} NOTE a NOTE b => -ERR syntax error",
    );
    assert_eq!(c.call(&["STOCK.RESUME", "{k}", "NOTE", ""]).to_string(), "-ERR invalid note: 1 to 128 bytes");
    c.expect(&format!("STOCK.SET {{k}} 5 NOTE {}", "n".repeat(129)), "-ERR invalid note: 1 to 128 bytes");
    c.expect(&format!("STOCK.SET {{k}} 5 NOTE {}", "n".repeat(128)), "OK");
    // Published nowhere, a note is kept nowhere.
    let before = primary.offset();
    c.expect("STOCK.SETPOLICY {k} {\"events\":\"\"} NOTE quiet", "OK");
    c.expect(&format!("STOCK.SUSPEND {{k}} NOTE {}", "n".repeat(128)), "OK");
    assert!(primary.offset() - before < 300, "{} bytes", primary.offset() - before);
    c.resume_background();
    kept(&mut primary, &replica, &["{k}", "{k}2", "{k}ev"]);
}

/// The format changes with a policy, from its own entry on; on a replica, from the log and after a
/// load as on the primary, also where a hold expires in the call that changes it. Any bytes can be
/// read back.
#[test]
fn the_format_changes_with_the_policy() {
    let (mut server, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "ev"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    c.pause_background();
    c.script(
        "STOCK.SET k 9
         STOCK.RESERVE k due 1 PX 20 => [OK, *]",
    );
    pass(now_ms() + 21);
    let packed = r#"STOCK.SETPOLICY k {"events_format":"packed"}"#;
    c.play(packed);
    assert!(c.say("STOCK.POLICY k").text().contains(r#""events_format":"packed""#));
    let id: &[u8] = b"\xff\"\n";
    let reserve: [&[u8]; 7] = [b"STOCK.RESERVE", b"k", id, b"1", b"FOR", b"user", id];
    assert!(!c.call(&reserve).is_error());
    c.play(r#"STOCK.SETPOLICY k {"events_format":"fields"}"#);
    c.expect("STOCK.RESERVE k plain 1", "[OK, *]");
    let shapes: Vec<usize> =
        c.say("XRANGE ev - +").items().iter().map(|entry| entry.items()[1].items().len()).collect();
    assert_eq!(shapes.iter().map(|len| *len == 2).collect::<Vec<_>>(), [false, false, false, true, true, false, false]);
    assert_eq!(
        told(&mut c, "ev", &["type"]),
        ["set", "reserved", "expired", "policy", "reserved", "policy", "reserved"]
    );
    let odd = fields(&mut c, "ev").remove(4);
    assert_eq!(odd["order"], r#"{"base64":"/yIK"}"#);
    assert_eq!(odd["for"], r#"{"user":{"base64":"/yIK"}}"#);
    c.play(packed);
    // No change, no entry.
    let before = (whole(&mut c, "ev"), server.aof_bytes());
    c.play(packed);
    assert_eq!((whole(&mut c, "ev"), server.aof_bytes()), before);
    let digest = c.digest("k");
    c.resume_background();
    kept(&mut server, &replica, &["k", "ev"]);
    let mut c = server.client();
    assert!(c.say("STOCK.POLICY k").text().contains(r#""events_format":"packed""#));
    c.expect("COPY k k2", "1");
    assert_eq!(c.digest("k2"), digest, "a copy keeps the format");
    // The digest sees the format alone.
    c.play(
        r#"STOCK.SET one 1
        STOCK.SETPOLICY one {"events":""}"#,
    );
    let dump = c.digest("one");
    c.play(r#"STOCK.SETPOLICY one {"events":"","events_format":"packed"}"#);
    assert_ne!(c.digest("one"), dump);
    c.verify("k");
}

/// Due holds are told of one by one, then what the call did; a call that is then refused has told
/// of them all the same.
#[test]
fn due_holds_are_told_of() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    c.play(
        r#"STOCK.SET k 2
        STOCK.SETPOLICY k {"events":"ev"}
        STOCK.RESERVE k a 1 PX 20
        STOCK.RESERVE k b 1 PX 25"#,
    );
    pass(now_ms() + 40);
    c.expect("STOCK.RESERVE k c 5", "[SOLDOUT, k, 2]");
    let told = entries(&mut c, "ev");
    assert_eq!(
        told[3..],
        [
            "type=expired seq=5 order=a qty=1 available=1 reserved=1 on_hand=2 sold=0 out=0 edge=restocked",
            "type=expired seq=6 order=b qty=1 available=2 reserved=0 on_hand=2 sold=0 out=0",
        ]
    );
    // LATE of the one that came back: its attributes are those that limits count.
    c.expect("STOCK.CONFIRM k a LATE", "[OK, 1, 1]");
    let last = "type=late seq=7 order=a qty=1 available=1 reserved=0 on_hand=1 sold=1 out=1 for={}";
    assert_eq!(entries(&mut c, "ev")[5], last);
}

/// The same entries with the same ids on a replica, after both kinds of append-only file, and after
/// an RDB file.
#[test]
fn every_side_has_the_same_stream() {
    for preamble in ["yes", "no"] {
        let primary = Server::on_port(&["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
        let (replica, mut r) = Server::replica_of(&primary, &[]).with_client();
        let mut c = primary.client();
        c.play(STORY);
        c.play(
            r#"STOCK.SET {k}2 100
            STOCK.SETPOLICY {k}2 {"events":"ev"}
            STOCK.SET {k}3 100
            STOCK.SETPOLICY {k}3 {"events":"ev"}
            CONFIG SET stock.events server-wide
            STOCK.SET other 10
            STOCK.RESERVE other o 1"#,
        );
        c.pause_background();
        for n in 0..20 {
            c.expect(&format!("STOCK.MRESERVE cart{n} 3 k {{k}}2 {{k}}3 QTY 1 2 3 PX {}", 10 + n), "[OK, *]");
        }
        pass(now_ms() + 50);
        // Due holds of three pools, then the cart: entries of the pools alternate in one stream.
        c.expect("STOCK.MRESERVE last 3 {k}3 k {k}2 QTY 1 1 1", "[OK, *]");
        c.resume_background();
        replica.catch_up(&primary);
        let (told, wide) = (whole(&mut c, "ev"), whole(&mut c, "server-wide"));
        assert_eq!(c.call(&["XLEN", "ev"]).int(), 18 + 2 + 60 + 60 + 3);
        assert_eq!(c.call(&["XLEN", "server-wide"]).int(), 2);
        assert_eq!(whole(&mut r, "ev"), told);
        assert_eq!(whole(&mut r, "server-wide"), wide);
        assert_eq!(stock_info(&mut r, "divergences"), 0);
        for key in ["k", "{k}2", "{k}3", "other", "ev"] {
            assert_eq!(r.digest(key), c.digest(key), "{key}");
        }
        let digests = |c: &mut Client| ["k", "ev", "server-wide"].map(|key| c.digest(key));
        let before = digests(&mut c);
        for line in ["DEBUG LOADAOF", "a rewrite", "DEBUG LOADAOF", "DEBUG RELOAD"] {
            match line {
                "a rewrite" => c.rewrite_aof(),
                line => drop(c.expect(line, "OK")),
            }
            assert_eq!(digests(&mut c), before, "{preamble}: {line}");
            assert_eq!(whole(&mut c, "ev"), told, "{preamble}: {line}");
        }
        assert_eq!(stock_info(&mut c, "divergences"), 0);
    }
}

/// A new history is told of by its epoch, and seq goes on.
#[test]
fn a_load_begins_a_new_epoch() {
    let (_server, mut c) = Server::start().with_client();
    c.play(
        r#"STOCK.SET k 9
        STOCK.SETPOLICY k {"events":"ev"}
        STOCK.RESERVE k a 1"#,
    );
    c.expect("DEBUG RELOAD", "OK");
    c.expect("STOCK.RESERVE k b 1", "[OK, *]");
    let told = fields(&mut c, "ev");
    assert_eq!(told.iter().map(|entry| entry["seq"].as_str()).collect::<Vec<_>>(), ["2", "3", "4"]);
    assert_eq!(told[0]["epoch"], told[1]["epoch"]);
    assert_ne!(told[1]["epoch"], told[2]["epoch"]);
}

/// A stream that takes no entry never fails the sale: the gap in seq shows it, and the replica has
/// the same gap.
#[test]
fn a_stream_that_takes_nothing() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &[]).with_client();
    c.play(
        r#"STOCK.SET k 9
        STOCK.SETPOLICY k {"events":"ev"}
        STOCK.RESERVE k a 1
        DEL ev
        SET ev text"#,
    );
    c.expect("STOCK.RESERVE k b 1", "[OK, 1, 7, *]");
    c.expect("STOCK.CONFIRM k a", "[OK, 1, 1]");
    assert_eq!(stock_info(&mut c, "events_dropped"), 2);
    c.expect("GET ev", "text");
    c.expect("DEL ev", "1");
    c.expect("STOCK.CONFIRM k b", "[OK, 1, 2]");
    let told = entries(&mut c, "ev");
    assert_eq!(told, ["type=confirmed seq=6 order=b qty=1 available=7 reserved=0 on_hand=7 sold=2 out=2"]);
    // The last id that there is: nothing more can follow.
    c.expect("XADD ev 18446744073709551615-18446744073709551615 a b", "18446744073709551615-18446744073709551615");
    c.expect("STOCK.RELEASE k none", "[NOORDER, k]");
    assert_eq!(stock_info(&mut c, "events_dropped"), 3);
    replica.catch_up(&primary);
    assert_eq!(whole(&mut r, "ev"), whole(&mut c, "ev"));
    assert_eq!(r.digest("k"), c.digest("k"));
    assert_eq!((stock_info(&mut r, "divergences"), stock_info(&mut r, "events_dropped")), (0, 0));
    assert!(primary.log().contains("events so far were dropped"));
    c.verify("k");
}

/// A replica whose stream is another one counts it and goes on.
#[test]
fn a_replica_with_another_stream() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &["--replica-read-only", "no"]).with_client();
    c.play(
        r#"STOCK.SET k 9
        STOCK.SETPOLICY k {"events":"ev"}"#,
    );
    replica.catch_up(&primary);
    r.expect("CONFIG SET replica-read-only no", "OK");
    r.expect("XADD ev 9999999999999-0 a b", "9999999999999-0");
    c.expect("STOCK.RESERVE k a 1", "[OK, *]");
    replica.catch_up(&primary);
    assert_eq!((stock_info(&mut r, "divergences"), stock_info(&mut r, "events_dropped")), (1, 1));
    assert_eq!(r.digest("k"), c.digest("k"));
}

#[test]
fn who_tells_where() {
    let (_server, mut c) = Server::start().with_client();
    c.play(
        r#"CONFIG SET stock.events all
        STOCK.SET own 5
        STOCK.SETPOLICY own {"events":"mine"}
        STOCK.SET silent 5
        STOCK.SETPOLICY silent {"events":""}
        STOCK.SET plain 5"#,
    );
    assert_eq!(c.get("silent", "events"), "\"\"");
    assert_eq!(c.get("plain", "events"), "nil");
    assert!(c.say("STOCK.POLICY silent").text().contains(r#""events":"""#));
    for key in ["own", "silent", "plain"] {
        c.expect(&format!("STOCK.RESERVE {key} o 1"), "[OK, *]");
    }
    let pools = |c: &mut Client, stream: &str| told(c, stream, &["pool", "type"]);
    assert_eq!(pools(&mut c, "mine"), ["own policy", "own reserved"]);
    assert_eq!(pools(&mut c, "all"), ["own set", "silent set", "plain set", "plain reserved"]);
    // A copy tells nobody where its original did; a renamed pool tells under its new name.
    c.expect("COPY own twin", "1");
    assert_eq!(c.get("twin", "events"), "\"\"");
    c.expect("STOCK.RESERVE twin p 1", "[OK, *]");
    c.expect("RENAME plain renamed", "OK");
    c.expect("STOCK.RESERVE renamed p 1", "[OK, *]");
    assert_eq!(pools(&mut c, "mine").len(), 2);
    assert_eq!(pools(&mut c, "all")[4..], ["renamed reserved"]);
    // In another database the stream is that database's.
    c.expect("MOVE renamed 3", "1");
    c.expect("SELECT 3", "OK");
    c.expect("STOCK.RELEASE renamed p", "[OK, *]");
    let told = fields(&mut c, "all");
    assert_eq!((told.len(), told[0]["db"].as_str()), (1, "3"));
    c.expect("CONFIG SET stock.events \"\"", "OK");
    c.expect("STOCK.RELEASE renamed o", "[OK, *]");
    assert_eq!(fields(&mut c, "all").len(), 1);
}

/// The bound keeps about so many entries, and a replica exactly as many as the primary.
#[test]
fn streams_are_trimmed() {
    let (primary, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &["--stream-node-max-entries", "7"]).with_client();
    c.play(
        r#"CONFIG SET stock.events-maxlen 300
        STOCK.SET k 100000
        STOCK.SETPOLICY k {"events":"ev"}"#,
    );
    let mut most = 0;
    for n in 0..2_000 {
        c.expect(&format!("STOCK.RESERVE k o{n} 1"), "[OK, *]");
        most = most.max(c.call(&["XLEN", "ev"]).int());
    }
    assert!((300..=440).contains(&most), "{most}");
    replica.catch_up(&primary);
    let told = whole(&mut c, "ev");
    assert_eq!(whole(&mut r, "ev"), told);
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(whole(&mut c, "ev"), told);
    assert_eq!((stock_info(&mut r, "divergences"), stock_info(&mut c, "divergences")), (0, 0));
}

/// To let a pool tell of its changes in a stream one must be allowed to write to it.
#[test]
fn the_stream_needs_a_permission() {
    let (server, mut c) = Server::start().with_client();
    c.play(
        "STOCK.SET sku:1 5
        ACL SETUSER shop on >x ~sku:* ~mine +@all
        ACL SETUSER writer on >x ~sku:* ~mine +stock.setpolicy +stock.reserve
        ACL SETUSER reader on >x ~sku:* %R~mine +stock.setpolicy
        ACL SETUSER split on >x ~sku:* +@all (~theirs +get)",
    );
    let before = c.digest("sku:1");
    let policy = |stream: &str| format!(r#"STOCK.SETPOLICY sku:1 {{"events":"{stream}"}}"#);
    for (user, stream, answer) in
        // Command and key must be allowed together: `split` may do all, and touch `theirs`, but not
        // both.
        [("shop", "theirs"), ("reader", "mine"), ("writer", "theirs"), ("split", "theirs")]
                .map(|(u, s)| (u, s, "-NOPERM*"))
    {
        let mut user_client = server.client();
        user_client.expect(&format!("AUTH {user} x"), "OK");
        user_client.expect(&policy(stream), answer);
        assert_eq!(c.digest("sku:1"), before, "{user} {stream}");
    }
    let mut shop = server.client();
    shop.expect("AUTH shop x", "OK");
    // Through a script and a transaction it is the same user.
    let script = r#"return redis.call('STOCK.SETPOLICY', KEYS[1], '{"events":"theirs"}')"#;
    assert!(shop.call(&["EVAL", script, "1", "sku:1"]).to_string().contains("NOPERM"));
    assert_eq!(c.digest("sku:1"), before);
    for user in ["shop", "writer"] {
        let mut user_client = server.client();
        user_client.expect(&format!("AUTH {user} x"), "OK");
        user_client.expect(&policy("mine"), "OK");
        user_client.expect(&format!("STOCK.RESERVE sku:1 {user} 1"), "[OK, *]");
    }
    assert_eq!(entries(&mut c, "mine").len(), 3);
    // Who may do what he does is not written down as one who may not.
    c.expect("ACL LOG RESET", "OK");
    let mut writer = server.client();
    writer.expect("AUTH writer x", "OK");
    writer.expect(&policy("mine"), "OK");
    c.expect("ACL LOG", "[]");
    // What the key holds is looked at when the policy is set.
    c.expect("SET text x", "OK");
    c.expect(&policy("text"), "-WRONGTYPE*");
    c.expect(&policy("sku:1"), "-WRONGTYPE*");
    c.expect(&policy(&"x".repeat(513)), "-ERR*");
}

/// Readers that wait are served in the moment of the sale; WATCH on the stream sees it; so do
/// keyspace notifications.
#[test]
fn the_stream_is_an_ordinary_one() {
    let (server, mut c) = Server::start().with_client();
    c.play(
        r#"STOCK.SET k 5
        STOCK.SETPOLICY k {"events":"ev"}
        XGROUP CREATE ev workers $
        XGROUP CREATECONSUMER ev workers w1"#,
    );
    let mut worker = server.client();
    worker.send(&["XREADGROUP", "GROUP", "workers", "w1", "BLOCK", "20000", "STREAMS", "ev", ">"]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut events = testkit::Events::listen(&server, "Etd");
    assert!(!c.watch_survives("ev", || {
        server.client().expect("STOCK.RESERVE k a 1 FOR user u", "[OK, *]");
    }));
    assert!(worker.read().to_string().contains("reserved"));
    assert_eq!(events.take(&server), ["xadd ev", "stock.reserve k"]);
    // A first entry makes the stream for a reader that waits for the key.
    c.expect("DEL ev", "1");
    worker.send(&["XREAD", "BLOCK", "20000", "STREAMS", "ev", "$"]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    c.expect("STOCK.CONFIRM k a", "[OK, *]");
    assert!(worker.read().to_string().contains("confirmed"));
}

#[test]
fn transactions_and_scripts_tell_in_order() {
    let (_server, mut c) = Server::start().with_client();
    c.play(
        r#"STOCK.SET k 5
        STOCK.SETPOLICY k {"events":"ev"}"#,
    );
    c.transaction(&["STOCK.RESERVE k a 1", "STOCK.CONFIRM k a", "STOCK.RESERVE k b 1"]);
    c.call(&[
        "EVAL",
        "redis.call('STOCK.RESERVE', KEYS[1], 'c', 1) return redis.call('STOCK.RELEASE', KEYS[1], 'b')",
        "1",
        "k",
    ]);
    assert_eq!(
        told(&mut c, "ev", &["seq", "type"]),
        ["2 policy", "3 reserved", "4 confirmed", "5 reserved", "6 reserved", "7 released"]
    );
    // What carries any bytes is JSON all the same.
    c.call(&[&b"STOCK.RESERVE"[..], b"k", b"\xff\r\n", b"1", b"FOR", b"user", b"\xfe\"", b"region", b"a\"b\\"]);
    let last = fields(&mut c, "ev").pop().expect("an entry");
    assert_eq!(last["for"], r#"{"region":"a\"b\\","user":{"base64":"/iI="}}"#);
}

#[test]
fn parameters_of_the_server() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("CONFIG GET stock.events", "[stock.events, \"\"]");
    c.expect("CONFIG SET stock.events-maxlen -1", "-ERR*");
    let long = c.call(&["CONFIG", "SET", "stock.events", &"x".repeat(513)]).to_string();
    assert!(long.contains("512 bytes"), "{long}");
    c.expect("CONFIG GET stock.events", "[stock.events, \"\"]");
    c.expect("CONFIG SET stock.events feed", "OK");
    c.expect("CONFIG GET stock.events", "[stock.events, feed]");
    let log = Server::refuses(&["--cluster-enabled", "yes", "--stock.events", "feed"]);
    assert!(log.contains("hash slot of the pool"), "{log}");
}
