//! Policies.

use super::*;

#[test]
fn a_policy_replaces_everything_and_keeps_the_usage_of_limits_that_stay() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 5", "OK");
    shop.says("LIMIT k region 5", "OK");
    shop.call("RESERVE k o 2 FOR user u region r");
    let policy = "{\"hold\":5,\"safety\":1,\"limits\":[{\"by\":[\"store\"],\"max\":1,\"missing\":\"allow\"},\
                  {\"by\":[\"user\"],\"max\":9,\"overrides\":[{\"for\":[{\"base64\":\"/wA=\"}],\"max\":\"unlimited\"}]}]}";
    shop.says(&format!("SETPOLICY k {policy}"), "OK");
    shop.usage("USAGE k FOR user u region r store s", &["0/1/1/0", "2/9/7/0"]);
    shop.field("GET k", "hold_seconds", "5");
    shop.field("GET k", "retain_seconds", "86400");
    shop.says("RESERVE k p 1 FOR user u", "OK 1 96 1005000");
    let said = shop.call("POLICY k");
    let expected = Reply::bulk(
        "{\"hold\":5,\"safety\":1,\"alert\":0,\"limits\":[{\"by\":[\"store\"],\"max\":1,\"tz\":\"+00:00\",\
         \"count\":\"units\",\"missing\":\"allow\",\"overrides\":[]},{\"by\":[\"user\"],\"max\":9,\"tz\":\"+00:00\",\
         \"count\":\"units\",\"missing\":\"refuse\",\"overrides\":[{\"for\":[{\"base64\":\"/wA=\"}],\"max\":\"unlimited\"}]}]}",
    );
    assert!(same_for(b"stock.policy", &said, &expected), "{}", show(&said));
    let before = shop.call("GET k");
    shop.says(&format!("SETPOLICY k {}", show(&said)), "OK");
    assert!(same(&before, &shop.call("GET k")), "the same policy changes nothing");
    shop.says("SETPOLICY k {}", "OK");
    shop.field("GET k", "limits", "0");
    for bad in ["{", "1", "{\"x\":1}", "{\"hold\":0}", "{\"limits\":[{}]}", "{\"limits\":[{\"by\":[],\"max\":-1}]}"] {
        shop.says(&format!("SETPOLICY k {bad}"), "-ERR");
    }
}

#[test]
fn a_pool_is_made_with_its_policy_or_not_at_all() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET k 5 POLICY {}", "-ERR");
    shop.says("SET k 5 XX POLICY {}", "-ERR");
    shop.says("SET k 5 NX POLICY", "-ERR");
    shop.says("SET k 5 NX POLICY {\"hold\":0}", "-ERR");
    shop.says("SET k -9007199254740991 NX POLICY {\"safety\":1}", "-ERR");
    shop.says("GET k", "nil");
    shop.says("SET k 5 NX POLICY {\"hold\":7,\"limits\":[{\"by\":[\"user\"],\"max\":1}]} NOTE kim", "OK");
    shop.field("GET k", "hold_seconds", "7");
    shop.field("GET k", "seq", "2");
    shop.says("RESERVE k o 2 FOR user u", "LIMITED k user/life/units [u] 0 1 0");
    shop.says("SET k 9 NX POLICY {}", "nil");
    shop.field("GET k", "hold_seconds", "7");
    shop.says("SET plain 5 NX POLICY {}", "OK");
    shop.field("GET plain", "seq", "1");
}

/// The patch of the first column makes the policy of the second one, and of the third the limits
/// with what is used.
#[test]
fn a_patch_changes_what_it_names() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    let policy = "{\"hold\":5,\"safety\":1,\"limits\":[{\"by\":[\"user\"],\"max\":9},\
                  {\"by\":[\"user\",\"region\"],\"max\":50,\"per\":60,\"rolling\":true,\"missing\":\"allow\"}]}";
    shop.says(&format!("SETPOLICY k {policy}"), "OK");
    shop.says("RESERVE k o 2 FOR user u", "OK 2 97 1005000");
    let (user, both) = ("user/life/units", "region+user/60-rolling/units");
    let names = |shop: &mut Shop| {
        let Reply::Array(limits) = shop.call("LIMITS k") else { panic!("limits") };
        let field = |limit: &Reply, name: &str| limit.field(name).map_or("?".into(), show);
        let each = limits.iter().map(|l| format!("{}={}{}", field(l, "limit"), field(l, "max"), field(l, "overrides")));
        each.collect::<Vec<_>>().join(" ")
    };
    for (patch, hold, safety, limits) in [
        ("{}", "5", "1", format!("{user}=9 {both}=50")),
        ("{\"safety\":2}", "5", "2", format!("{user}=9 {both}=50")),
        ("{\"hold\":null,\"safety\":null}", "900", "0", format!("{user}=9 {both}=50")),
        ("{\"hold\":7,\"limits\":{}}", "7", "0", format!("{user}=9 {both}=50")),
        ("{\"limits\":{\"user/life/units\":{\"max\":3}}}", "7", "0", format!("{user}=3 {both}=50")),
        (
            "{\"limits\":{\"region+user/60-rolling/units\":{\"max\":null,\"overrides\":[{\"for\":[\"v\",\"*\"],\"max\":1}]}}}",
            "7",
            "0",
            format!("{user}=3 {both}=-1[[v *] 1]"),
        ),
        (
            "{\"limits\":{\"*/day/orders\":{\"max\":4},\"region+user/60-rolling/units\":null,\"store/life/units\":null}}",
            "7",
            "0",
            format!("{user}=3 */day/orders=4"),
        ),
        (
            "{\"limits\":[{\"by\":[\"store\"],\"missing\":\"allow\"},{\"by\":[\"user\"],\"max\":8}]}",
            "7",
            "0",
            format!("store/life/units=-1 {user}=8"),
        ),
    ] {
        shop.says(&format!("SETPOLICY k {patch} MERGE"), "OK");
        shop.field("GET k", "hold_seconds", hold);
        shop.field("GET k", "safety", safety);
        assert_eq!(names(&mut shop), limits, "{patch}");
        // The same patch again changes nothing.
        refuses(&mut shop, &format!("SETPOLICY k {patch} MERGE"), "OK");
    }
    shop.usage("USAGE k FOR user u", &["2/8/6/0"]);
    shop.says("SETPOLICY k {\"limits\":null} MERGE", "OK");
    shop.field("GET k", "limits", "0");
    for bad in [
        "1",
        "[]",
        "null",
        "{\"x\":1}",
        "{\"hold\":0}",
        "{\"limits\":5}",
        "{\"limits\":{\"user\":{}}}",
        "{\"limits\":{\"user/day/units\":4}}",
        "{\"limits\":{\"user/day/units\":[]}}",
        "{\"limits\":{\"user/day/units\":{\"per\":\"day\"}}}",
        "{\"limits\":{\"user/day/units\":{\"color\":1}}}",
        "{\"limits\":{\"User/day/units\":{}}}",
        "{\"limits\":{\"user+region/day/units\":{}}}",
        "{\"limits\":{\"user/fortnight/units\":{}}}",
        "{\"from\":9,\"until\":9}",
    ] {
        refuses(&mut shop, &format!("SETPOLICY k {bad} MERGE"), "-ERR");
    }
    shop.says("SETPOLICY none {} MERGE", "NOPOOL none");
    shop.says("SETPOLICY none 1 MERGE", "-ERR");
}

/// What is kept back is not sold; below zero, so much more is sold than there is.
#[test]
fn safety_is_never_sold() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for (call, answer, available, shortfall) in [
        ("SETPOLICY k {\"safety\":4}", "OK", "6", "0"),
        ("RESERVE k a 7", "SOLDOUT k 6", "6", "0"),
        ("RESERVE k a 6", "OK 6 0 1900000", "0", "0"),
        ("CONFIRM k a", "OK 6 6", "0", "0"),
        ("SETPOLICY k {\"safety\":9}", "OK", "0", "5"),
        ("SETPOLICY k {\"safety\":0}", "OK", "4", "0"),
        ("RESERVE k b 4", "OK 4 0 1900000", "0", "0"),
        ("SETPOLICY k {\"safety\":-20}", "OK", "20", "0"),
        ("RESERVE k c 20", "OK 20 0 1900000", "0", "0"),
    ] {
        shop.says(call, answer);
        shop.field("GET k", "available", available);
        shop.field("GET k", "shortfall", shortfall);
    }
}

#[test]
fn a_hold_keeps_the_deadline_that_a_policy_gave_it() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SETPOLICY k {\"hold\":1}", "OK");
    shop.says("RESERVE k o 1", "OK 1 9 1001000");
    shop.says("SETPOLICY k {\"hold\":500}", "OK");
    shop.field("ORDER k o", "deadline_ms", "1001000");
    shop.now_ms = 1_001_000;
    shop.says("CONFIRM k o", "EXPIRED k");
}
