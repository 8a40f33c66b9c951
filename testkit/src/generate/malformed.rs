//! Calls that are wrong.

use super::{words, Generator, Rng, CROWDED};

impl Generator {
    pub(super) fn malformed(&mut self) -> Vec<Vec<u8>> {
        let key = self.pool().1;
        let bad = self.one_of(&[
            "0",
            "-1",
            "01",
            "+1",
            " 1",
            "1 ",
            "",
            "abc",
            "1.0",
            "9007199254740992",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999999999",
        ]);
        let long = "x".repeat(129);
        let mut argv = match self.rng.random_range(0..13) {
            0 => words(&["STOCK.RESERVE", key, "o1", bad, "FOR", "user", "u1"]),
            1 => match self.chance(50) {
                true => words(&["STOCK.AMEND", key, "o1", bad]),
                false => words(&["STOCK.SPLIT", key, "o1", "o2", bad]),
            },
            2 => words(&["STOCK.RESERVE", key, "o1", "1", "PX", bad, "FOR", "user", "u1"]),
            3 => words(&["STOCK.CHECK", key, bad]),
            4 => words(&["STOCK.CONFIRM", key, "o1", "QTY", bad]),
            5 => words(&["STOCK.RETURN", key, "o1", "QTY", bad, "TOKEN", "t1"]),
            6 => words(&["STOCK.RELEASE", key, self.one_of(&["", long.as_str()])]),
            7 => words(&["STOCK.SWEEP", key, "COUNT", self.one_of(&["0", "100001", "-1"])]),
            8 => words(&["STOCK.LIMIT", key, "user", self.one_of(&["-1", "01", "none"])]),
            9 => {
                let texts = [
                    "",
                    "{",
                    "[]",
                    "{\"hold\":0}",
                    "{\"hold\":315360001}",
                    "{\"colour\":1}",
                    "{\"limits\":[{\"max\":1}]}",
                    "{\"limits\":[{\"by\":[\"user\"],\"per\":\"year\"}]}",
                    "{\"limits\":[{\"by\":[\"user\"]},{\"by\":[\"user\"],\"max\":1}]}",
                    "{\"limits\":[{\"by\":[\"a\",\"b\"],\"overrides\":[{\"for\":[\"x\"],\"max\":1}]}]}",
                    "{\"limits\":[{\"by\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}]}",
                    "{\"limits\":[{\"by\":[\"User\"]}]}",
                    "{\"alert\":-1}",
                    "{\"events_format\":\"json\"}",
                    "{\"events_format\":null}",
                    "{\"events_format\":{\"packed\":null}}",
                    "{\"limits\":[{\"by\":[],\"count\":{\"orders\":null}}]}",
                    "{\"limits\":[{\"by\":[],\"missing\":{\"allow\":null}}]}",
                    "{\"from\":0}",
                    "{\"until\":null}",
                    "{\"from\":9,\"until\":9}",
                    "{\"limits\":[{\"by\":[\"user\"],\"tz\":\"+18:01\"}]}",
                ];
                words(&["STOCK.SETPOLICY", key, self.one_of(&texts)])
            }
            10 => {
                let calls: [&[&str]; 71] = [
                    &["STOCK.SET", "pool:none", "1", "NX", "POLICY"],
                    &["STOCK.SET", "pool:none", "1", "NX", "POLICY", "{}", "POLICY", "{}"],
                    &["STOCK.SET", "pool:none", "1", "POLICY", "{}"],
                    &["STOCK.SET", "pool:none", "1", "NX", "POLICY", "{\"hold\":0}"],
                    &["STOCK.RESERVEBATCH", key, "ORDERS", "1", "o1", bad],
                    &["STOCK.RESERVEBATCH", key, "ORDERS", bad, "o1", "1"],
                    &["STOCK.RESERVEBATCH", key, "ORDERS", "2", "o1", "1", "o2"],
                    &["STOCK.RESERVEBATCH", key, "ORDERS", "2", "o1", "1", &long, "1"],
                    &["STOCK.RESERVEBATCH", key, "DIMS", bad, "user", "ORDERS", "1", "o1", "1", "u1"],
                    &["STOCK.RESERVEBATCH", key, "DIMS", "2", "user", "user", "ORDERS", "1", "o1", "1", "u1", "u1"],
                    &["STOCK.RESERVEBATCH", key, "DIMS", "1", "User", "ORDERS", "1", "o1", "1", "u1"],
                    &["STOCK.RESERVEBATCH", key, "EX", "1", "PX", "1", "ORDERS", "1", "o1", "1"],
                    &["STOCK.RESERVEBATCH", key, "DIMS", "1", "user", "ORDERS", "1", "o1", "1", &long],
                    &["STOCK.CONFIRMBATCH", key, "ORDERS", bad, "o1"],
                    &["STOCK.CONFIRMBATCH", key, "ORDERS", "1", "o1", "o2"],
                    &["STOCK.CONFIRMBATCH", key, "ORDERS", "1", &long],
                    &["STOCK.SETPOLICY", key, "[]", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{\"colour\":1}", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{}", "MERGE", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{\"limits\":{\"user\":{}}}", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{\"limits\":{\"user/day/units\":5}}", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{\"limits\":{\"user/day/units\":{\"by\":null}}}", "MERGE"],
                    &["STOCK.SETPOLICY", key, "{\"limits\":{\"user/day-rolling/units\":{}}}", "MERGE"],
                    &["STOCK.SUSPEND", key, "NOTE"],
                    &["STOCK.RESUME", key, "NOTE", "a", "NOTE", "b"],
                    &["STOCK.SET", key, "5", "NOTE", ""],
                    &["STOCK.ADD", key, "5", "NOTE", &long],
                    &["STOCK.LIMIT", key, "user", "5", "FOR", "u1", "NOTE", "a"],
                    &["STOCK.TRANSFER", key, key, "1", "TOKEN", "t1"],
                    &["STOCK.TRANSFER", key, "pool:none", bad, "TOKEN", "t1"],
                    &["STOCK.TRANSFER", key, CROWDED, "1", "TOKEN"],
                    &["STOCK.TRANSFER", key, CROWDED, "1", "TOKEN", ""],
                    &["STOCK.TRANSFER", key, CROWDED, "1", "TOKEN", &long],
                    &["STOCK.TRANSFER", key, CROWDED, "1", "TAKEN", "t1"],
                    &["STOCK.TRANSFER", key, CROWDED, "1", "TOKEN", "t1", "TOKEN", "t2"],
                    &["STOCK.TRANSFER", key, CROWDED, "1"],
                    &["STOCK.SCHEDULE", key, "FROM", bad],
                    &["STOCK.SCHEDULE", key, "FROM", "9", "UNTIL", "9"],
                    &["STOCK.SCHEDULE", key, "UNTIL", "8", "FROM", "9"],
                    &["STOCK.SCHEDULE", key, "UNTIL", "9", "UNTIL", "9"],
                    &["STOCK.SCHEDULE", key, "FROM"],
                    &["STOCK.SCHEDULE", key, "AT", "9"],
                    &["STOCK.LIMIT", key, "user", "1", "PER", "DAY", "ROLLING"],
                    &["STOCK.UNLIMIT", key, "user", "ROLLING"],
                    &["STOCK.SPLIT", key, "o1", "o1", "1"],
                    &["STOCK.SPLIT", key, "o1", "o2", "1", "FOR"],
                    &["STOCK.RESERVE", key, "o1", "1", "REPLACES", "o1"],
                    &["STOCK.RESERVE", key, "o1", "1", "REPLACES"],
                    &["STOCK.RESERVE", key, "o1", "1", "REPLACES", "o2", "REPLACES", "o3"],
                    &["STOCK.RESERVE", key, "o1", "1", "REPLACES", &long],
                    &["STOCK.RESERVE", key, "o1", "1", "EX", "1", "PX", "1"],
                    &["STOCK.RESERVE", key, "o1", "1", "PARTIAL", "PARTIAL"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR", "user", "u1", "user", "u1"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR", "User", "u1"],
                    &["STOCK.RESERVE", key, "o1", "1", "LATE"],
                    &["STOCK.RESERVE", key, "o1", "1", "EX", "315360001"],
                    &["STOCK.CONFIRM", key, "o1", "SINCE", "1"],
                    &["STOCK.CONFIRM", key, "o1", "FOR", "user", "u1"],
                    &["STOCK.CONFIRM", key, "o1", "LATE", "LATE"],
                    &["STOCK.RETURN", key, "o1", "QTY", "1"],
                    &["STOCK.RETURN", key, "o1", "TOKEN", "t1"],
                    &["STOCK.RETURN", key, "o1", "LATE"],
                    &["STOCK.SET", key, "1", "NX", "XX"],
                    &["STOCK.LIMIT", key, "user+user", "1"],
                    &["STOCK.LIMIT", key, "user+region", "1", "FOR", "u1"],
                    &["STOCK.LIMIT", key, "user", "1", "PER", "YEAR"],
                    &["STOCK.LIMIT", key, "user", "1", "TZ", "8:00"],
                    &["STOCK.LIMIT", key, "user", "1", "PER", "DAY", "TZ", "Europe/Atlantis"],
                    &["STOCK.LIMIT", key, "user", "1", "PER", "DAY", "TZ", "Europe"],
                ];
                words(self.one_of(&calls))
            }
            11 => words(&["STOCK.EXTEND", key, "o1"]),
            _ => self.last.clone().unwrap_or_else(|| words(&["STOCK.GET"])),
        };
        if self.chance(15) {
            match self.chance(50) {
                true => argv.push(b"JUNK".to_vec()),
                false => argv.truncate(argv.len().saturating_sub(1).max(1)),
            }
        }
        argv
    }
}
