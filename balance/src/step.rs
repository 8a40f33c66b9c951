//! One call of `STOCK.SHIFT`.

use crate::bucket::Quota;

/// Which call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Units or quota leave, if they are free.
    Send,
    /// They arrive; quota not before this time, Unix ms.
    Receive {
        /// The source's `since_ms`.
        since_ms: i64,
    },
    /// They leave, since the peer has them already: a failover has lost the first call.
    TakeOff,
}

/// One call, at one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The bucket at which it is made.
    pub key: String,
    /// The other one.
    pub peer: String,
    /// What shifts: a quota of a limit; `None` = units.
    pub quota: Option<Quota>,
    /// The total from then on.
    pub total: i64,
    /// Which call.
    pub kind: Kind,
}

impl Step {
    /// The second half of a step that was made: what left arrives.
    #[must_use]
    pub fn second_half(&self, since_ms: i64) -> Step {
        let Step { key, peer, quota, total, .. } = self.clone();
        Step { key: peer, peer: key, quota, total, kind: Kind::Receive { since_ms } }
    }

    /// The words of the call.
    #[must_use]
    pub fn words(&self) -> Vec<Vec<u8>> {
        let way = if matches!(self.kind, Kind::Receive { .. }) { "FROM" } else { "TO" };
        let mut words: Vec<Vec<u8>> =
            ["STOCK.SHIFT", &self.key, way, &self.peer, &self.total.to_string()].map(|word| word.into()).into();
        if self.kind == Kind::TakeOff {
            words.push("RECEIVED".into());
        }
        let Some(quota) = &self.quota else { return words };
        if let Kind::Receive { since_ms } = self.kind {
            words.extend(["SINCE".into(), since_ms.to_string().into_bytes()]);
        }
        words.extend(limit_words(&quota.limit));
        if !quota.values.is_empty() {
            words.push("FOR".into());
            words.extend(quota.values.iter().cloned());
        }
        words
    }
}

/// How a call names a limit: `region+user/60-rolling/orders` as `LIMIT region+user PER 60 ROLLING
/// COUNT orders`.
fn limit_words(text: &str) -> Vec<Vec<u8>> {
    let mut parts = text.split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (by, window, count) = (part(), part(), part());
    let mut words: Vec<&str> = vec!["LIMIT", by, "PER"];
    match window.strip_suffix("-rolling") {
        Some(seconds) => words.extend([seconds, "ROLLING"]),
        None => words.push(window),
    }
    words.extend(["COUNT", count]);
    words.into_iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: &Step) -> String {
        let words: Vec<String> = step.words().iter().map(|word| String::from_utf8_lossy(word).into()).collect();
        words.join(" ")
    }

    #[test]
    fn steps_are_calls() {
        let units = Step { key: "{b0}x".into(), peer: "{b1}x".into(), quota: None, total: 7, kind: Kind::Send };
        assert_eq!(line(&units), "STOCK.SHIFT {b0}x TO {b1}x 7");
        assert_eq!(line(&units.second_half(5)), "STOCK.SHIFT {b1}x FROM {b0}x 7");
        assert_eq!(line(&Step { kind: Kind::TakeOff, ..units.clone() }), "STOCK.SHIFT {b0}x TO {b1}x 7 RECEIVED");
        let quota = Quota { limit: "region+store/60-rolling/orders".into(), values: vec![b"eu".into(), b"7".into()] };
        let quota = Step { quota: Some(quota), ..units };
        assert_eq!(
            line(&quota.second_half(5)),
            "STOCK.SHIFT {b1}x FROM {b0}x 7 SINCE 5 LIMIT region+store PER 60 ROLLING COUNT orders FOR eu 7"
        );
        let all = Quota { limit: "*/day/units".into(), values: Vec::new() };
        assert_eq!(
            line(&Step { quota: Some(all), ..quota }),
            "STOCK.SHIFT {b0}x TO {b1}x 7 LIMIT * PER day COUNT units"
        );
    }
}
