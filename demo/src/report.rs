//! What a person reads at the end.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::proof::Check;
use crate::rounds::Sold;
use crate::scenario::Scenario;
use crate::tally::{Count, Tally};

pub fn sale(sale: &Scenario, total: &Tally, sold: &mut Sold) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["", "orders", "units"]);
    let mut row = |name: &str, count: Count| {
        table.add_row([name.to_owned(), grouped(count.orders as i64), grouped(count.units)]);
    };
    row("asked", total.asked);
    row("reserved", total.reserved);
    row("sold out", total.soldout);
    for (text, count) in sale.limit_texts().iter().zip(total.limited) {
        row(&format!("limited by {text}"), count);
    }
    if total.withdrawn.orders > 0 {
        row("  cancelled to be sure, after a lost answer", total.withdrawn);
    }
    row("confirmed", total.confirmed);
    row("released", total.released);
    row("expired", total.expired);
    row("returned", total.returned);
    let stock: i64 = sale.pools.iter().map(|pool| pool.stock).sum();
    table.add_row(["sold in the end".to_owned(), String::new(), grouped(total.sold())]);
    table.add_row(["stock in the beginning".to_owned(), String::new(), grouped(stock)]);
    let seconds = sold.took.as_secs_f64();
    let calls = sold.outcome.calls as f64;
    table.add_row(["calls".to_owned(), grouped(calls as i64), String::new()]);
    table.add_row(["calls per second".to_owned(), grouped((calls / seconds.max(0.001)) as i64), String::new()]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }

    let latencies = &mut sold.outcome.latencies;
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0);
    format!(
        "{table}\nThe sale took {seconds:.1} s. One call: median {} µs, 99 % within {} µs. {} connections were lost and \
         opened anew.",
        grouped(at(0.5).into()),
        grouped(at(0.99).into()),
        grouped(sold.outcome.reconnects as i64),
    )
}

pub fn proof(checks: &[Check]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["proof", "", "looked at"]);
    for check in checks {
        let result = match check.failures.count {
            0 => "ok".to_owned(),
            count => format!("FAILED {count}x"),
        };
        table.add_row([check.name.to_owned(), result, check.detail.clone()]);
    }
    let mut text = table.to_string();
    for check in checks.iter().filter(|check| check.failures.count > 0) {
        text += &format!("\n\nFAILED: {}", check.name);
        let shown = &check.failures.first[..check.failures.first.len().min(5)];
        for line in shown {
            text += &format!("\n  {line}");
        }
        let more = check.failures.count - shown.len() as u64;
        if more > 0 {
            text += &format!("\n  and {more} more");
        }
    }
    text
}

/// 1234567 as 1,234,567.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, -1234567].map(grouped), ["0", "999", "1,000", "-1,234,567"]);
    }
}
