//! One sale in one shop, and what came of it, judged from outside: by what buyers were told and by
//! what the shop would still sell.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};
use tokio::task::JoinSet;

use crate::buyers::{End, Order, Sale};
use crate::shop::{Shop, Stop, Trips, Verdict};

/// A buyer pays when the same worker has served so many others.
const OTHERS_BEFORE_PAYMENT: usize = 2;
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// What was measured.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Orders that were brought to their end.
    pub orders: usize,
    /// Until the last of them was paid or given up.
    pub took: Duration,
    /// From the first click until the buyer has an answer, sorted.
    pub waits: Vec<Duration>,
    /// Units that were sold, or are still offered, without being there.
    pub oversold: i64,
    /// Units that are there and can never be sold.
    pub leaked: i64,
    /// Buyers with more units than allowed.
    pub over_limit: usize,
    /// Buyers who got no answer.
    pub unanswered: usize,
}

/// What workers share.
struct Hall {
    sale: Arc<Sale>,
    shop: Arc<dyn Shop>,
    next: AtomicUsize,
    corrected: AtomicBool,
    start: Instant,
    /// After this time nobody else is let in.
    limit: Duration,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    waits: Vec<Duration>,
    bought: HashMap<u32, i64>,
    unanswered: usize,
}

/// Holds the sale with `workers` buyers at a time; desks `workers..2 * workers` are for second
/// clicks, and one more for those who pay last.
pub async fn hold(sale: Arc<Sale>, shop: Arc<dyn Shop>, workers: usize, limit: Duration) -> Result<Outcome> {
    let hall = Arc::new(Hall {
        sale,
        shop,
        next: AtomicUsize::new(0),
        corrected: AtomicBool::new(false),
        start: Instant::now(),
        limit,
        tally: Mutex::default(),
    });
    let sweeper = tokio::spawn(sweep(hall.shop.clone()));
    let mut at_work = JoinSet::new();
    for desk in 0..workers {
        at_work.spawn(work(hall.clone(), desk, workers));
    }
    let mut later = Vec::new();
    while let Some(ended) = at_work.join_next().await {
        later.extend(ended??);
    }
    let took = hall.start.elapsed();
    for task in later {
        task.await??;
    }
    // Abandoned orders come back.
    tokio::time::sleep(hall.sale.hold + 10 * SWEEP_EVERY).await;
    let left = result(hall.shop.left().await)?;
    sweeper.abort();
    if let Ok(ended) = sweeper.await {
        ended?;
    }

    let tally = std::mem::take(&mut *hall.tally());
    let sold: i64 = tally.bought.values().sum();
    let too_many = left + sold - (hall.sale.units - hall.sale.missing);
    let mut waits = tally.waits;
    waits.sort_unstable();
    Ok(Outcome {
        orders: waits.len(),
        took,
        waits,
        oversold: too_many.max(0),
        leaked: (-too_many).max(0),
        over_limit: tally.bought.values().filter(|units| **units > hall.sale.max).count(),
        unanswered: tally.unanswered,
    })
}

fn result<T>(result: Result<T, Stop>) -> Result<T> {
    result.map_err(|stop| match stop {
        Stop::Failed(error) => error,
        stop => anyhow!("{stop:?} where nothing of the kind was planned"),
    })
}

async fn sweep(shop: Arc<dyn Shop>) -> Result<()> {
    loop {
        match shop.sweep().await {
            Err(Stop::Conflict) => {}
            swept => result(swept)?,
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Somebody who is paid at the end of a hold.
type Later = tokio::task::JoinHandle<Result<()>>;

/// Serves buyers until all have come, or the time is over.
async fn work(hall: Arc<Hall>, desk: usize, workers: usize) -> Result<Vec<Later>> {
    let (mut held, mut later) = (VecDeque::new(), Vec::new());
    while hall.start.elapsed() < hall.limit {
        let number = hall.next.fetch_add(1, Ordering::Relaxed);
        let Some(order) = hall.sale.orders.get(number) else { break };
        let half = number * 2 >= hall.sale.orders.len() || hall.start.elapsed() * 2 > hall.limit;
        if half && !hall.corrected.swap(true, Ordering::Relaxed) {
            result(again(|| hall.shop.correct(hall.sale.missing)).await)?;
        }
        let clicked = Instant::now();
        let verdict = hall.visit(desk, workers, order).await?;
        {
            let mut tally = hall.tally();
            tally.waits.push(clicked.elapsed());
            tally.unanswered += usize::from(verdict == Verdict::Unanswered);
        }
        if verdict == Verdict::Held {
            held.push_back((order.clone(), Instant::now()));
        }
        if held.len() > OTHERS_BEFORE_PAYMENT {
            finish(&hall, desk, workers, held.pop_front(), &mut later).await?;
        }
    }
    while !held.is_empty() {
        finish(&hall, desk, workers, held.pop_front(), &mut later).await?;
    }
    Ok(later)
}

async fn finish(
    hall: &Arc<Hall>,
    desk: usize,
    workers: usize,
    held: Option<(Order, Instant)>,
    later: &mut Vec<Later>,
) -> Result<()> {
    let Some((order, since)) = held else { return Ok(()) };
    match order.end {
        End::Pays => hall.pay(desk, &order).await,
        End::Cancels => result(again(|| hall.shop.cancel(desk, &order)).await),
        End::Abandons => Ok(()),
        End::PaysLast => {
            let hall = hall.clone();
            // Between 30 ms before the deadline and 30 ms behind it, by the order's number.
            let early = 30 - i64::from(order.user % 61);
            let at = since + hall.sale.hold;
            let at = if early > 0 { at - ms(early) } else { at + ms(-early) };
            later.push(tokio::spawn(async move {
                tokio::time::sleep_until(at.into()).await;
                hall.pay(2 * workers, &order).await
            }));
            Ok(())
        }
    }
}

fn ms(number: i64) -> Duration {
    Duration::from_millis(number.unsigned_abs())
}

/// The same until the database has no conflict with others over it.
async fn again<T, F: std::future::Future<Output = Result<T, Stop>>>(mut call: impl FnMut() -> F) -> Result<T, Stop> {
    loop {
        match call().await {
            Err(Stop::Conflict) => {}
            other => return other,
        }
    }
}

impl Hall {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One buyer, with all clicks and repeated tries.
    async fn visit(&self, desk: usize, workers: usize, order: &Order) -> Result<Verdict> {
        if order.twice {
            let clicks = tokio::join!(self.reserve(desk, order), self.reserve(desk + workers, order));
            let (one, other) = (clicks.0?, clicks.1?);
            // The buyer has one order, whichever answer came first.
            return Ok(if one == Verdict::Held { one } else { other });
        }
        self.reserve(desk, order).await
    }

    async fn reserve(&self, desk: usize, order: &Order) -> Result<Verdict> {
        let mut fault = order.fault;
        loop {
            let mut trips = Trips::with(fault);
            let verdict = self.shop.reserve(desk, order, &mut trips).await;
            match both(verdict, &mut trips).await {
                // The buyer comes again, to an application that knows nothing of this.
                Err(Stop::Died) => fault = None,
                Err(Stop::Conflict) => {}
                verdict => return result(verdict),
            }
        }
    }

    async fn pay(&self, desk: usize, order: &Order) -> Result<()> {
        let mut fault = order.pay_fault;
        let paid = loop {
            let mut trips = Trips::with(fault);
            let paid = self.shop.pay(desk, order, &mut trips).await;
            match both(paid, &mut trips).await {
                Err(Stop::Died) => fault = None,
                Err(Stop::Conflict) => {}
                paid => break result(paid)?,
            }
        };
        if paid {
            *self.tally().bought.entry(order.user).or_default() += order.qty;
        }
        Ok(())
    }
}

async fn both<T>(answer: Result<T, Stop>, trips: &mut Trips) -> Result<T, Stop> {
    let answer = answer?;
    trips.end().await?;
    Ok(answer)
}
