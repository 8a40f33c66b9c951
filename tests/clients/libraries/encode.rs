//! A call of the vectors as its words, and as a typed call: the method and its arguments, by the
//! names of clients/README.md.

use serde_json::{Map, Value as Json};

use super::vectors::text;

/// The words that are left.
struct Words<'a> {
    rest: &'a [Vec<u8>],
}

impl<'a> Words<'a> {
    fn take(&mut self) -> &'a [u8] {
        let (first, rest) = self.rest.split_first().expect("one more word");
        self.rest = rest;
        first
    }

    fn text(&mut self) -> Json {
        text(self.take())
    }

    fn number(&mut self) -> Json {
        let word = String::from_utf8_lossy(self.take());
        word.parse::<i64>().unwrap_or_else(|_| panic!("not a number: {word}")).into()
    }

    /// A number, or UNLIMITED.
    fn amount(&mut self) -> Json {
        let word = self.text();
        match word.as_str().and_then(|word| word.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => word,
        }
    }

    /// Whether quantities follow, one for each key that was read.
    fn has_quantities(&self) -> bool {
        self.rest.first().is_some_and(|word| word == b"QTY")
    }

    fn count(&mut self) -> usize {
        self.number().as_u64().expect("a count") as usize
    }

    fn all(&mut self) -> Json {
        std::mem::take(&mut self.rest).iter().map(|word| text(word)).collect()
    }

    fn pairs(&mut self) -> Json {
        let words = std::mem::take(&mut self.rest);
        words.chunks(2).map(|pair| pair.iter().map(|word| text(word)).collect::<Json>()).collect()
    }
}

/// The method and its arguments.
pub fn typed(call: &[Vec<u8>]) -> (String, Json) {
    let mut words = Words { rest: call };
    let method = String::from_utf8_lossy(words.take()).to_lowercase();
    let method = method.strip_prefix("stock.").expect("a command of the module").to_string();
    let mut args = Map::new();
    let mut put = |name: &str, value: Json| {
        assert!(args.insert(name.into(), value).is_none(), "{name} twice in {method}");
    };
    if method == "available" {
        put("keys", words.all());
        return (method, Json::Object(args));
    }
    if method.starts_with('m') {
        put("order", words.text());
        if method == "msplit" {
            put("part", words.text());
        }
        let keys: Vec<Json> = (0..words.count()).map(|_| words.text()).collect();
        if words.has_quantities() {
            words.take();
            let lines = keys.into_iter().map(|key| Json::Array(vec![key, words.number()]));
            let lines = lines.collect();
            put("lines", lines);
        } else {
            put("keys", Json::Array(keys));
        }
    } else {
        put("key", words.text());
        match method.as_str() {
            "reserve" | "amend" => {
                put("order", words.text());
                put("quantity", words.number());
            }
            "confirm" | "release" | "extend" | "return" | "order" => put("order", words.text()),
            "split" => {
                put("order", words.text());
                put("part", words.text());
                put("quantity", words.number());
            }
            "explain" if words.rest.first().is_some_and(|word| word != b"FOR") => put("quantity", words.number()),
            "set" => put("on_hand", words.amount()),
            "add" => put("delta", words.number()),
            "transfer" => {
                put("to", words.text());
                put("quantity", words.number());
            }
            "reconcile" => put("on_hand", words.number()),
            "setpolicy" => put("policy", words.text()),
            "limit" => {
                put("by", words.text());
                put("max", words.amount());
            }
            "unlimit" => put("by", words.text()),
            "check" => put("quantity", words.number()),
            "orders" => put("cursor", words.text()),
            _ => {}
        }
    }
    let mut values = 0;
    while !words.rest.is_empty() {
        let option = String::from_utf8_lossy(words.take()).into_owned();
        match option.as_str() {
            "EX" | "PX" | "PXAT" => {
                put("hold", Json::Object(Map::from_iter([(option.to_lowercase(), words.number())])));
            }
            "FOR" if method.ends_with("limit") => put("for", words.all()),
            "FOR" => put("for", words.pairs()),
            "DIMS" => {
                values = words.count();
                put("dims", (0..values).map(|_| words.text()).collect());
            }
            "ORDERS" => {
                let orders = (0..words.count()).map(|_| order_of_batch(&mut words, &method, values));
                let orders = orders.collect();
                put("orders", orders);
            }
            "NOTE" | "REPLACES" | "POLICY" => put(&option.to_lowercase(), words.text()),
            "TOP" => put("top", words.number()),
            "DETAILS" | "MERGE" | "ROLLING" | "RETURNING" => put(&option.to_lowercase(), true.into()),
            "FROM" => put("from_ms", words.amount()),
            "UNTIL" => put("until_ms", words.amount()),
            "QTY" => put("quantity", words.number()),
            "TOKEN" => put("token", words.text()),
            "SINCE" => put("since_ms", words.number()),
            "PARTIAL" | "LATE" => put(&option.to_lowercase(), true.into()),
            "KEEPUSAGE" => put("keep_usage", true.into()),
            "NORESTOCK" => put("no_restock", true.into()),
            "DRYRUN" => put("dry_run", true.into()),
            "NX" | "XX" => put("only_if", option.into()),
            "AFTER" => {
                let mut after = Map::new();
                after.insert("epoch".into(), words.text());
                after.insert("seq".into(), words.number());
                after.insert("out".into(), words.number());
                put("after", Json::Object(after));
            }
            "PER" | "TZ" | "MISSING" | "STATE" => put(&option.to_lowercase(), words.text()),
            "COUNT" if method.ends_with("limit") => put("count", words.text()),
            "COUNT" => put("count", words.number()),
            other => panic!("an unknown option {other} of {method}"),
        }
    }
    (method, Json::Object(args))
}

/// Of CONFIRMBATCH its id; of RESERVEBATCH id, quantity and values.
fn order_of_batch(words: &mut Words<'_>, method: &str, values: usize) -> Json {
    if method == "confirmbatch" {
        return words.text();
    }
    let mut order = vec![words.text(), words.number()];
    order.extend((0..values).map(|_| words.text()));
    Json::Array(order)
}
