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
