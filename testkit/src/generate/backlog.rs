//! Many holds that fall due at once, and calls while most of them wait to be returned.

use super::{decimal, json, words, Generator, Rng, CROWDED};

impl Generator {
    /// Hundreds of holds with few deadlines in the crowded pool, then calls while most of them wait
    /// to be returned.
    pub(super) fn plan_backlog(&mut self) {
        let on_hand = self.one_of(&["UNLIMITED", "100000", "300"]);
        self.push(0, words(&["STOCK.SET", CROWDED, on_hand]));
        self.push(0, words(&["STOCK.RESUME", CROWDED]));
        let mut policy = json!({ "hold": 2, "limits": [] });
        policy["retain"] = if self.profile.retain_changes { self.one_of(&[1, 5, 100]) } else { 5 }.into();
        policy["retain_paid"] = 10.into();
        if self.chance(60) {
            policy["limits"] = json!([{ "by": ["user"], "max": 200, "per": "hour" }, { "by": [], "max": 350, "per": "day", "count": "orders" }]);
        }
        self.push(0, words(&["STOCK.SETPOLICY", CROWDED, &policy.to_string()]));

        let count = self.rng.random_range(100..420);
        let start_ms = self.now_ms;
        let mut at_ms = start_ms;
        for which in 0..count {
            let advance_ms = i64::from(self.chance(20));
            at_ms += advance_ms;
            let deadline_ms = start_ms + 600 + self.one_of(&[0, 0, 0, 1, 2]);
            let mut argv = words(&["STOCK.RESERVE", CROWDED, &format!("x{which}"), "2", "PXAT"]);
            argv.push(decimal(deadline_ms));
            argv.extend(words(&["FOR", "user", &format!("u{}", which % 3)]));
            self.push(advance_ms, argv);
            if self.chance(4) {
                let mut argv = words(&["STOCK.EXTEND", CROWDED, &format!("x{which}"), "PXAT"]);
                argv.push(decimal(deadline_ms + self.rng.random_range(0..3)));
                self.push(0, argv);
            }
            if self.chance(4) {
                let command = self.one_of(&["STOCK.CONFIRM", "STOCK.RELEASE"]);
                self.push(0, words(&[command, CROWDED, &format!("x{which}")]));
            }
        }

        let mut wait_ms = start_ms + 600 + self.rng.random_range(0..4) - at_ms;
        for _ in 0..self.rng.random_range(8..40) {
            let argv = self.call_in_backlog(count);
            self.push(wait_ms.max(0), argv);
            wait_ms = i64::from(self.chance(10));
        }
        if self.chance(50) {
            let wait_ms = self.rng.random_range(0..6000);
            self.push(wait_ms, words(&["STOCK.SWEEP", CROWDED]));
            self.push(0, words(&["STOCK.GET", CROWDED]));
        }
    }

    pub(super) fn call_in_backlog(&mut self, count: usize) -> Vec<Vec<u8>> {
        let which = self.rng.random_range(0..count);
        if self.profile.carts && self.chance(50) {
            return self.cart_in_backlog(which);
        }
        let id = format!("x{which}");
        let user = format!("u{}", which % 3);
        let words = |call: &[&str]| {
            let mut argv = words(call);
            argv.insert(1, CROWDED.into());
            argv
        };
        match self.rng.random_range(0..37) {
            0..4 => words(&["STOCK.GET"]),
            4..7 => words(&["STOCK.ORDER", &id]),
            7 => words(&["STOCK.ORDERS", "0", "COUNT", "10000"]),
            8 => words(&["STOCK.ORDERS", "0", "COUNT", "10000", "STATE", "reserved"]),
            9 => words(&["STOCK.AVAILABLE"]),
            10 => words(&["STOCK.USAGE", "FOR", "user", &user]),
            11 => words(&["STOCK.CHECK", "2", "FOR", "user", &user]),
            12 => words(&["STOCK.VERIFY"]),
            13..16 => words(&["STOCK.RELEASE", &id]),
            16..18 => words(&["STOCK.CONFIRM", &id]),
            18..22 => words(&["STOCK.CONFIRM", &id, "LATE"]),
            22 => words(&["STOCK.CONFIRM", &id, "LATE", "QTY", "1"]),
            23 => words(&["STOCK.CONFIRM", &id, "LATE", "QTY", "3"]),
            24 => words(&["STOCK.AMEND", &id, "3"]),
            25 => words(&["STOCK.EXTEND", &id, "EX", "2"]),
            26 => words(&["STOCK.RETURN", &id]),
            27..29 => words(&["STOCK.RESERVE", &id, "2", "FOR", "user", &user]),
            29 => words(&["STOCK.RESERVE", "fresh", "1", "PARTIAL", "FOR", "user", &user]),
            30 => words(&["STOCK.ADD", "-250"]),
            31 => words(&["STOCK.SET", "7", "NX"]),
            32 => words(&["STOCK.SWEEP", "COUNT", self.one_of(&["1", "5", "130"])]),
            33..36 => {
                let fresh = format!("y{}", which % 8);
                words(&["STOCK.RESERVE", &fresh, "2", "REPLACES", &id, "FOR", "user", &user])
            }
            _ => words(&["STOCK.SUSPEND"]),
        }
    }
}
