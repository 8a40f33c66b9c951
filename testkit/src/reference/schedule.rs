//! Sale windows: from when and until when a pool sells.

use super::answers::{arity, error, refusal, status_ok, syntax, words};
use super::arguments::{number, within, Args};
use super::base::{Answer, MAX_QTY};
use super::pool::Pool;
use super::pools::Reference;
use super::records::Sale;
use crate::reply::Reply;

impl Pool {
    fn sale_at(&self, now: i128) -> Sale {
        if self.policy.from_ms.is_some_and(|from_ms| now < from_ms) {
            Sale::Early
        } else if self.policy.until_ms.is_some_and(|until_ms| now >= until_ms) {
            Sale::Ended
        } else {
            Sale::Open
        }
    }

    /// EARLY and ENDED. A late payment is judged by when its order had been placed: before the end
    /// is soon enough.
    pub(super) fn refuse_outside_the_sale(&self, now: i128, key: &[u8], placed: Option<i128>) -> Result<(), Reply> {
        let with = |word: &str, at_ms: Option<i128>| {
            let Reply::Array(mut items) = refusal(word, key) else { unreachable!("a refusal is an array") };
            items.push(Reply::Int(at_ms.expect("there is a bound") as i64));
            Err(words(&items))
        };
        let sale = match placed {
            None => self.sale_at(now),
            Some(placed_ms) if self.policy.until_ms.is_some_and(|until_ms| placed_ms >= until_ms) => Sale::Ended,
            Some(_) => Sale::Open,
        };
        match sale {
            Sale::Early => with("EARLY", self.policy.from_ms),
            Sale::Ended => with("ENDED", self.policy.until_ms),
            Sale::Open => Ok(()),
        }
    }

    /// Tells of what the clock has opened and ended since it was told last: each once, in order.
    pub(super) fn tell_of_the_sale(&mut self, now: i128) {
        if self.told_sale == Sale::Early && self.policy.from_ms.is_none_or(|from_ms| now >= from_ms) {
            self.told_sale = Sale::Open;
            self.change();
            self.tell("opened", None, 0);
        }
        if self.told_sale == Sale::Open && self.policy.until_ms.is_some_and(|until_ms| now >= until_ms) {
            self.told_sale = Sale::Ended;
            self.change();
            self.tell("ended", None, 0);
        }
    }

    /// Another window: the pool tells at once what is different from before, but not that a sale is
    /// to come.
    pub(super) fn sale_is_scheduled(&mut self, now: i128) {
        self.told_sale = match (self.told_sale, self.sale_at(now)) {
            (before, after) if before == after => before,
            (_, Sale::Early | Sale::Open) => Sale::Early,
            (_, Sale::Ended) => Sale::Open,
        };
        self.tell_of_the_sale(now);
    }
}

impl Reference {
    pub(super) fn schedule(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        if args.rest.is_empty() {
            return Err(arity());
        }
        let (mut from, mut until, mut note) = (None, None, None);
        while let Ok(word) = args.next() {
            if word.eq_ignore_ascii_case(b"NOTE") && note.is_none() {
                note = Some(args.id()?);
                continue;
            }
            let bound = match word.to_ascii_uppercase().as_slice() {
                b"FROM" => &mut from,
                b"UNTIL" => &mut until,
                _ => return Err(syntax()),
            };
            let at_ms = args.next().map_err(|_| syntax())?;
            let at_ms = match at_ms.eq_ignore_ascii_case(b"NONE") {
                true => None,
                false => Some(within(number(&at_ms)?, 1, MAX_QTY)?),
            };
            if bound.replace(at_ms).is_some() {
                return Err(syntax());
            }
        }
        let wrong = || error("a sale begins before it ends");
        let backwards = |from: Option<i128>, until: Option<i128>| from.zip(until).is_some_and(|(a, b)| a >= b);
        if backwards(from.flatten(), until.flatten()) {
            return Err(wrong());
        }
        self.write(now, &key, |pool, _| {
            let from_ms = from.unwrap_or(pool.policy.from_ms);
            let until_ms = until.unwrap_or(pool.policy.until_ms);
            if backwards(from_ms, until_ms) {
                return Err(wrong());
            }
            if (from_ms, until_ms) != (pool.policy.from_ms, pool.policy.until_ms) {
                let mut changed = Vec::new();
                for (name, differs) in
                    [("from", pool.policy.from_ms != from_ms), ("until", pool.policy.until_ms != until_ms)]
                {
                    changed.extend(differs.then_some(name));
                }
                (pool.policy.from_ms, pool.policy.until_ms) = (from_ms, until_ms);
                pool.change();
                pool.tell_policy(changed.join(","), note.as_ref());
                pool.sale_is_scheduled(now);
            }
            Ok(status_ok())
        })
    }
}
