//! The shop that is mostly written first, on the same server with the same buyers: it reads the
//! stock, then takes from it, and puts back what is not paid. Nothing in it is made worse than it
//! is written in practice; what it lacks is one step, and a memory of the order id.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use redis::{cmd, Client, Connection, RedisResult};

use crate::calls;
use crate::live::Live;
use crate::scenario::{Click, Order, Plan, Scenario};

/// What came out.
#[derive(Default)]
pub struct Naive {
    /// Units that were sold although the counter was at zero.
    pub oversold: i64,
    /// Units that nobody has and that cannot be sold any more.
    pub lost: i64,
    /// Buyers who have more than their limit.
    pub over_limit: u64,
    /// Units sold in the end.
    pub sold: i64,
    pub took: Duration,
}

/// One pool's worth of buyers, the first try of each.
pub fn sell(sale: &Scenario, client: &Client, connections: usize, prefix: &str, live: &Live) -> Result<Naive> {
    let start = Instant::now();
    let (stock, max) = (sale.pools[0].stock, sale.pools[0].max[0]);
    let keys = Keys { stock: format!("{prefix}naive:stock"), user: format!("{prefix}naive:user:") };
    let mut con = calls::connect(client)?;
    cmd("SET").arg(&keys.stock).arg(stock).exec(&mut con)?;
    let (next, sum) = (AtomicUsize::new(0), Mutex::new((Naive::default(), HashMap::<u32, i64>::new())));
    let one = || -> Result<()> {
        let mut shop = Shop { client, keys: &keys, max, con: calls::connect(client)?, twin: calls::connect(client)? };
        let (mut mine, mut owned) = (Naive::default(), Vec::new());
        while let Some(order) = sale.orders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let units = shop.visit(order, &mut mine.oversold, live)?;
            mine.sold += units;
            owned.push((order.who[0], units));
        }
        let mut all = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.0.sold += mine.sold;
        all.0.oversold += mine.oversold;
        for (user, units) in owned {
            *all.1.entry(user).or_default() += units;
        }
        Ok(())
    };
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })?;
    let (mut naive, owned) = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let left: i64 = cmd("GET").arg(&keys.stock).query(&mut con)?;
    naive.lost = stock - left - naive.sold;
    naive.over_limit = owned.values().filter(|units| **units > max).count() as u64;
    naive.took = start.elapsed();
    Ok(naive)
}

struct Keys {
    stock: String,
    user: String,
}

struct Shop<'a> {
    client: &'a Client,
    keys: &'a Keys,
    max: i64,
    con: Connection,
    twin: Connection,
}

impl Shop<'_> {
    /// One buyer; how many units he has at the end.
    fn visit(&mut self, order: &Order, oversold: &mut i64, live: &Live) -> Result<i64> {
        let user = format!("{}{}", self.keys.user, order.who[0]);
        let taken = match order.click {
            // Both requests read before either takes; the buyer pays one of them.
            Click::Double => {
                let (first, second) = (self.admits(order, &user, live)?, self.admits(order, &user, live)?);
                let mut taken = None;
                for (admitted, twin) in [(first, false), (second, true)] {
                    if admitted {
                        let con = if twin { &mut self.twin } else { &mut self.con };
                        taken = Some(take(con, self.keys, order, &user, oversold)?);
                    }
                }
                taken
            }
            // The answer is lost with the connection: the buyer tries again, and the shop cannot know.
            Click::Lost if self.admits(order, &user, live)? => {
                take(&mut self.con, self.keys, order, &user, oversold)?;
                self.con = calls::connect(self.client)?;
                self.once(order, &user, oversold, live)?
            }
            _ => self.once(order, &user, oversold, live)?,
        };
        if taken.is_none() {
            return Ok(0);
        }
        live.held(order.qty);
        let paid = match order.plan {
            Plan::Release | Plan::Expire { .. } => 0,
            Plan::Return { qty, .. } => order.qty - qty,
            Plan::Confirm => order.qty,
        };
        if paid < order.qty {
            cmd("INCRBY").arg(&self.keys.stock).arg(order.qty - paid).exec(&mut self.con)?;
            cmd("DECRBY").arg(&user).arg(order.qty - paid).exec(&mut self.con)?;
        }
        live.ended(order.qty, paid);
        Ok(paid)
    }

    fn once(&mut self, order: &Order, user: &str, oversold: &mut i64, live: &Live) -> Result<Option<()>> {
        Ok(if self.admits(order, user, live)? {
            take(&mut self.con, self.keys, order, user, oversold)?;
            Some(())
        } else {
            None
        })
    }

    /// The look before the leap.
    fn admits(&mut self, order: &Order, user: &str, live: &Live) -> Result<bool> {
        let left: i64 = cmd("GET").arg(&self.keys.stock).query(&mut self.con)?;
        if left < order.qty {
            live.refused("sold out");
            return Ok(false);
        }
        let used: Option<i64> = cmd("GET").arg(user).query(&mut self.con)?;
        if used.unwrap_or(0) + order.qty > self.max {
            live.refused("limit");
            return Ok(false);
        }
        Ok(true)
    }
}

fn take(con: &mut Connection, keys: &Keys, order: &Order, user: &str, oversold: &mut i64) -> RedisResult<()> {
    let after: i64 = cmd("DECRBY").arg(&keys.stock).arg(order.qty).query(con)?;
    cmd("INCRBY").arg(user).arg(order.qty).exec(con)?;
    *oversold += (-after).clamp(0, order.qty);
    Ok(())
}
