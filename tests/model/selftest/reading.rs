//! What an operator asks of a pool: orders by buyer, who has used most, why a call is refused.

use super::*;

#[test]
fn orders_are_found_by_what_limits_counted_and_what_they_remember() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k region+user 50 MISSING ALLOW", "OK");
    shop.call("RESERVE k before 1 FOR email a@x");
    let limit = r#"{"by":["region","user"],"max":50,"missing":"allow"}"#;
    shop.says(&format!(r#"SETPOLICY k {{"remember":["ip","email"],"limits":[{limit}]}}"#), "OK");
    shop.call("RESERVE k a1 2 FOR user u1 region r email a@x ip 10.0.0.1");
    shop.call("RESERVE k a2 3 FOR user u1 email a@x");
    shop.call("RESERVE k b1 4 FOR user u2 region r email b@x");
    shop.call("CONFIRM k b1");
    for (order, known) in [("a1", "email=a@x ip=10.0.0.1 region=r user=u1"), ("a2", "email=a@x"), ("before", "")] {
        shop.field(&format!("ORDER k {order}"), "for", known);
    }
    for (options, found) in [
        ("FOR email a@x", "0 [a1 reserved a2 reserved]"),
        // No limit counted a2, and user is not remembered.
        ("FOR user u1", "0 [a1 reserved]"),
        ("FOR region r email b@x", "0 [b1 confirmed]"),
        ("STATE reserved FOR region r", "0 [a1 reserved]"),
        ("FOR email c@x", "0 []"),
    ] {
        shop.says(&format!("ORDERS k 0 {options}"), found);
    }
    let Reply::Array(walk) = shop.call("ORDERS k 0 DETAILS") else { panic!("a page") };
    let Reply::Array(page) = &walk[1] else { panic!("its orders") };
    for pair in page.chunks(2) {
        assert!(same(&pair[1], &shop.call(&format!("ORDER k {}", show(&pair[0])))), "{pair:?}");
    }
    // A later policy changes what new orders keep, not what old ones have.
    shop.says("SETPOLICY k {}", "OK");
    shop.call("RESERVE k c1 1 FOR email a@x");
    shop.says("ORDERS k 0 FOR email a@x", "0 [a1 reserved a2 reserved]");
    // Its limit is gone.
    shop.says("ORDERS k 0 FOR region r", "0 []");
}

#[test]
fn who_has_used_most() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "1000");
    for limit in ["user 20", "region+user 50 PER DAY", "user 30 FOR u3"] {
        shop.says(&format!("LIMIT k {limit}"), "OK");
    }
    for (n, (user, region, qty)) in
        [("u1", "r", 5), ("u2", "r", 9), ("u3", "s", 7), ("u4", "s", 7), ("u2", "s", 1), ("u5", "r", 1)]
            .into_iter()
            .enumerate()
    {
        shop.call(&format!("RESERVE k o{n} {qty} FOR user {user} region {region}"));
    }
    shop.says("RELEASE k o5", "OK 1 971");
    let top = |shop: &mut Shop, options: &str| -> Vec<String> {
        let Reply::Array(rows) = shop.call(&format!("USAGE k TOP {options}")) else { panic!("no array") };
        let field = |row: &Reply, name: &str| row.field(name).map_or("?".into(), show);
        let shown = |row: &Reply| ["limit", "values", "used", "max"].map(|name| field(row, name)).join(" ");
        rows.iter().map(shown).collect()
    };
    assert_eq!(
        top(&mut shop, "3"),
        [
            "user/life/units u2 10 20",
            "user/life/units u3 7 30",
            "user/life/units u4 7 20",
            "region+user/day/units r u2 9 50",
            "region+user/day/units s u3 7 50",
            "region+user/day/units s u4 7 50",
        ]
    );
    assert_eq!(
        top(&mut shop, "1000 FOR region s"),
        ["region+user/day/units s u3 7 50", "region+user/day/units s u4 7 50", "region+user/day/units s u2 1 50"]
    );
    assert_eq!(top(&mut shop, "1000").len(), 4 + 5, "nobody is shown who has used nothing");
    shop.says("USAGE k TOP 5 FOR store x", "");
    shop.says("USAGE no TOP 1", "nil");
}

#[test]
fn explain_shows_every_step_also_behind_the_one_that_refuses() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("EXPLAIN no", "exists=0 answer=[NOPOOL no]");
    shop.says("LIMIT k user 3 PER DAY", "OK");
    shop.says("LIMIT k region 100 MISSING ALLOW", "OK");
    shop.says("RESERVE k o 3 EX 600 FOR user u", "OK 3 7 1600000");
    shop.says("SUSPEND k", "OK");
    for (field, shown) in [
        ("suspended", "1"),
        ("orders", "1"),
        ("missing", "user"),
        ("stock", "on_hand=10 held=3 safety=0 available=7"),
        ("answer", "SUSPENDED k"),
        (
            "limits",
            "[limit=user/day/units verdict=nodim missing=[user] values=nil used=nil max=nil remaining=nil \
             resets_ms=nil] [limit=region/life/units verdict=skipped missing=[region] values=nil used=nil max=nil \
             remaining=nil resets_ms=nil]",
        ),
    ] {
        shop.field("EXPLAIN k 8", field, shown);
    }
    shop.field(
        "EXPLAIN k FOR user u region r",
        "limits",
        "[limit=user/day/units verdict=refuses missing=[] values=[u] used=3 max=3 remaining=0 resets_ms=86400000] \
         [limit=region/life/units verdict=allows missing=[] values=[r] used=0 max=100 remaining=100 resets_ms=0]",
    );
    shop.says("RESUME k", "OK");
    for (rest, answer) in [
        ("11 FOR user u", "SOLDOUT k 7"),
        ("4 FOR user u", "LIMITED k user/day/units [u] 3 3 86400000"),
        ("FOR user v", "OK 1 6 1900000"),
    ] {
        shop.field(&format!("EXPLAIN k {rest}"), "answer", answer);
    }
}
