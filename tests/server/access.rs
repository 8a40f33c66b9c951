//! The users that the documents set up: each may call what its line names, on its keys, and nothing
//! that could overwrite a pool.

use std::collections::BTreeSet;

use redis_stock::command::spec::KeyPositions;
use redis_stock::command::TABLE;

use testkit::{Client, Server, Value};

const PAGES: [&str; 2] = ["docs/operating/deploy.md", "docs/guides/database.md"];
/// Writes of the server that a user of the documents may call on a pool's key: pools answer
/// WRONGTYPE to them.
const STREAM_WRITES: [&str; 1] = ["xtrim"];

/// The lines of the documents, and the user that each makes.
fn users() -> Vec<(String, String)> {
    let pages = PAGES.map(|page| std::fs::read_to_string(page).unwrap_or_else(|_| panic!("{page} is there")));
    let lines = pages.iter().flat_map(|page| page.lines()).filter(|line| line.starts_with("ACL SETUSER"));
    lines.map(|line| (line.split(' ').nth(2).expect("a name").into(), line.into())).collect()
}

/// Every command of the server with the number of its arguments, and whether it writes.
fn commands(c: &mut Client) -> Vec<(String, usize, bool)> {
    let names: Vec<String> = c.say("COMMAND LIST").items().iter().map(|name| name.text().to_lowercase()).collect();
    let calls: Vec<Vec<&str>> = names.iter().map(|name| vec!["COMMAND", "INFO", name]).collect();
    let infos = c.pipeline(&calls);
    let describe = |(name, info): (&String, &Value)| {
        let info = info.items()[0].items();
        let has = |wanted: &str| info[2].items().iter().any(|flag| flag.text() == wanted);
        // Everybody may authenticate.
        (!has("no_auth")).then(|| (name.clone(), info[1].int().unsigned_abs() as usize, has("write")))
    };
    names.iter().zip(&infos).filter_map(describe).collect()
}

/// A call of the command with this key wherever a key may be.
fn call(name: &str, arity: usize, key: &str) -> Vec<String> {
    let mut words: Vec<String> = name.split('|').map(String::from).collect();
    let upper = name.to_uppercase();
    match TABLE.iter().find(|spec| spec.name == upper).map(|spec| spec.keys) {
        Some(KeyPositions::Counted(at)) => {
            words.extend((1..at).map(|n| format!("o{n}")));
            words.extend(["1", key].map(String::from));
        }
        _ if name == "xreadgroup" => words.extend(["GROUP", "g", "c", "STREAMS", key, ">"].map(String::from)),
        _ if name == "xread" => words.extend(["STREAMS", key, "0"].map(String::from)),
        _ => {}
    }
    while words.len() < arity {
        words.push(key.into());
    }
    words
}

/// What the user may call with this key.
fn granted(c: &mut Client, user: &str, commands: &[(String, usize, bool)], key: &str) -> BTreeSet<String> {
    let dry = |(name, arity, _): &(String, usize, bool)| {
        let mut words = vec!["ACL".to_string(), "DRYRUN".into(), user.into()];
        words.extend(call(name, *arity, key));
        words
    };
    let answers = c.pipeline(&commands.iter().map(dry).collect::<Vec<_>>());
    let ok = commands.iter().zip(answers).filter(|(_, answer)| !answer.is_error() && answer.text() == "OK");
    ok.map(|(command, _)| command.0.clone()).collect()
}

#[test]
fn documented_users_may_do_what_their_line_says() {
    let (server, mut c) = Server::start().with_client();
    let commands = commands(&mut c);
    assert!(commands.len() > 200 + TABLE.len());
    let users = users();
    let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["shop", "pages", "warehouse", "campaigns", "workers", "operator", "exporter", "ledger"]);
    for (user, line) in &users {
        c.expect(line, "OK");
        let (top, selectors) = line.split_once(" (").unwrap_or((line, ""));
        let named: BTreeSet<String> = top.split(' ').filter_map(|word| Some(word.strip_prefix('+')?.into())).collect();
        for key in ["sku:618", "cap:618", "other:1", "fence", "events"] {
            let granted = granted(&mut c, user, &commands, key);
            let own = line.contains(&format!("~{}:*", &key[..3]));
            for name in &granted {
                let (_, _, writes) = commands.iter().find(|command| command.0 == *name).expect("of the list");
                let stock = name.starts_with("stock.");
                let in_selector = key == "fence" && selectors.contains(&format!("+{name}"));
                let container = name.split('|').next().expect("a name");
                let by_line = named.contains(name) || named.contains(container);
                assert!(by_line || in_selector, "{user} may {name} {key}");
                let keyless =
                    TABLE.iter().any(|spec| spec.name == name.to_uppercase() && spec.keys == KeyPositions::None);
                let on_key = own || keyless || line.contains(&format!("~{key} "));
                assert!(!stock || on_key, "{user} may {name} {key}");
                let known = stock || in_selector || key == "events" || STREAM_WRITES.contains(&name.as_str());
                assert!(!writes || known, "{user} may {name} {key}");
            }
            if key == "sku:618" && own {
                let missing: Vec<_> =
                    named.iter().filter(|name| name.starts_with("stock.") && !granted.contains(*name)).collect();
                assert!(missing.is_empty(), "{user} may not {missing:?} {key}");
            }
        }
    }
    c.expect("ACL DRYRUN shop SET fence 1", "OK");
    c.expect("STOCK.SET sku:618 10", "OK");
    let before = c.digest("sku:618");
    c.expect("XTRIM sku:618 MAXLEN 0", "-WRONGTYPE *");
    let mut shop = server.client();
    shop.expect("AUTH shop CHANGE-ME", "OK");
    shop.expect("SET sku:618 1", "-NOPERM *");
    shop.expect("SET fence 1", "OK");
    assert_eq!(c.digest("sku:618"), before);
}

/// The operator may type every line of the runbook, and the exporter reads figures, and no order.
#[test]
fn the_operator_may_type_the_runbook() {
    let (server, mut c) = Server::start().with_client();
    for (user, line) in users() {
        if ["operator", "exporter"].contains(&user.as_str()) {
            c.expect(&line, "OK");
        }
    }
    let page = std::fs::read_to_string("docs/operating/runbook.md").expect("the runbook is there");
    // One line is the administrator's.
    let lines = page.lines().filter_map(|line| line.strip_prefix("redis-cli "));
    let lines: BTreeSet<&str> = lines.filter(|line| !line.starts_with("--user default")).collect();
    assert!(lines.len() > 20, "{lines:?}");
    c.script(
        "STOCK.SET sku:618 10
         STOCK.LIMIT sku:618 user 5
         XADD events * a b => *
         XGROUP CREATE events g 0 => OK
         XGROUP CREATE events mail 0 => OK",
    );
    let mut operator = server.client();
    operator.expect("AUTH operator CHANGE-ME", "OK");
    for line in &lines {
        let answer = operator.say(line);
        assert!(!answer.is_error(), "{line}: {answer}");
    }
    operator.script(
        "STOCK.SUSPEND sku:618
         STOCK.RESUME sku:618
         STOCK.SET sku:618 1 => -NOPERM *
         STOCK.RELEASE sku:618 o => -NOPERM *
         STOCK.GET other:1 => -NOPERM *
         DEL sku:618 => -NOPERM *
         CONFIG SET stock.pool-max-orders 5 => -NOPERM *",
    );
    let mut exporter = server.client();
    exporter.expect("AUTH exporter CHANGE-ME", "OK");
    exporter.script(
        "STOCK.TOP => *
         STOCK.GET sku:618 => *
         STOCK.ORDERS sku:618 0 => -NOPERM *
         STOCK.GET other:1 => -NOPERM *
         SCAN 0 => -NOPERM *",
    );
    assert!(exporter.say("INFO stock").text().contains("stock_held_units:0"));
}

/// A pool is made with any policy by whoever may set its stock; but it publishes only where its
/// maker may call SETPOLICY on the stream's key, both in one selector.
#[test]
fn who_may_set_stock_may_make_a_pool_with_a_policy() {
    let (server, mut c) = Server::start().with_client();
    for (n, (rights, may_publish)) in [
        ("~sku:* +stock.set", false),
        ("~sku:* ~ev +stock.set", false),
        ("~sku:* +stock.set +stock.setpolicy", false),
        ("~sku:* %R~ev +stock.set +stock.setpolicy", false),
        ("~sku:* +stock.set +stock.setpolicy (~ev +stock.set +get)", false),
        ("~sku:* ~ev +stock.set +stock.setpolicy", true),
        ("~sku:* +stock.set (~ev +stock.setpolicy)", true),
    ]
    .into_iter()
    .enumerate()
    {
        c.expect(&format!("ACL SETUSER u{n} on >x +eval {rights}"), "OK");
        let mut user = server.client();
        user.expect(&format!("AUTH u{n} x"), "OK");
        let policy = r#"{"hold":5,"limits":[{"by":["user"],"max":1}]}"#;
        user.expect(&format!("STOCK.SET sku:{n} 5 NX POLICY {policy}"), "OK");
        c.expect_pool(&format!("sku:{n}"), "hold_seconds=5");
        c.expect(&format!("STOCK.RESERVE sku:{n} o 2 FOR user 1"), "[LIMITED, *]");
        let answer = if may_publish { "OK" } else { "-NOPERM *" };
        user.expect(&format!(r#"STOCK.SET sku:{n}:told 5 NX POLICY {{"events":"ev"}}"#), answer);
        assert_eq!(c.say(&format!("EXISTS sku:{n}:told")).int(), i64::from(may_publish), "{rights}");
        let script = "return redis.call('stock.set', KEYS[1], 5, 'NX', 'POLICY', ARGV[1])";
        let reply = user.call(&["EVAL", script, "1", &format!("sku:{n}:script"), r#"{"events":"ev"}"#]).to_string();
        assert!(reply.starts_with(answer.trim_end_matches(" *")), "{reply}, {rights}");
        assert_eq!(c.say(&format!("EXISTS sku:{n}:script")).int(), i64::from(may_publish), "{rights}");
    }
}

/// Who calls is known of a client that is connected. For a script the module asks by a call, which
/// is not taken for one of the user.
#[test]
fn the_question_for_the_user_says_what_it_is() {
    let (server, mut monitor) = Server::start().with_client();
    monitor.expect("MONITOR", "OK");
    let mut c = server.client();
    c.script(
        r#"STOCK.SET sku:0 5 NX POLICY {"events":"ev"}
           STOCK.SETPOLICY sku:0 {"events":"other"}
           PING direct => *"#,
    );
    let script = "redis.call('stock.set', KEYS[1], 5, 'NX', 'POLICY', ARGV[1]) \
                  redis.call('stock.setpolicy', KEYS[1], ARGV[2])";
    c.call(&["EVAL", script, "1", "sku:1", r#"{"events":"ev"}"#, r#"{"events":"other"}"#]);
    c.expect("PING done", "*");
    let mut lines: Vec<String> = Vec::new();
    while !lines.last().is_some_and(|line| line.contains("done")) {
        lines.push(monitor.read().text().to_lowercase());
    }
    let direct = lines.iter().position(|line| line.contains("direct")).expect("the first half");
    assert_eq!(direct, 2, "{lines:?}");
    for command in ["stock.set", "stock.setpolicy"] {
        let asked = format!(r#""{command}" "sku:1" "asks-for-user""#);
        assert!(lines.iter().any(|line| line.ends_with(&asked)), "{lines:?}");
        let calls = lines.iter().filter(|line| line.contains(&format!(r#" "{command}" "sku:1""#))).count();
        assert_eq!(calls, 2, "{lines:?}");
    }
}
