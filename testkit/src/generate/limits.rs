//! Limits and policies.

use super::{by_of, by_text, decimal, json, json_value, pairs, Generator, Rng, Value, BYS, CROWDED, MAX_QTY, WINDOWS};

impl Generator {
    pub(super) fn max(&mut self) -> Option<i64> {
        match self.rng.random_range(0..100) {
            0..3 => Some(0),
            3..30 => Some(self.rng.random_range(1..8)),
            30..75 => Some(self.rng.random_range(8..60)),
            75..77 => Some(MAX_QTY),
            _ => None,
        }
    }

    /// The values of an override, in the order of `by`.
    pub(super) fn override_values(&mut self, by: &[&str]) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for dim in by {
            let like = self.rng.random_range(0..3);
            values.push(match self.chance(35) {
                true => b"*".to_vec(),
                false => self.value(dim, like),
            });
        }
        values
    }

    pub(super) fn by(&mut self) -> &'static [&'static str] {
        match self.chance(3) {
            true => &["group"],
            false => self.one_of(&BYS),
        }
    }

    /// The options that are part of a limit's name.
    pub(super) fn limit_name(&mut self) -> (&'static [&'static str], Vec<Vec<Vec<u8>>>) {
        let by = self.by();
        let mut options = Vec::new();
        if self.chance(80) {
            let window = self.one_of(&WINDOWS);
            options.push(vec![self.word("PER"), self.word(window)]);
            if window.parse::<u32>().is_ok() && self.chance(50) {
                options.push(vec![self.word("ROLLING")]);
            }
        }
        if self.chance(40) {
            let count = self.one_of(&["UNITS", "ORDERS", "ORDERS"]);
            options.push(vec![self.word("COUNT"), self.word(count)]);
        }
        (by, options)
    }

    /// The name of a limit: so often in a hundred one that was set before.
    pub(super) fn some_limit(&mut self, percent: u32) -> (&'static [&'static str], Vec<Vec<Vec<u8>>>) {
        let known = self.limits.len();
        if known == 0 || !self.chance(percent) {
            return self.limit_name();
        }
        let name = self.limits[self.rng.random_range(0..known)].clone();
        (by_of(&name[0]), pairs(&name[1..]))
    }

    /// So often in a hundred `FOR` and the values of an override, where there are dimensions.
    pub(super) fn push_override(&mut self, argv: &mut Vec<Vec<u8>>, by: &[&str], percent: u32) {
        if !by.is_empty() && self.chance(percent) {
            argv.push(self.word("FOR"));
            argv.extend(self.override_values(by));
        }
    }

    pub(super) fn limit(&mut self) -> Vec<Vec<u8>> {
        let key = if self.chance(5) { CROWDED } else { self.pool().1 };
        let mut argv = self.start("STOCK.LIMIT", key);
        let (by, mut options) = self.some_limit(40);
        argv.push(by_text(by));
        let mut name = vec![by_text(by)];
        name.extend(options.iter().flatten().cloned());
        self.limits.push_back(name);
        if self.limits.len() > 6 {
            self.limits.pop_front();
        }
        argv.push(match self.max() {
            Some(max) => decimal(max),
            None => self.word("UNLIMITED"),
        });
        if self.chance(30) {
            let tz = self.tz();
            options.push(vec![self.word("TZ"), tz.into()]);
        }
        if by == ["group"] && self.chance(90) || self.chance(20) {
            let missing = if by == ["group"] || self.chance(70) { "ALLOW" } else { "REFUSE" };
            options.push(vec![self.word("MISSING"), self.word(missing)]);
        }
        self.push_shuffled(&mut argv, options);
        self.push_note(&mut argv);
        self.push_override(&mut argv, by, 40);
        argv
    }

    pub(super) fn unlimit(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.UNLIMIT", key);
        let (by, options) = self.some_limit(85);
        argv.push(by_text(by));
        self.push_shuffled(&mut argv, options);
        self.push_note(&mut argv);
        self.push_override(&mut argv, by, 20);
        argv
    }

    pub(super) fn set_policy(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.SETPOLICY", key);
        if self.chance(35) {
            argv.push(self.patch().to_string().into_bytes());
            argv.push(self.word("MERGE"));
            self.push_note(&mut argv);
            return argv;
        }
        let known = self.policies.len();
        if known > 0 && self.chance(20) {
            argv.push(self.policies[self.rng.random_range(0..known)].clone());
            self.push_note(&mut argv);
            return argv;
        }
        let text = self.policy();
        argv.push(text);
        self.push_note(&mut argv);
        argv
    }

    /// A whole policy, as JSON.
    pub(super) fn policy(&mut self) -> Vec<u8> {
        let mut policy = json!({});
        if self.chance(80) {
            policy["hold"] = self.rng.random_range(1..5).into();
        }
        if !self.profile.retain_changes {
            policy["retain"] = 5.into();
            policy["retain_paid"] = 10.into();
        } else {
            for (field, most) in [("retain", 9), ("retain_paid", 16)] {
                match self.rng.random_range(0..20) {
                    0 => {}
                    1..4 => policy[field] = self.rng.random_range(600..3_000_000).into(),
                    _ => policy[field] = self.rng.random_range(1..most).into(),
                }
            }
        }
        if self.chance(30) {
            policy["safety"] = self.rng.random_range(-4..6).into();
        }
        if self.chance(30) {
            policy["alert"] = self.rng.random_range(0..10).into();
        }
        if self.chance(30) {
            policy["events"] = self.one_of(&["", "own", "other"]).into();
        }
        if self.chance(25) {
            policy["events_format"] = self.one_of(&["packed", "packed", "fields"]).into();
        }
        for (name, from) in [("from", true), ("until", false)] {
            if self.chance(1) {
                if let Some(at_ms) = self.sale_bound(from) {
                    policy[name] = at_ms.into();
                }
            }
        }
        if self.chance(40) {
            let wrong = self.chance(5);
            let all: [&[&str]; 4] = match wrong {
                true => [&["user", "user"], &["User"], &[""], &["a b"]],
                false => [&[], &["user"], &["store", "user"], &["user", "group", "region"]],
            };
            policy["remember"] = self.one_of(&all).into();
        }
        if self.chance(75) {
            let count = self.rng.random_range(0..4);
            let limits: Vec<Value> = (0..count).map(|_| self.json_limit()).collect();
            policy["limits"] = limits.into();
        }
        let mut text = policy.to_string();
        if self.chance(10) {
            // As languages write it that have one kind of number, or no empty array.
            text = text.replace("\"safety\":3", "\"safety\":3.0").replace("[]", "{}");
        }
        let text = text.into_bytes();
        self.policies.push_back(text.clone());
        if self.policies.len() > 4 {
            self.policies.pop_front();
        }
        text
    }

    /// A patch of a policy: a few fields, and limits by name.
    fn patch(&mut self) -> Value {
        let mut patch = json!({});
        let times: &[&str] = if self.profile.retain_changes { &["hold", "retain", "retain_paid"] } else { &["hold"] };
        for field in times {
            if self.chance(15) {
                patch[*field] = if self.chance(30) { Value::Null } else { self.rng.random_range(1..9).into() };
            }
        }
        for (field, least) in [("safety", -4), ("alert", 0)] {
            if self.chance(25) {
                patch[field] = if self.chance(20) { Value::Null } else { self.rng.random_range(least..6).into() };
            }
        }
        if self.chance(10) {
            patch["remember"] = if self.chance(30) { Value::Null } else { json!(["user"]) };
        }
        match self.rng.random_range(0..20) {
            0 => patch["limits"] = Value::Null,
            1 => patch["limits"] = vec![self.json_limit()].into(),
            2 => patch["limits"] = json!({}),
            3..14 => {
                let mut named = json!({});
                for _ in 0..self.rng.random_range(1..3) {
                    let (name, change) = self.limit_patch();
                    named[name] = change;
                }
                patch["limits"] = named;
            }
            _ => {}
        }
        patch
    }

    /// The name of a limit, and what a patch says of it.
    fn limit_patch(&mut self) -> (String, Value) {
        let by = self.by();
        let mut by = by.to_vec();
        if self.chance(95) {
            by.sort_unstable();
        }
        let by = if by.is_empty() { "*".into() } else { by.join("+") };
        let mut window = self.one_of(&WINDOWS).to_ascii_lowercase();
        if window.parse::<u32>().is_ok() && self.chance(50) {
            window += "-rolling";
        }
        let count = self.one_of(&["units", "units", "orders"]);
        let name = match self.chance(3) {
            true => format!("{by}/{window}"),
            false => format!("{by}/{window}/{count}"),
        };
        let mut change = json!({});
        if self.chance(70) {
            change["max"] = self.max().map_or(Value::Null, Value::from);
        }
        if self.chance(20) {
            change["tz"] = if self.chance(30) { Value::Null } else { self.tz().into() };
        }
        if by == "group" || self.chance(20) {
            change["missing"] = self.one_of(&["refuse", "allow", "allow"]).into();
        }
        if self.chance(20) {
            change["overrides"] = if self.chance(50) { Value::Null } else { json!([]) };
        }
        if self.chance(2) {
            change["count"] = "units".into();
        }
        let removed = self.chance(15);
        (name, if removed { Value::Null } else { change })
    }

    pub(super) fn json_limit(&mut self) -> Value {
        let by = self.by();
        let mut limit = json!({ "by": by });
        let json_max = |max: Option<i64>| max.map_or(Value::from("unlimited"), Value::from);
        if self.chance(85) {
            limit["max"] = json_max(self.max());
        }
        if self.chance(80) {
            let window = self.one_of(&WINDOWS);
            limit["per"] = match window.parse::<i64>() {
                Ok(seconds) => {
                    if self.chance(50) {
                        limit["rolling"] = true.into();
                    }
                    seconds.into()
                }
                Err(_) => window.to_ascii_lowercase().into(),
            };
        }
        if self.chance(30) {
            limit["tz"] = self.tz().into();
        }
        if self.chance(30) {
            limit["count"] = self.one_of(&["units", "orders", "orders"]).into();
        }
        if by == ["group"] || self.chance(15) {
            limit["missing"] = self.one_of(&["refuse", "allow", "allow"]).into();
        }
        if !by.is_empty() && self.chance(40) {
            let mut overrides = Vec::new();
            for _ in 0..self.rng.random_range(0..3) {
                let values = self.override_values(by);
                let values: Vec<Value> = values.iter().map(|value| json_value(value)).collect();
                overrides.push(json!({ "for": values, "max": json_max(self.max()) }));
            }
            limit["overrides"] = overrides.into();
        }
        limit
    }
}
