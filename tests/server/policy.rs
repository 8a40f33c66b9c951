//! SETPOLICY and POLICY: the whole policy of a pool as JSON, all or nothing.

use serde_json::{json, Value as Json};

use testkit::args;
use testkit::{Client, Server};

use super::history::kept;

fn policy(c: &mut Client, key: &str) -> Json {
    let text = c.call(&["STOCK.POLICY", key]).text();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn set(c: &mut Client, key: &str, policy: &Json) {
    let text = policy.to_string();
    let answer = c.call(&["STOCK.SETPOLICY", key, &text]);
    assert_eq!(answer.to_string(), "OK", "SETPOLICY {text}");
}

#[track_caller]
fn refused(c: &mut Client, key: &str, text: &[u8]) {
    let before = c.digest(key);
    let answer = c.call(&args!["STOCK.SETPOLICY", key, text]);
    let shown = String::from_utf8_lossy(text);
    assert!(answer.to_string().starts_with("-ERR "), "{shown}\n  answered {answer}");
    assert_eq!(c.digest(key), before, "a refused policy changed something: {shown}");
}

#[test]
fn every_field_comes_back() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 100", "OK");
    let full = json!({
        "hold": 60, "retain": 100, "retain_paid": 200, "safety": 5, "alert": 10, "events": "{k}events",
        "limits": [
            {"by": ["user"], "max": 2, "per": "day", "tz": "+08:00", "count": "units", "missing": "refuse",
             "overrides": [{"for": ["vip7"], "max": 10}, {"for": ["boss"], "max": "unlimited"}]},
            {"by": [], "max": 50, "per": 3600, "tz": "-03:30", "count": "orders", "missing": "allow",
             "overrides": []},
            {"by": ["group", "user"], "max": "unlimited", "per": "order", "tz": "+00:00", "count": "units",
             "missing": "allow", "overrides": [{"for": ["x", "*"], "max": 0}]},
        ],
    });
    set(&mut c, "k", &full);
    c.expect_pool("k", "hold_seconds=60 retain_seconds=100 retain_paid_seconds=200 safety=5 alert=10");
    c.expect_pool("k", "limits=3 available=95 events={k}events");
    let shown = policy(&mut c, "k");
    for field in ["hold", "retain", "retain_paid", "safety", "alert", "events"] {
        assert_eq!(shown[field], full[field], "{field}");
    }
    // What POLICY shows is accepted, and setting it again shows the same.
    set(&mut c, "k", &shown);
    assert_eq!(policy(&mut c, "k"), shown);
    set(&mut c, "k", &full);
    assert_eq!(policy(&mut c, "k"), shown);
    c.verify("k");
    for (i, limit) in full["limits"].as_array().expect("limits").iter().enumerate() {
        let got = &shown["limits"][i];
        for field in ["by", "max", "tz", "count", "missing"] {
            let default = json!(if field == "max" { "unlimited" } else { "" });
            let found = got.get(field).unwrap_or(&default);
            assert_eq!(found, &limit[field], "{field} of limit {i}");
        }
        let rest = got.get("overrides").and_then(Json::as_array).cloned().unwrap_or_default();
        assert_eq!(rest.len(), limit["overrides"].as_array().map_or(0, Vec::len));
    }
    let texts = c.say("STOCK.LIMITS k");
    let texts: Vec<String> = texts.items().iter().map(|m| m.field("limit").text()).collect();
    assert_eq!(texts, ["user/day/units", "*/3600/orders", "group+user/order/units"]);
}

/// An absent field is its default, in a new pool and where a policy is set as a whole.
#[test]
fn absent_fields_are_defaults() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.POLICY no => nil
         STOCK.SETPOLICY no {} => [NOPOOL, no]
         EXISTS no => 0
         STOCK.SET k 100",
    );
    for before in [json!({}), json!({"hold": 60, "safety": 7, "alert": 3, "limits": [{"by": ["user"], "max": 1}]})] {
        set(&mut c, "k", &before);
        set(&mut c, "k", &json!({}));
        assert_eq!(policy(&mut c, "k"), json!({"safety": 0, "alert": 0, "limits": []}));
        c.expect_pool("k", "safety=0 alert=0 limits=0 available=100 hold_seconds=900 retain_seconds=86400");
        c.expect_pool("k", "retain_paid_seconds=604800");
    }
    set(&mut c, "k", &json!({"limits": [{"by": ["user"]}]}));
    c.expect("STOCK.RESERVE k o 50 FOR user u", "[OK, *]");
    c.verify("k");
}

#[test]
fn what_is_not_a_policy() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 100", "OK");
    set(&mut c, "k", &json!({"safety": 3, "limits": [{"by": ["user"], "max": 1}]}));
    let limit = |text: &str| format!("{{\"limits\":[{text}]}}");
    let mut bad: Vec<String> = [
        "",
        " ",
        "null",
        "[]",
        "5",
        "\"x\"",
        "{",
        "{}}",
        "{}x",
        "{\"safety\":}",
        "{'safety':1}",
        "{\"unknown\":1}",
        "{\"Safety\":1}",
        "{\"safety\":1,\"safety\":2}",
        "{\"safety\":\"1\"}",
        "{\"safety\":1.5}",
        "{\"safety\":9007199254740992}",
        "{\"safety\":-9007199254740992}",
        "{\"safety\":99999999999999999999999999}",
        "{\"safety\":null}",
        "{\"alert\":-1}",
        "{\"alert\":9007199254740992}",
        "{\"hold\":0}",
        "{\"hold\":-1}",
        "{\"hold\":315360001}",
        "{\"retain\":0}",
        "{\"retain\":315360001}",
        "{\"retain_paid\":0}",
        "{\"retain_paid\":315360001}",
        "{\"events\":5}",
        "{\"remember\":[\"User\"]}",
        "{\"remember\":[\"u\",\"u\"]}",
        "{\"remember\":[1]}",
        "{\"remember\":\"u\"}",
        "{\"limits\":{\"by\":[]}}",
        "{\"limits\":[5]}",
        "{\"limits\":[null]}",
    ]
    .map(String::from)
    .to_vec();
    bad.push(format!("{{\"events\":\"{}\"}}", "e".repeat(513)));
    bad.extend(
        [
            "{\"by\":\"user\"}",
            "{\"by\":[\"User\"]}",
            "{\"by\":[\"\"]}",
            "{\"by\":[5]}",
            "{\"by\":[\"user\",\"user\"]}",
            "{\"by\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}",
            "{\"by\":[\"u\"],\"max\":-1}",
            "{\"by\":[\"u\"],\"max\":\"many\"}",
            "{\"by\":[\"u\"],\"per\":\"year\"}",
            "{\"by\":[\"u\"],\"per\":0}",
            "{\"by\":[\"u\"],\"per\":-5}",
            "{\"by\":[\"u\"],\"tz\":\"Z\"}",
            "{\"by\":[\"u\"],\"tz\":8}",
            "{\"by\":[\"u\"],\"count\":\"things\"}",
            "{\"by\":[\"u\"],\"missing\":\"maybe\"}",
            "{\"by\":[\"u\"],\"extra\":1}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[],\"max\":1}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[\"a\",\"b\"],\"max\":1}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[\"\"],\"max\":1}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[{\"base64\":\"*\"}],\"max\":1}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[{\"base64\":\"YQ==\",\"x\":1}],\"max\":1}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[\"a\"],\"max\":1},{\"for\":[\"a\"],\"max\":2}]}",
            "{\"by\":[\"u\"],\"overrides\":[{\"for\":[\"a\"],\"max\":1,\"x\":2}]}",
            // The same limit twice, in whatever order its dimensions stand.
            "{\"by\":[\"a\",\"b\"]},{\"by\":[\"b\",\"a\"]}",
        ]
        .map(limit),
    );
    let seventeen: Vec<String> = (0..17).map(|n| format!("d{n}")).collect();
    bad.push(format!("{{\"remember\":{seventeen:?}}}"));
    let many: Vec<String> = (0..33).map(|i| format!("{{\"by\":[\"d{i}\"]}}")).collect();
    bad.push(limit(&many.join(",")));
    bad.push(limit(&format!("{{\"by\":[\"u\"],\"overrides\":[{{\"for\":[\"{}\"],\"max\":1}}]}}", "x".repeat(129))));
    for text in &bad {
        refused(&mut c, "k", text.as_bytes());
    }
    refused(&mut c, "k", b"{\"events\":\"\xff\"}");
    refused(&mut c, "k", b"{\"safety\":1}\0");
    refused(&mut c, "k", "[".repeat(100_000).as_bytes());
    refused(&mut c, "k", "{\"limits\":".repeat(50_000).as_bytes());
    let mut long = b"{\"safety\":4".to_vec();
    long.resize(4 << 20, b' ');
    long.extend_from_slice(b"}");
    refused(&mut c, "k", &long);
    long.pop();
    long.pop();
    long.push(b'}');
    assert_eq!(c.call(&args!["STOCK.SETPOLICY", "k", long]).to_string(), "OK");
    c.expect_pool("k", "safety=4 limits=0");
    c.verify("k");
}

/// Values that are no text travel as base64, in and out.
#[test]
fn values_that_are_not_utf8() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 100", "OK");
    let ok = c.call(&args!["STOCK.LIMIT", "k", "user", 4, "FOR", b"\xff\x00"]);
    assert_eq!(ok.to_string(), "OK");
    let shown = policy(&mut c, "k");
    assert_eq!(shown["limits"][0]["overrides"][0]["for"][0], json!({"base64": "/wA="}));
    set(&mut c, "k", &json!({}));
    set(&mut c, "k", &shown);
    assert_eq!(policy(&mut c, "k"), shown);
    let limited = c.call(&args!["STOCK.RESERVE", "k", "o", 5, "FOR", "user", b"\xff\x00"]);
    assert_eq!(limited.to_string(), "[LIMITED, k, user/life/units, [\\xff\\x00], 0, 4, 0]");
    // A value that reads like JSON, or that a JSON text must escape.
    for odd in ["{\"base64\":\"YQ==\"}", "\"\\\u{1}\u{7f}\u{2028}", "\u{10FFFF}ü"] {
        c.call(&args!["STOCK.LIMIT", "k", "user", 3, "FOR", odd]);
        let shown = policy(&mut c, "k");
        set(&mut c, "k", &shown);
        assert_eq!(policy(&mut c, "k"), shown);
        let limited = c.call(&args!["STOCK.CHECK", "k", 9, "FOR", "user", odd]);
        assert_eq!(limited.items()[5].int(), 3);
    }
    c.verify("k");
}

/// Limits set one by one read as the same policy as limits set by JSON.
#[test]
fn limits_and_policy_are_one() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET a 100
         STOCK.SET b 100
         STOCK.LIMIT a user+region 5 PER WEEK TZ +01:00 MISSING ALLOW
         STOCK.LIMIT a user+region 9 PER WEEK FOR u *
         STOCK.LIMIT a * UNLIMITED COUNT ORDERS",
    );
    set(
        &mut c,
        "b",
        &json!({"limits": [
            {"by": ["user", "region"], "max": 5, "per": "week", "tz": "+01:00", "missing": "allow",
             "overrides": [{"for": ["u", "*"], "max": 9}]},
            {"by": [], "max": "unlimited", "count": "orders"},
        ]}),
    );
    assert_eq!(policy(&mut c, "a"), policy(&mut c, "b"));
    assert_eq!(policy(&mut c, "a")["limits"][0]["by"], json!(["region", "user"]));
    assert_eq!(policy(&mut c, "a")["limits"][0]["overrides"][0]["for"], json!(["*", "u"]));
}

/// In one step, and one effect, on a replica and from the file as well; or there is no pool.
#[test]
fn a_pool_is_made_with_its_policy() {
    let (mut primary, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "all"]).with_client();
    let replica = Server::replica_of(&primary, &[]);
    let given = json!({"hold": 30, "events": "ev", "limits": [{"by": ["user"], "max": 2}]});
    let call = args!["STOCK.SET", "k", "10", "NX", "NOTE", "kim", "POLICY", given.to_string()];
    assert_eq!(c.call(&call).to_string(), "OK");
    assert_eq!(c.call(&call).to_string(), "nil");
    // The same in two calls.
    c.expect("STOCK.SET twice 10 NX NOTE kim", "OK");
    let call = args!["STOCK.SETPOLICY", "twice", given.to_string(), "NOTE", "kim"];
    assert_eq!(c.call(&call).to_string(), "OK");
    assert_eq!(policy(&mut c, "k"), policy(&mut c, "twice"));
    let entries = |c: &mut Client, stream: &str, pool: &str| {
        let answer = c.call(&["XRANGE", stream, "-", "+"]);
        let all = answer.items().iter().map(|entry| testkit::entry::fields(&entry.items()[1]));
        let of_pool = all.filter(|fields| fields.iter().any(|(name, value)| name == "pool" && value == pool));
        let same = |(name, _): &(String, String)| !["pool", "at", "epoch"].contains(&name.as_str());
        of_pool.map(|fields| fields.into_iter().filter(same).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    for stream in ["all", "ev"] {
        let one = entries(&mut c, stream, "k");
        assert_eq!((one.len(), &one), (1, &entries(&mut c, stream, "twice")), "{stream}");
    }
    c.expect_pool("k", "on_hand=10 available=10 limits=1 seq=2 hold_seconds=30");
    // A policy that changes nothing is no change.
    c.expect("STOCK.SET plain 3 NX POLICY {}", "OK");
    c.expect_pool("plain", "seq=1");
    c.expect("STOCK.SET cap UNLIMITED NX POLICY {\"safety\":3,\"until\":5}", "OK");
    c.expect("STOCK.RESERVE cap o 1", "[ENDED, cap, 5]");
    let effects = c.say("INFO commandstats").text();
    assert!(!effects.contains("cmdstat_stock.effect"), "{effects}");
    kept(&mut primary, &replica, &["k", "twice", "plain", "cap", "all", "ev"]);
}

/// What is refused makes no pool (tests/server/refusals.rs looks for other traces).
#[test]
fn a_pool_is_not_made_with_a_policy_that_is_refused() {
    let (server, mut c) = Server::start().with_client();
    c.script(
        "SET text v
         STOCK.SET k 5
         STOCK.SET no 5 POLICY {} => -ERR POLICY needs NX
         STOCK.SET k 5 XX POLICY {} => -ERR POLICY needs NX
         STOCK.SET no 5 NX POLICY => -ERR syntax error
         STOCK.SET no 5 NX POLICY {} POLICY {} => -ERR syntax error
         STOCK.SET no 5 NX POLICY {\"hold\":0} => -ERR invalid policy: *
         STOCK.SET k 5 NX POLICY {\"hold\":0} => -ERR invalid policy: *
         STOCK.SET no -9007199254740991 NX POLICY {\"safety\":1} => -ERR result would be out of range*
         STOCK.SET no 5 NX POLICY {\"events\":\"text\"} => -WRONGTYPE *
         STOCK.SET no 5 NX POLICY {\"events\":\"no\"} => -WRONGTYPE *
         ACL SETUSER clerk on >x ~no +stock.set",
    );
    let mut clerk = server.client();
    clerk.expect("AUTH clerk x", "OK");
    clerk.expect("STOCK.SET no 5 NX POLICY {\"events\":\"ev\"}", "-NOPERM *");
    c.expect("EXISTS no ev", "0");
    clerk.expect("STOCK.SET no 5 NX POLICY {\"hold\":5}", "OK");
    c.expect_pool("no", "on_hand=5 hold_seconds=5");
}

/// As languages write JSON that have one kind of number, or no empty array; and there and back
/// through a script.
#[test]
fn other_ways_to_write_json() {
    let (_server, mut c) = Server::start().with_client();
    let policy = r#"{"hold":900.0,"retain":6e2,"safety":-0,"alert":2.0,"limits":[{"by":{},"max":5.0,"per":"life","overrides":{}},{"by":["user"],"max":1,"per":60.0}]}"#;
    c.expect("STOCK.SET k 5", "OK");
    assert_eq!(c.call(&["STOCK.SETPOLICY", "k", policy]).to_string(), "OK");
    let shown = c.say("STOCK.POLICY k").text();
    for part in [r#""hold":900,"#, r#""retain":600,"#, r#""safety":0,"#, r#""max":5,"#, r#""per":60,"#] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let seq = c.get("k", "seq");
    let script = "local p = cjson.decode(redis.call('STOCK.POLICY', KEYS[1])) \
        return redis.call('STOCK.SETPOLICY', KEYS[1], cjson.encode(p))";
    assert_eq!(c.call(&["EVAL", script, "1", "k"]).to_string(), "OK");
    assert_eq!(c.get("k", "seq"), seq, "nothing has changed");
    c.script("STOCK.LIMIT k user 3 PER LIFE => OK");
    assert!(c.say("STOCK.LIMITS k").to_string().contains("user/life/units, max, 3"));
}

/// What nobody says twice the same way: what a patch leaves, what it may not have, and how many
/// limits it may make.
#[test]
fn a_patch_of_a_policy() {
    let (_server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    c.expect("STOCK.SET k 100", "OK");
    set(
        &mut c,
        "k",
        &json!({"hold": 60, "events": "ev", "remember": ["email"], "limits": [
            {"by": ["user"], "max": 2, "per": "day", "tz": "Europe/Berlin", "overrides": [{"for": ["vip"], "max": "unlimited"}]},
        ]}),
    );
    c.expect("STOCK.RESERVE k o 2 FOR user u", "[OK, *]");
    let merge =
        |c: &mut Client, patch: &Json| c.call(&["STOCK.SETPOLICY", "k", &patch.to_string(), "MERGE"]).to_string();
    assert_eq!(
        merge(&mut c, &json!({"alert": 3, "limits": {"user/day/units": {"max": 1}, "*/3600/units": {"max": 50}}})),
        "OK"
    );
    assert_eq!(
        policy(&mut c, "k"),
        json!({"hold": 60, "safety": 0, "alert": 3, "events": "ev", "remember": ["email"], "limits": [
            {"by": ["user"], "max": 1, "per": "day", "tz": "Europe/Berlin", "count": "units", "missing": "refuse",
             "overrides": [{"for": ["vip"], "max": "unlimited"}]},
            {"by": [], "max": 50, "per": 3600, "tz": "+00:00", "count": "units", "missing": "refuse", "overrides": []},
        ]})
    );
    c.expect("STOCK.CHECK k 1 FOR user u", "[LIMITED, k, user/day/units, [u], 2, 1, *]");
    let refused = |c: &mut Client, text: &str, error: &str| {
        let before = c.digest("k");
        c.call(&["STOCK.SETPOLICY", "k", text, "MERGE"]).to_string();
        let answer = c.call(&["STOCK.SETPOLICY", "k", text, "MERGE"]).to_string();
        assert!(answer.starts_with(&format!("-ERR {error}")), "{text}: {answer}");
        assert_eq!(c.digest("k"), before, "{text}");
    };
    refused(&mut c, r#"{"safety":1,"safety":2}"#, "invalid policy: unknown or duplicate field");
    refused(&mut c, r#"{"limits":{"user/day/units":{"max":1,"max":2}}}"#, "invalid policy: unknown or duplicate field");
    refused(&mut c, r#"{"safety":"#, "invalid policy: invalid JSON at line 1 column");
    refused(&mut c, r#"{"safety":1.5}"#, "invalid policy: unknown field, or wrong type or value");
    refused(&mut c, r#"{"colour":1}"#, "invalid policy: unknown field, or wrong type or value");
    // What a typing error names would otherwise be taken away, and OK be said.
    refused(&mut c, r#"{"untl":null}"#, "invalid policy: unknown field, or wrong type or value");
    refused(&mut c, r#"{"limits":{"user/day/units":{"mx":null}}}"#, "invalid policy: unknown field, or wrong");
    refused(&mut c, r#"{"limits":{"user/day/units":{"by":["user"]}}}"#, "invalid policy: the name of a limit says");
    refused(&mut c, &format!("{}1{}", "[".repeat(200), "]".repeat(200)), "invalid policy: invalid JSON");
    let many: serde_json::Map<String, Json> =
        (1..=31).map(|n| (format!("user/{n}/units"), json!({"max": 1}))).collect();
    refused(&mut c, &json!({ "limits": many }).to_string(), "too many limits in one pool: at most 32");
    // A stream that the caller may not write to is asked for, as in a whole policy.
    c.expect("SET text v", "OK");
    assert!(merge(&mut c, &json!({"events": "text"})).starts_with("-WRONGTYPE"));
    assert_eq!(
        merge(&mut c, &json!({"events": null, "remember": null, "hold": null, "limits": {"*/3600/units": null}})),
        "OK"
    );
    c.expect_pool("k", "limits=1 hold_seconds=900 alert=3");
    // Said again after a lost answer: it is gone already.
    assert_eq!(merge(&mut c, &json!({"until": null, "limits": {"*/3600/units": null}})), "OK");
    let held = c.digest("k");
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(c.digest("k"), held);
    c.verify("k");
}
