//! Many orders of one pool in one call: as so many single calls at the same moment, one after the
//! other.

use super::answers::{error, refusal, syntax};
use super::arguments::{identifier, number, valid_dim, within, Args, Options};
use super::base::{Answer, Attributes, Bytes, MAX_QTY};
use super::config::Config;
use super::pool::Pool;
use super::pools::Reference;
use super::selling::{confirm_one, reserve_one};
use crate::reply::Reply;

impl Reference {
    pub(super) fn reserve_batch(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let (mut hold, mut dims) = (None, None);
        loop {
            let word = args.next().map_err(|_| syntax())?.to_ascii_uppercase();
            match word.as_slice() {
                b"EX" | b"PX" | b"PXAT" if hold.is_none() => {
                    let pair = [word, args.next().map_err(|_| syntax())?];
                    hold = Args { rest: &pair }.options(now, &["EX"])?.deadline_ms;
                }
                b"DIMS" if dims.is_none() => dims = Some(dimensions(&mut args)?),
                b"ORDERS" => break,
                _ => return Err(syntax()),
            }
        }
        let dims = dims.unwrap_or_default();
        let mut calls = Vec::new();
        for words in orders(&mut args, 2 + dims.len())? {
            let (id, qty) = (words[0].clone(), within(number(&words[1])?, 1, MAX_QTY)?);
            identifier(&id)?;
            for value in &words[2..] {
                identifier(value)?;
            }
            let attributes: Attributes = dims.iter().cloned().zip(words[2..].iter().cloned()).collect();
            let options = Options { deadline_ms: hold, attributes: Some(attributes), ..Options::default() };
            calls.push((id, qty, options));
        }
        self.write_each(now, &key, calls, |pool, config, (id, qty, options)| {
            reserve_one(pool, config, now, &key, &id, qty, options)
        })
    }

    pub(super) fn confirm_batch(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        if !args.take_word(b"ORDERS") {
            return Err(syntax());
        }
        let ids: Vec<Bytes> = orders(&mut args, 1)?.into_iter().flatten().collect();
        for id in &ids {
            identifier(id)?;
        }
        self.write_each(now, &key, ids, |pool, config, id| {
            confirm_one(pool, config, now, &key, &id, Options::default())
        })
    }

    /// One operation after the other on an existing pool; each keeps what it changed. The due holds
    /// come back once, before the first.
    fn write_each<T>(
        &mut self,
        now: i128,
        key: &[u8],
        calls: Vec<T>,
        operation: impl Fn(&mut Pool, &Config, T) -> Answer,
    ) -> Answer {
        let Some(mut pool) = self.view(now, key) else {
            return Ok(Reply::Array(calls.iter().map(|_| refusal("NOPOOL", key)).collect()));
        };
        let mut answers = Vec::new();
        for call in calls {
            let answer = pool.attempt(&self.config, |pool, config| operation(pool, config, call));
            answers.push(answer.unwrap_or_else(|refused| refused));
        }
        self.keep_one(key, pool);
        Ok(Reply::Array(answers))
    }
}

/// `DIMS n dim [dim ...]` behind its first word.
fn dimensions(args: &mut Args) -> Result<Vec<Bytes>, Reply> {
    let count = within(number(&args.next().map_err(|_| syntax())?)?, 1, 16)?;
    let mut dims = Vec::new();
    for _ in 0..count {
        let dim = args.next().map_err(|_| syntax())?;
        if !valid_dim(&dim) || dims.contains(&dim) {
            return Err(error("these are no dimensions"));
        }
        dims.push(dim);
    }
    Ok(dims)
}

/// How many orders there are, and so many words for each: all that is left.
fn orders(args: &mut Args, words: usize) -> Result<Vec<Vec<Bytes>>, Reply> {
    let count = within(number(&args.next().map_err(|_| syntax())?)?, 1, 128)? as usize;
    if args.rest.len() != count * words {
        return Err(syntax());
    }
    Ok(std::mem::take(&mut args.rest).chunks(words).map(<[Bytes]>::to_vec).collect())
}
