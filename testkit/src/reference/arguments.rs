//! The arguments of a call.

use std::collections::BTreeSet;

use super::answers::{arity, error, syntax};
use super::base::{Attributes, Bytes, MAX_AHEAD_MS, MAX_QTY, MAX_SECONDS};
use super::limit::Count;
use super::records::{ReturnToken, State};
use super::window::{calendar_window, Window};
use super::zone::Tz;
use crate::reply::Reply;

/// The arguments that are not read yet.
pub(super) struct Args<'a> {
    pub(super) rest: &'a [Bytes],
}

/// What the options of a call said; each command allows only its own.
#[derive(Default)]
pub(super) struct Options {
    pub(super) deadline_ms: Option<i128>,
    pub(super) partial: bool,
    pub(super) attributes: Option<Attributes>,
    pub(super) values: Option<Vec<Bytes>>,
    pub(super) qty: Option<i128>,
    pub(super) token: Option<Bytes>,
    pub(super) late: bool,
    pub(super) since_ms: Option<i128>,
    pub(super) keep_usage: bool,
    pub(super) no_restock: bool,
    pub(super) policy: Option<Bytes>,
    pub(super) nx: bool,
    pub(super) xx: bool,
    pub(super) count: Option<usize>,
    pub(super) count_what: Option<Count>,
    pub(super) state: Option<State>,
    pub(super) per: Option<Window>,
    pub(super) rolling: bool,
    pub(super) tz: Option<Tz>,
    pub(super) allow_missing: Option<bool>,
    pub(super) replaces: Option<Bytes>,
    pub(super) returning: bool,
    pub(super) details: bool,
    pub(super) top: Option<usize>,
    pub(super) note: Option<Bytes>,
    pub(super) merge: bool,
    pub(super) received: bool,
    pub(super) limit_by: Option<Vec<Bytes>>,
}

impl Options {
    /// PER, with ROLLING or without.
    pub(super) fn window(&self) -> Result<Window, Reply> {
        match (self.per, self.rolling) {
            (per, false) => Ok(per.unwrap_or(Window::Life)),
            (Some(Window::Seconds(seconds)), true) => Ok(Window::Rolling(seconds)),
            _ => Err(error("ROLLING needs a number of seconds")),
        }
    }

    /// QTY and TOKEN stand together, LATE with them.
    pub(super) fn return_token(&self) -> Result<Option<(Bytes, ReturnToken)>, Reply> {
        match (self.qty, &self.token) {
            (None, None) if !self.late => Ok(None),
            (Some(qty), Some(name)) => {
                let content = ReturnToken { qty, keep_usage: self.keep_usage, no_restock: self.no_restock };
                Ok(Some((name.clone(), content)))
            }
            _ => Err(syntax()),
        }
    }
}

impl Args<'_> {
    pub(super) fn next(&mut self) -> Result<Bytes, Reply> {
        let (first, rest) = self.rest.split_first().ok_or_else(arity)?;
        self.rest = rest;
        Ok(first.clone())
    }

    /// Takes the next argument where it is this word.
    pub(super) fn take_word(&mut self, word: &[u8]) -> bool {
        let is_it = self.rest.first().is_some_and(|next| next.eq_ignore_ascii_case(word));
        if is_it {
            self.rest = &self.rest[1..];
        }
        is_it
    }

    pub(super) fn end(&self) -> Result<(), Reply> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(arity()),
        }
    }

    pub(super) fn key(&mut self) -> Result<Bytes, Reply> {
        self.next()
    }

    pub(super) fn id(&mut self) -> Result<Bytes, Reply> {
        let id = self.next()?;
        identifier(&id)?;
        Ok(id)
    }

    pub(super) fn quantity(&mut self) -> Result<i128, Reply> {
        within(number(&self.next()?)?, 1, MAX_QTY)
    }

    /// `user`, `region+user`, or `*` for none; in the order given.
    pub(super) fn by(&mut self) -> Result<Vec<Bytes>, Reply> {
        let text = self.next()?;
        if text == b"*" {
            return Ok(Vec::new());
        }
        let names: Vec<Bytes> = text.split(|byte| *byte == b'+').map(<[u8]>::to_vec).collect();
        match valid_by(&names) {
            true => Ok(names),
            false => Err(error("these are no dimensions")),
        }
    }

    /// Reads all that is left as options. `EX` stands for `EX`, `PX` and `PXAT`; `COUNT=n` for a
    /// count up to n, and `COUNT=` for what a limit counts; `FOR` for attributes, and `FOR=` for
    /// the values of an override.
    pub(super) fn options(&mut self, now: i128, allowed: &[&str]) -> Result<Options, Reply> {
        let mut options = Options::default();
        let mut seen = BTreeSet::new();
        while !self.rest.is_empty() {
            let word = self.next()?.to_ascii_uppercase();
            let word = String::from_utf8(word).map_err(|_| syntax())?;
            let group = match word.as_str() {
                "PX" | "PXAT" => "EX",
                word => word,
            };
            let as_allowed = allowed.iter().find(|name| name.split('=').next() == Some(group));
            let as_allowed = as_allowed.ok_or_else(syntax)?;
            if !seen.insert(group.to_owned()) {
                return Err(syntax());
            }
            match word.as_str() {
                "EX" => options.deadline_ms = Some(now + self.positive()? * 1000),
                "PX" => options.deadline_ms = Some(now + self.positive()?),
                "PXAT" => options.deadline_ms = Some(self.positive()?),
                "DETAILS" => options.details = true,
                "TOP" => options.top = Some(within(number(&self.next()?)?, 1, 1000)? as usize),
                "RETURNING" => options.returning = true,
                "PARTIAL" => options.partial = true,
                "ROLLING" => options.rolling = true,
                "QTY" => options.qty = Some(self.quantity()?),
                "TOKEN" => options.token = Some(self.id()?),
                "MERGE" => options.merge = true,
                "NOTE" => options.note = Some(self.id()?),
                "LATE" => options.late = true,
                "RECEIVED" => options.received = true,
                "LIMIT" => options.limit_by = Some(self.by()?),
                "REPLACES" => options.replaces = Some(self.id()?),
                "SINCE" => options.since_ms = Some(self.positive()?),
                "KEEPUSAGE" => options.keep_usage = true,
                "NORESTOCK" => options.no_restock = true,
                "POLICY" => options.policy = Some(self.next()?.clone()),
                "NX" => options.nx = true,
                "XX" => options.xx = true,
                "STATE" => {
                    let name = self.next()?.to_ascii_lowercase();
                    let state = State::ALL.into_iter().find(|state| state.name().as_bytes() == name);
                    options.state = Some(state.ok_or_else(syntax)?);
                }
                "COUNT" => match as_allowed.trim_start_matches("COUNT=") {
                    "" => options.count_what = Some(self.count_what()?),
                    most => {
                        let most = most.parse().expect("a number in the table of options");
                        options.count = Some(within(number(&self.next()?)?, 1, most)? as usize);
                    }
                },
                "PER" => options.per = Some(self.window()?),
                "TZ" => {
                    let tz = Tz::parse(&self.next()?);
                    options.tz = Some(tz.ok_or_else(|| error("this is no time zone"))?);
                }
                "MISSING" => {
                    options.allow_missing = Some(match self.next()?.to_ascii_uppercase().as_slice() {
                        b"REFUSE" => false,
                        b"ALLOW" => true,
                        _ => return Err(syntax()),
                    });
                }
                "FOR" if *as_allowed == "FOR=" => {
                    options.values = Some(std::mem::take(&mut self.rest).to_vec());
                }
                "FOR" => options.attributes = Some(self.attributes()?),
                _ => return Err(syntax()),
            }
        }
        if options.deadline_ms.is_some_and(|deadline_ms| deadline_ms > now + MAX_AHEAD_MS) {
            return Err(error("the deadline lies too far ahead"));
        }
        Ok(options)
    }

    pub(super) fn positive(&mut self) -> Result<i128, Reply> {
        within(number(&self.next()?)?, 1, i64::MAX.into())
    }

    pub(super) fn count_what(&mut self) -> Result<Count, Reply> {
        match self.next()?.to_ascii_uppercase().as_slice() {
            b"UNITS" => Ok(Count::Units),
            b"ORDERS" => Ok(Count::Orders),
            _ => Err(syntax()),
        }
    }

    pub(super) fn window(&mut self) -> Result<Window, Reply> {
        let word = self.next()?;
        let text = String::from_utf8_lossy(&word).to_ascii_lowercase();
        match calendar_window(&text) {
            Some(window) => Ok(window),
            None => Ok(Window::Seconds(within(number(&word)?, 1, MAX_SECONDS)?)),
        }
    }

    /// `dim value [dim value ...]`, to the end.
    pub(super) fn attributes(&mut self) -> Result<Attributes, Reply> {
        let pairs = std::mem::take(&mut self.rest);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) || pairs.len() > 32 {
            return Err(syntax());
        }
        let mut attributes = Attributes::new();
        for pair in pairs.chunks_exact(2) {
            if !valid_dim(&pair[0]) {
                return Err(error("this is no dimension"));
            }
            identifier(&pair[1])?;
            if attributes.insert(pair[0].clone(), pair[1].clone()).is_some() {
                return Err(syntax());
            }
        }
        Ok(attributes)
    }
}

/// A strict decimal: no sign `+`, no leading zero, no space.
pub(super) fn number(text: &[u8]) -> Result<i128, Reply> {
    let invalid = || error("value is not an integer or out of range");
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        b"0" => digits.len() == text.len(),
        _ => digits.first().is_some_and(|digit| *digit != b'0') && digits.iter().all(u8::is_ascii_digit),
    };
    if !canonical || digits.len() > 19 {
        return Err(invalid());
    }
    let text = std::str::from_utf8(text).map_err(|_| invalid())?;
    text.parse().map_err(|_| invalid())
}

pub(super) fn within(value: i128, least: i128, most: i128) -> Result<i128, Reply> {
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(error("value is out of range")),
    }
}

/// Order ids, values and tokens.
pub(super) fn identifier(bytes: &[u8]) -> Result<(), Reply> {
    match (1..=128).contains(&bytes.len()) {
        true => Ok(()),
        false => Err(error("1 to 128 bytes, please")),
    }
}

pub(super) fn valid_dim(name: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(byte);
    (1..=32).contains(&name.len()) && name.iter().all(valid)
}

pub(super) fn valid_by(names: &[Bytes]) -> bool {
    let distinct: BTreeSet<_> = names.iter().collect();
    names.len() <= 4 && distinct.len() == names.len() && names.iter().all(|name| valid_dim(name))
}
