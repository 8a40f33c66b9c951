//! Where a pool's history left the one in the database. Only STOCK.RECONCILE … DRYRUN tells, by
//! what it would count from.

use anyhow::{bail, Context, Result};
use redis::Value;

use super::pools::{command, reconcile, Pool, Reconciled};
use super::RedisClient;
use crate::projection::{LineageQuery, Past, Position};

/// A `seq` beyond every change: asked with it, an epoch answers with its end.
const BEYOND: i64 = (1 << 53) - 1;
/// How many changes are asked about in one step of the search for an epoch's end.
const CANDIDATES: i64 = 15;

/// What a pool says of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It does not know it.
    Unknown,
    /// It knows it, and counts nothing on hand: it does not tell where the epoch ended.
    Uncounted,
    /// The epoch goes on.
    Present { seq: i64, out: i64 },
    /// It ended with this `out`.
    Ended { out: i64 },
}

impl RedisClient {
    /// Where the pool's history left the one in the database. An error of the server is an error: a
    /// guess could put units back in the stock row that were sold.
    pub async fn past(&mut self, question: &LineageQuery) -> Result<Past> {
        let LineageQuery { pool, seq, position, known } = question;
        let Some(ends) = self.ends(pool, &[&position.epoch]).await? else { return Ok(Past::Unknown) };
        match ends.first() {
            Some(End::Unknown) | None => {}
            // As far as anybody can tell it went on.
            Some(End::Uncounted) if *seq > position.seq => {
                return Ok(Past::Common { seq: position.seq, out: position.out });
            }
            Some(End::Uncounted) => return Ok(Past::Unknown),
            Some(end) => {
                let (ended, out) = self.end_of(pool, &position.epoch, *end, position.seq.max(*seq)).await?;
                return Ok(if *seq <= ended {
                    Past::Older
                } else if ended >= position.seq {
                    Past::Common { seq: position.seq, out: position.out }
                } else {
                    Past::Common { seq: ended, out }
                });
            }
        }
        // It left before that epoch began: the last one that both know.
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let Some(ends) = self.ends(pool, &known).await? else { return Ok(Past::Unknown) };
        let mut last = None;
        for (epoch, end) in known.into_iter().zip(ends) {
            match end {
                End::Unknown => {}
                End::Uncounted => return Ok(Past::Unknown),
                end => last = last.max(Some(self.end_of(pool, epoch, end, position.seq.max(*seq)).await?)),
            }
        }
        Ok(match last {
            None => Past::Foreign,
            Some((ended, _)) if *seq <= ended => Past::Older,
            Some((seq, out)) => Past::Common { seq, out },
        })
    }

    /// What the pool says of each epoch, at one moment. None: there is no pool.
    async fn ends(&mut self, pool: &str, epochs: &[&str]) -> Result<Option<Vec<End>>> {
        let asked: Vec<(&str, i64, i64)> = epochs.iter().map(|epoch| (*epoch, BEYOND, 0)).collect();
        let Some((now, answers)) = self.follow_up(pool, &asked).await? else { return Ok(None) };
        let ends = epochs.iter().zip(answers).map(|(epoch, answer)| match answer {
            Some(_) if now.on_hand.is_none() => End::Uncounted,
            Some(_) if *epoch == now.epoch => End::Present { seq: now.seq, out: now.out },
            Some(out) => End::Ended { out },
            None => End::Unknown,
        });
        Ok(Some(ends.collect()))
    }

    /// The `seq` at which an epoch ended, at most `most`, and its `out` there.
    async fn end_of(&mut self, pool: &str, epoch: &str, end: End, most: i64) -> Result<(i64, i64)> {
        let out = match end {
            End::Present { seq, out } => return Ok((seq, out)),
            End::Ended { out } => out,
            End::Unknown | End::Uncounted => bail!("{pool} does not tell where {epoch} ended"),
        };
        // Up to its end an epoch answers with the `out` that it is asked with, and beyond with its
        // own.
        let other = if out == 0 { 1 } else { 0 };
        let (mut low, mut high) = (0, most);
        while low < high {
            let step = (high - low).div_euclid(CANDIDATES + 1).max(1);
            // The highest first: mostly nothing was lost.
            let candidates: Vec<i64> = (0..CANDIDATES).map(|n| high - n * step).filter(|seq| *seq > low).collect();
            let asked: Vec<(&str, i64, i64)> = candidates.iter().map(|seq| (epoch, *seq, other)).collect();
            let answers = self.follow_up(pool, &asked).await?.context("the pool was deleted meanwhile")?.1;
            for (seq, answer) in candidates.iter().zip(answers) {
                if answer.context("the pool was made anew meanwhile")? == other {
                    low = low.max(*seq);
                } else {
                    high = high.min(*seq - 1);
                }
            }
        }
        Ok((low, out))
    }

    /// For each change (epoch, `seq`, `out`): the `out` that the pool would count from; none where
    /// it does not know the epoch. None: there is no pool.
    async fn follow_up(
        &mut self,
        pool: &str,
        changes: &[(&str, i64, i64)],
    ) -> Result<Option<(Pool, Vec<Option<i64>>)>> {
        let (key, get) = command("STOCK.GET", pool);
        let mut commands = vec![get];
        for (epoch, seq, out) in changes {
            let position = Position { epoch: epoch.to_string(), seq: *seq, out: *out, ..Position::default() };
            // With 0 in the stock row, the answer is what has moved since then, and nothing else.
            commands.push(reconcile(pool, 0, &position, true).1);
        }
        let answers = self.atomically(&key, commands).await?;
        let (first, rest) = answers.split_first().context("no answer")?;
        // A key that holds something else is as good as deleted.
        if matches!(first, Value::ServerError(error) if error.code() == "WRONGTYPE") {
            return Ok(None);
        }
        let Some(now) = Pool::of(first)? else { return Ok(None) };
        let mut found = Vec::with_capacity(rest.len());
        for answer in rest {
            found.push(match (Reconciled::of(answer), answer) {
                (Reconciled::Done { on_hand, .. }, _) => Some(now.out + on_hand - now.shifted),
                (Reconciled::Unknown, _) => None,
                // It says so of epochs that it knows.
                (_, Value::ServerError(error)) if now.on_hand.is_none() && error.code() == "ERR" => Some(now.out),
                (other, _) => bail!("STOCK.RECONCILE {pool} answers {other:?}"),
            });
        }
        Ok(Some((now, found)))
    }
}
