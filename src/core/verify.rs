//! Consistency check: recomputes every total, list and index of a pool from its orders. The cost
//! grows with their number.

use crate::core::model::number::{LimitId, Number, OrderRow, UsageRow};
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::sale::{Sale, SalePhase};
use crate::core::model::usage::EntryState;
use crate::core::store::placed_orders::PlacedOrders;
use crate::core::store::slab::NONE;
use crate::core::store::tokens::Tokens;
use crate::core::store::usage::Usage;

/// A line for each difference; none when all is well. Lines are ASCII and name no user bytes. At
/// most 100.
#[must_use]
pub fn verify(pool: &Pool) -> Vec<String> {
    let mut report = Report { lines: Vec::new() };
    orders(pool, &mut report);
    usage(pool, &mut report);
    limits(pool, &mut report);
    sale(pool, &mut report);
    shifts(pool, &mut report);
    report.lines
}

struct Report {
    lines: Vec<String>,
}

impl Report {
    fn equal<T: PartialEq + std::fmt::Display>(&mut self, what: &str, is: T, should: T) {
        if is != should {
            self.say(format!("{what} is {is}, should be {should}"));
        }
    }

    fn say(&mut self, line: String) {
        if self.lines.len() < 100 {
            self.lines.push(line);
        }
    }
}

fn orders(pool: &Pool, report: &mut Report) {
    let none = PlacedOrders::default();
    let placed = pool.placed.get().unwrap_or(&none);
    let mut reserved = 0i64;
    let mut sold = pool.sold_before;
    let mut counts = [0u32; 5];
    let mut listed = 0usize;
    let lists: [(&str, Vec<OrderRow>, &[OrderState]); 2] = [
        ("of holds", placed.holds().collect(), &[OrderState::Reserved]),
        ("of finished orders", placed.finished().collect(), FINISHED),
    ];
    for (name, rows, states) in &lists {
        let mut last_ms = i64::MIN;
        listed = listed.saturating_add(rows.len());
        for &row in rows {
            let Some(order) = placed.orders.get(row) else {
                report.say(format!("the list {name} names an order that is not there"));
                continue;
            };
            if !states.contains(&order.state) {
                report.say(format!("the list {name} holds an order that is {}", order.state.word()));
            }
            if let Some(count) = counts.get_mut(order.state as usize) {
                *count = count.saturating_add(1);
            }
            if order.time_ms < last_ms {
                report.say(format!("the list {name} is not in order of time"));
            }
            last_ms = order.time_ms;
            match order.state {
                OrderState::Reserved => {
                    reserved = reserved.saturating_add(order.qty);
                }
                OrderState::Confirmed | OrderState::Returned => {
                    sold = sold.saturating_add(order.qty.saturating_sub(order.returned()));
                    let whole = order.returned() >= order.qty;
                    report.equal("an order being returned", order.state == OrderState::Returned, whole);
                }
                OrderState::Released | OrderState::Expired => {}
            }
            let found = pool.order_ref(order.id).row;
            report.equal("the index of an order", found.map_or(NONE, Number::get), row.get());
        }
    }
    report.equal("the number of listed orders", listed, placed.orders.len());
    report.equal("the number of indexed orders", placed.index.len(), placed.orders.len());
    report.equal("reserved", pool.reserved, reserved);
    report.equal("sold", pool.sold, sold);
    report.equal("the side table of orders being right", placed.orders.check_side_table(), true);
    for (state, (is, should)) in OrderState::ALL.iter().zip(pool.counts.iter().zip(counts)) {
        report.equal(&format!("the count of {} orders", state.word()), *is, should);
    }
}

/// Orders and units of open holds that were found for each usage entry. Numbers of entries have
/// gaps, so it grows in chunks.
#[derive(Default)]
struct Counted {
    chunks: Vec<Vec<(u32, i64)>>,
}

impl Counted {
    fn at(&mut self, at: UsageRow) -> &mut (u32, i64) {
        const CHUNK: usize = 1 << 10;
        let (chunk, index) = (at.get() as usize / CHUNK, at.get() as usize % CHUNK);
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk.saturating_add(1), Vec::new);
        }
        // Both lists were made long enough for these indexes.
        #[allow(clippy::indexing_slicing)]
        let chunk = &mut self.chunks[chunk];
        if chunk.len() <= index {
            chunk.resize(index.saturating_add(1), (0, 0));
        }
        #[allow(clippy::indexing_slicing)]
        &mut chunk[index]
    }
}

const FINISHED: &[OrderState] =
    &[OrderState::Confirmed, OrderState::Returned, OrderState::Released, OrderState::Expired];

fn usage(pool: &Pool, report: &mut Report) {
    let (none, no_orders, no_tokens) = (Usage::default(), PlacedOrders::default(), Tokens::default());
    let usage = pool.usage.get().unwrap_or(&none);
    let placed = pool.placed.get().unwrap_or(&no_orders);
    let tokens = pool.tokens.get().unwrap_or(&no_tokens);
    let mut counted = Counted::default();
    for row in placed.holds().chain(placed.finished()) {
        let Some(order) = placed.orders.get(row) else { continue };
        for at in order.shares.iter() {
            let Some(entry) = usage.entries.get(at) else {
                report.say("an order has a share that is not there".into());
                continue;
            };
            let (refs, held) = counted.at(at);
            *refs = refs.saturating_add(1);
            let limit = pool.limits.iter().find(|l| l.id == entry.limit);
            let amount = limit.filter(|l| l.keeps_usage()).map_or(0, |l| l.amount(order.qty));
            if order.state == OrderState::Reserved {
                *held = held.saturating_add(amount);
            }
        }
    }
    let mut listed = 0usize;
    let mut indexed = 0usize;
    let mut check = |list: Vec<UsageRow>, state: EntryState, limit: Option<LimitId>, report: &mut Report| {
        for at in list {
            listed = listed.saturating_add(1);
            let Some(entry) = usage.entries.get(at) else { continue };
            if entry.state != state || limit.is_some_and(|id| id != entry.limit) {
                report.say("usage is in a list of others".into());
            }
            let (refs, least) = *counted.at(at);
            report.equal("the orders of a usage", entry.refs, refs);
            let tuple = entry.value;
            let found = usage.find(pool.salt.usage(entry.limit, tuple), entry.limit, tuple);
            if state == EntryState::Indexed {
                if usage.is_older_sub_window(at) {
                    report.equal("an older sub-window being in the index", found == Some(at), false);
                } else {
                    indexed = indexed.saturating_add(1);
                    report.equal("the index of a usage", found.map_or(NONE, Number::get), at.get());
                }
                if entry.used < least {
                    report.say(format!("a usage is {}, its open holds alone are {least}", entry.used));
                }
            } else if found == Some(at) {
                report.say("usage of a window that is over is in the index".into());
            }
            if entry.refs == 0 && (entry.used == 0 || state == EntryState::Detached) {
                report.say("usage that counts nothing is kept".into());
            }
        }
    };
    for limit in &pool.limits {
        check(limit.entries.iter(&usage.entries).collect(), EntryState::Indexed, Some(limit.id), report);
    }
    check(usage.orphaned.iter(&usage.entries).collect(), EntryState::Indexed, None, report);
    check(usage.detached.iter(&usage.entries).collect(), EntryState::Detached, None, report);
    for (at, units) in usage.credits() {
        let entry = usage.entries.get(at);
        if entry.is_none_or(|e| e.state == EntryState::Detached || units < 1 || units > e.used) {
            report.say("more was returned than was used".into());
        }
    }
    report.equal("the sub-windows of rolling windows being right", usage.check_chains(), true);
    report.equal("the windows of usage being right", usage.entries.check_windows(), true);
    report.equal("the tokens being right", tokens.check_invariants(pool.salt), true);
    report.equal("the number of listed usages", listed, usage.entries.len());
    report.equal("the number of indexed usages", usage.indexed(), indexed);
}

fn limits(pool: &Pool, report: &mut Report) {
    for limit in &pool.limits {
        if limit.id >= pool.next_limit {
            report.say("a limit is newer than the pool".into());
        }
        let (start_ms, end_ms) = limit.resolved;
        if limit.resolved != (0, 0) && (start_ms >= end_ms || !limit.is_resolved()) {
            report.say("a limit counts in a window that is none".into());
        }
        if pool.limits.iter().filter(|l| l.identity == limit.identity).count() > 1 {
            report.say("duplicate limit".into());
        }
    }
}

fn sale(pool: &Pool, report: &mut Report) {
    let Some(sale) = pool.sale.as_deref() else { return };
    if *sale == Sale::default() {
        report.say("a pool that always sells keeps a sale window".into());
    }
    if !sale.schedule.is_valid() {
        report.say("a sale ends before it opens".into());
    }
    if sale.announced == SalePhase::Ended && sale.schedule.until_ms.is_none() {
        report.say("a sale without an end has ended".into());
    }
}

fn shifts(pool: &Pool, report: &mut Report) {
    for limit in &pool.limits {
        let shifted = pool.shifts().and_then(|shifts| shifts.quotas_of(&limit.text));
        report.equal("the quotas of a limit that shifted being right", limit.shifted == shifted, true);
    }
    let Some(shifts) = pool.shifts() else { return };
    if shifts.is_empty() || shifts.iter().any(|(_, totals)| totals.sent <= 0 && totals.received <= 0) {
        report.say("a shift that shifted nothing is kept".into());
    }
    if shifts.net_units().is_none() {
        report.say("the sum of what shifted is out of bounds".into());
    }
    if !shifts.sums_are_right() {
        report.say("a sum of shifts is not that of its lanes".into());
    }
}

#[cfg(test)]
mod tests;
