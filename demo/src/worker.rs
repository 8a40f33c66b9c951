//! Runs the orders through many connections. Each worker keeps a log of what it was told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis::{Client, Cmd};

use crate::answer::Answer;
use crate::calls::{self, Caller, Reply};
use crate::judge;
use crate::live::Live;
use crate::log::{End, Entry, Faults, Outcome};
use crate::scenario::{Click, Order, Plan, Scenario};

/// How many orders a worker has in flight: reserved and not yet paid, or waiting to ask again.
const DEPTH: usize = 64;
/// Of 100 payments, cancellations and returns so many are sent twice, and so many lose their
/// answer.
const REPEATED: u32 = 4;
const LOST: u32 = 1;

/// Which orders go through, and how.
pub struct Round<'a> {
    pub sale: &'a Scenario,
    pub orders: &'a [u32],
    /// The waiting list: everybody pays, nobody clicks twice. Nothing comes back while it runs.
    pub waiting_list: bool,
    pub seed: u64,
    /// What is shown of it.
    pub live: &'a Live,
}

pub fn run(round: &Round, client: &Client, connections: usize, start: Instant, bar: &ProgressBar) -> Result<Outcome> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let one = |number: usize| -> Result<Outcome> {
        let caller = Caller::new(client, start)?;
        let rng = SmallRng::seed_from_u64(round.seed.wrapping_add(number as u64));
        let mut worker = Worker { round, caller, rng, entries: vec![], pending: vec![], faults: Faults::default() };
        worker.work(&next, &stop, bar)?;
        Ok(worker.outcome())
    };
    let mut all = Outcome::default();
    std::thread::scope(|scope| -> Result<()> {
        let (one, stop) = (&one, &stop);
        // One worker's error ends the demo: the others need not go on.
        let guarded = move |number| one(number).inspect_err(|_| stop.store(true, Ordering::Relaxed));
        let threads: Vec<_> = (0..connections).map(|number| scope.spawn(move || guarded(number))).collect();
        for thread in threads {
            all.merge(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(())
    })?;
    Ok(all)
}

struct Worker<'a> {
    round: &'a Round<'a>,
    caller: Caller,
    rng: SmallRng,
    entries: Vec<Entry>,
    /// Entries whose order has a next step.
    pending: Vec<usize>,
    faults: Faults,
}

impl<'a> Worker<'a> {
    fn work(&mut self, next: &AtomicUsize, stop: &AtomicBool, bar: &ProgressBar) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let order = self.round.orders.get(next.fetch_add(1, Ordering::Relaxed));
            if let Some(order) = order {
                self.entries.push(Entry::new(*order));
                self.ask(self.entries.len() - 1, true)?;
                bar.inc(1);
            } else if self.pending.is_empty() {
                break;
            }
            while self.pending.len() > DEPTH || (order.is_none() && !self.pending.is_empty()) {
                let at = self.pending.swap_remove(self.rng.random_range(0..self.pending.len()));
                self.go_on(at)?;
            }
        }
        Ok(())
    }

    fn outcome(self) -> Outcome {
        let Caller { calls, reconnects, latencies, .. } = self.caller;
        Outcome { entries: self.entries, calls, reconnects, latencies, faults: self.faults }
    }

    fn order(&self, at: usize) -> &'a Order {
        &self.round.sale.orders[self.entries[at].order as usize]
    }

    fn plan(&self, at: usize) -> Plan {
        if self.round.waiting_list {
            Plan::Confirm
        } else {
            self.order(at).plan
        }
    }

    fn go_on(&mut self, at: usize) -> Result<()> {
        match (self.entries[at].end, self.plan(at)) {
            (End::Held, Plan::Release) => self.release(at),
            (End::Held, _) => self.confirm(at),
            (End::Confirmed, Plan::Return { qty, token }) => self.give_back(at, qty, token),
            _ => self.ask(at, false),
        }
    }

    fn ask(&mut self, at: usize, first: bool) -> Result<()> {
        let (order, plan) = (self.order(at), self.plan(at));
        let click = if first && !self.round.waiting_list { order.click } else { Click::Once };
        let asked = Instant::now();
        let cmd = calls::reserve(self.round.sale, order, plan);
        let reply = match click {
            Click::Double => {
                let (reply, other) = self.caller.call_twice(&cmd)?;
                match other {
                    Some(other) if !judge::double(order, plan, &reply.answer, &other) => {
                        self.wrong(at, &cmd, &other);
                    }
                    Some(Answer::Exists { .. }) => self.entries[at].repeats += 1,
                    _ => {}
                }
                reply
            }
            _ => self.caller.call(&cmd, click == Click::Lost)?,
        };
        self.decided(at, &cmd, &reply)?;
        if click == Click::Again && self.entries[at].end == End::Held {
            self.repeat(at, &cmd, "reserved", order.qty)?;
        }
        match (self.entries[at].end, self.entries[at].limited.iter().position(|count| *count > 0)) {
            (End::Held, _) => self.round.live.held(order.qty),
            (End::SoldOut, _) => self.round.live.refused("sold out"),
            (End::Limited, Some(rule)) => self.round.live.refused(&self.round.sale.limit_texts()[rule]),
            _ => {}
        }
        let entry = &self.entries[at];
        let more = match (entry.end, plan) {
            (End::Held, Plan::Expire { px }) => {
                self.round.live.abandoned(order.qty, asked + Duration::from_millis(u64::from(px)));
                self.entries[at].end = End::Expired;
                false
            }
            (End::Held, _) => true,
            (End::SoldOut | End::Limited, _) => {
                let asked: u32 = entry.soldout + entry.limited.iter().sum::<u32>();
                !self.round.waiting_list && asked <= u32::from(order.tries)
            }
            _ => false,
        };
        if more {
            self.pending.push(at);
        }
        Ok(())
    }

    /// Takes the answer to a reservation into the entry.
    fn decided(&mut self, at: usize, cmd: &Cmd, reply: &Reply) -> Result<()> {
        let (order, plan) = (self.order(at), self.plan(at));
        if !judge::reservation(self.round.sale, order, plan, reply, &mut self.entries[at]) {
            self.wrong(at, cmd, &reply.answer);
        } else if reply.resent && matches!(self.entries[at].end, End::SoldOut | End::Limited) {
            self.withdraw(at)?;
        }
        Ok(())
    }

    fn withdraw(&mut self, at: usize) -> Result<()> {
        let cmd = calls::release(self.round.sale, self.order(at));
        match self.caller.call(&cmd, false)?.answer {
            Answer::Ok(words) if !words.is_empty() => self.entries[at].end = End::Withdrawn(words[0]),
            Answer::NoOrder | Answer::Exists { .. } => self.entries[at].end = End::Withdrawn(0),
            answer => self.wrong(at, &cmd, &answer),
        }
        Ok(())
    }

    fn confirm(&mut self, at: usize) -> Result<()> {
        let order = self.order(at);
        let cmd = calls::confirm(self.round.sale, order);
        if self.finish(at, &cmd, "confirmed", order.qty, order.qty)?.is_some() {
            self.entries[at].end = End::Confirmed;
            self.round.live.ended(order.qty, order.qty);
            if let Plan::Return { .. } = self.plan(at) {
                self.pending.push(at);
            }
        }
        Ok(())
    }

    fn release(&mut self, at: usize) -> Result<()> {
        let order = self.order(at);
        let cmd = calls::release(self.round.sale, order);
        if let Some(sent) = self.finish(at, &cmd, "released", order.qty, order.qty)? {
            self.entries[at].end = End::Released;
            self.round.live.ended(order.qty, 0);
            self.entries[at].until = sent;
        }
        Ok(())
    }

    fn give_back(&mut self, at: usize, qty: i64, token: bool) -> Result<()> {
        let order = self.order(at);
        let cmd = calls::give_back(self.round.sale, order, token.then_some(qty));
        let state = if qty == order.qty { "returned" } else { "confirmed" };
        if let Some(sent) = self.finish(at, &cmd, state, qty, order.qty)? {
            self.entries[at].end = End::Returned(qty);
            self.round.live.returned(qty);
            self.entries[at].until = sent;
        }
        Ok(())
    }

    /// A call that must succeed with `moved` units, and leave the order in `state` with `qty`.
    /// Answers when it was sent.
    fn finish(&mut self, at: usize, cmd: &Cmd, state: &str, moved: i64, qty: i64) -> Result<Option<u64>> {
        let draw = self.rng.random_range(0..100);
        let reply = self.caller.call(cmd, draw < LOST)?;
        let fits = match &reply.answer {
            Answer::Ok(words) => words.first() == Some(&moved),
            Answer::Exists { state: is, qty: has } => reply.resent && is == state && *has == qty,
            _ => false,
        };
        if !fits {
            self.wrong(at, cmd, &reply.answer);
            return Ok(None);
        }
        if (LOST..LOST + REPEATED).contains(&draw) {
            self.repeat(at, cmd, state, qty)?;
        }
        Ok(Some(reply.sent))
    }

    /// The same call again changes nothing and says so.
    fn repeat(&mut self, at: usize, cmd: &Cmd, state: &str, qty: i64) -> Result<()> {
        let reply = self.caller.call(cmd, false)?;
        let overdue = self.entries[at].until < reply.got;
        match &reply.answer {
            Answer::Exists { state: is, qty: has } if is == state && *has == qty => self.entries[at].repeats += 1,
            Answer::Closed { state } if overdue && state == "expired" => {}
            answer => self.wrong(at, cmd, answer),
        }
        Ok(())
    }

    fn wrong(&mut self, at: usize, cmd: &Cmd, answer: &Answer) {
        self.entries[at].end = End::Wrong;
        self.faults.add(format!("{} answered {answer:?}", calls::describe(cmd)));
    }
}
