//! Calls that many tests make.

use std::collections::HashMap;

use crate::client::Client;
use crate::value::Value;
use crate::wait::wait_until;

/// The fields of one section of INFO.
#[track_caller]
pub fn info(client: &mut Client, section: &str) -> HashMap<String, String> {
    client
        .call(&["INFO", section])
        .text()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_string(), value.trim().to_string()))
        .collect()
}

/// A counter of the module's own section of INFO.
#[track_caller]
pub fn stock_info(client: &mut Client, name: &str) -> i64 {
    let fields = info(client, "stock");
    let value = fields.get(&format!("stock_{name}")).unwrap_or_else(|| panic!("no {name} in INFO stock: {fields:?}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

/// The orders of one pool in one state, with their quantities.
#[track_caller]
pub fn orders_in(client: &mut Client, key: &str, state: &str) -> HashMap<String, i64> {
    let mut names = Vec::new();
    let mut cursor = "0".to_string();
    loop {
        let answer = client.say(&format!("STOCK.ORDERS {key} {cursor} STATE {state} COUNT 1000"));
        let items = answer.items();
        names.extend(items[1].items().chunks(2).map(|pair| pair[0].text()));
        cursor = match &items[0] {
            Value::Int(n) => n.to_string(),
            other => other.text(),
        };
        if cursor == "0" {
            break;
        }
    }
    let calls: Vec<Vec<&str>> = names.iter().map(|name| vec!["STOCK.ORDER", key, name]).collect();
    let answers = client.pipeline(&calls);
    let quantities = answers.iter().map(|answer| answer.field("qty").int());
    names.iter().cloned().zip(quantities).collect()
}

impl Client {
    /// What two servers with the same data agree on.
    #[track_caller]
    pub fn digest<K: AsRef<[u8]>>(&mut self, key: K) -> String {
        let answer = self.call(&[&b"DEBUG"[..], &b"DIGEST-VALUE"[..], key.as_ref()]);
        answer.items()[0].text()
    }

    /// STOCK.VERIFY has nothing to say.
    #[track_caller]
    pub fn verify<K: AsRef<[u8]>>(&mut self, key: K) {
        let answer = self.call(&[&b"STOCK.VERIFY"[..], key.as_ref()]);
        assert_eq!(answer.to_string(), "OK", "VERIFY");
    }

    /// One field of STOCK.GET, as text.
    #[track_caller]
    pub fn get(&mut self, key: &str, field: &str) -> String {
        self.call(&["STOCK.GET", key]).field(field).to_string()
    }

    /// One field of STOCK.ORDER, as text.
    #[track_caller]
    pub fn order(&mut self, key: &str, order: &str, field: &str) -> String {
        self.call(&["STOCK.ORDER", key, order]).field(field).to_string()
    }

    /// Several fields of STOCK.GET in one text: `on_hand=10 reserved=2`.
    #[track_caller]
    pub fn expect_pool(&mut self, key: &str, expected: &str) {
        let map = self.call(&["STOCK.GET", key]);
        let found: Vec<String> = expected
            .split_whitespace()
            .map(|pair| pair.split_once('=').expect("field=value").0)
            .map(|name| format!("{name}={}", map.field(name)))
            .collect();
        assert_eq!(found.join(" "), expected, "STOCK.GET {key}");
    }

    /// Speaks RESP3 from here on.
    pub fn resp3(mut self) -> Client {
        self.expect("HELLO 3", "{*}");
        self
    }

    /// Runs the commands in one transaction; nil when a watched key has changed.
    #[track_caller]
    pub fn transaction(&mut self, lines: &[&str]) -> Value {
        self.expect("MULTI", "OK");
        for line in lines {
            self.expect(line, "QUEUED");
        }
        self.say("EXEC")
    }

    /// Whether a transaction that watches `key` survives what `meanwhile` does through another
    /// client.
    #[track_caller]
    pub fn watch_survives(&mut self, key: &str, meanwhile: impl FnOnce()) -> bool {
        self.expect(&format!("WATCH {key}"), "OK");
        meanwhile();
        self.transaction(&["PING"]) != Value::Nil
    }

    /// Runs the lines; none is answered by an error.
    #[track_caller]
    pub fn play(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let answer = self.say(line);
            assert!(!answer.is_error(), "{line}: {answer}");
        }
    }

    /// Rewrites the append-only file, and waits until that is done.
    #[track_caller]
    pub fn rewrite_aof(&mut self) {
        assert!(!self.say("BGREWRITEAOF").is_error());
        wait_until("the AOF is rewritten", || {
            let info = info(self, "persistence");
            info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0"
        });
        assert_eq!(info(self, "persistence")["aof_last_bgrewrite_status"], "ok");
    }

    /// Stops the background work of the server, so that due holds stay until a command meets them.
    #[track_caller]
    pub fn pause_background(&mut self) {
        self.expect("DEBUG PAUSE-CRON 1", "OK");
    }

    #[track_caller]
    pub fn resume_background(&mut self) {
        self.expect("DEBUG PAUSE-CRON 0", "OK");
    }
}
