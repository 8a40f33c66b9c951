//! The buyers of a sale: the same ones for the same seed, whatever shop they meet.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A sale of one product, and everybody who comes.
pub struct Sale {
    /// On the shelf at the beginning.
    pub units: i64,
    /// Units that each buyer may have.
    pub max: i64,
    /// How long a buyer has to pay.
    pub hold: Duration,
    /// The nightly count in the middle of the sale finds so many units fewer than there should be.
    pub missing: i64,
    pub orders: Vec<Order>,
}

/// One order of one buyer.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The id that every try of this order carries.
    pub id: String,
    pub user: u32,
    pub qty: i64,
    /// The buyer clicks twice: both calls are under way at once.
    pub twice: bool,
    /// What happens to the application while it takes the units.
    pub fault: Option<Fault>,
    pub end: End,
    /// What happens to the application while it books the payment.
    pub pay_fault: Option<Fault>,
}

/// Something that happens to the application behind one of its round trips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Behind so many round trips; at the end, where there are fewer.
    pub trip: u32,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// The process dies; or, behind the last trip, its answer is lost. The buyer tries again.
    Dies,
    /// The process stands still for longer than a lock lives, and goes on.
    Freezes,
}

/// What a buyer does whose units are held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Pays,
    /// Pays at the moment when the hold ends.
    PaysLast,
    Cancels,
    /// Is never seen again.
    Abandons,
}

/// Behind the last trip, however many there are.
const LAST: u32 = u32::MAX;

impl Sale {
    /// `count` orders for about 1.7 times the units that there are.
    pub fn of(seed: u64, count: usize, hold: Duration) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let users = (count * 3 / 4).max(1) as u32;
        let mut orders: Vec<Order> = Vec::with_capacity(count);
        while orders.len() < count {
            // Some people order on two devices at once.
            let again = orders.last().filter(|_| rng.random_bool(0.03)).map(|order: &Order| order.user);
            let user = again.unwrap_or_else(|| rng.random_range(0..users));
            orders.push(Order {
                id: format!("{}-u{user}", orders.len()),
                user,
                qty: if rng.random_bool(0.25) { 2 } else { 1 },
                twice: rng.random_bool(0.03),
                fault: fault(&mut rng, 4),
                end: match rng.random_range(0..100) {
                    0..80 => End::Pays,
                    80..85 => End::PaysLast,
                    85..90 => End::Cancels,
                    _ => End::Abandons,
                },
                pay_fault: fault(&mut rng, 2),
            });
        }
        let wanted: i64 = orders.iter().map(|order| order.qty).sum();
        Self { units: wanted * 3 / 5, max: 2, hold, missing: (count as i64 / 100).max(1), orders }
    }
}

impl Sale {
    /// From now on no process of the application dies or stands still. Answers are lost as before.
    pub fn calm(&mut self) {
        let lost = |fault: &Fault| fault.trip == LAST;
        for order in &mut self.orders {
            order.fault = order.fault.filter(lost);
            order.pay_fault = order.pay_fault.filter(lost);
        }
    }
}

/// Of 1,000 orders 10 lose the answer, 1 meets the end of the process, and of 2,000 one a pause.
fn fault(rng: &mut SmallRng, trips: u32) -> Option<Fault> {
    let (chance, trip) = (rng.random_range(0..2_000), rng.random_range(1..=trips));
    match chance {
        0..20 => Some(Fault { trip: LAST, kind: FaultKind::Dies }),
        20..22 => Some(Fault { trip, kind: FaultKind::Dies }),
        22 => Some(Fault { trip, kind: FaultKind::Freezes }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_buyers() {
        let sale = |seed| Sale::of(seed, 20_000, Duration::from_secs(1));
        let (one, other) = (sale(7), sale(8));
        assert_eq!(one.orders, sale(7).orders);
        assert_ne!(one.orders, other.orders);
        let with = |has: fn(&Order) -> bool| one.orders.iter().filter(|order| has(order)).count();
        assert!((100..300).contains(&with(|order| matches!(order.fault, Some(Fault { trip: LAST, .. })))));
        assert!((5..60).contains(&with(|order| matches!(order.fault, Some(Fault { trip: 1..5, .. })))));
        assert!((1_600..2_400).contains(&with(|order| order.end == End::Abandons)));
        let mut calm = sale(7);
        calm.calm();
        let faults = calm.orders.iter().flat_map(|order| [order.fault, order.pay_fault]).flatten();
        let lost = faults.filter(|fault| fault.trip == LAST && fault.kind == FaultKind::Dies).count();
        assert!((200..600).contains(&lost), "answers are still lost: {lost}");
        assert!(calm.orders.iter().all(|order| order.fault.is_none_or(|fault| fault.trip == LAST)));
        // Somebody orders twice in a row, and more than the limit.
        assert!(one.orders.windows(2).any(|pair| pair[0].user == pair[1].user && pair[0].qty + pair[1].qty > one.max));
    }
}
