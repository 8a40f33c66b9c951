//! Which answers to a reservation the contract allows, and what they say of the order.

use crate::answer::Answer;
use crate::calls::Reply;
use crate::log::{End, Entry};
use crate::scenario::{Order, Plan, Scenario, LIMITS};

/// The server's clock counts whole milliseconds: a deadline may lie one before the hold's length
/// after the send. Another one for a clock that is being set right little by little.
const CLOCK_SLACK_US: u64 = 2_000;

/// Takes an answer into the order's entry. False where it is none that may be given.
pub fn reservation(sale: &Scenario, order: &Order, plan: Plan, reply: &Reply, entry: &mut Entry) -> bool {
    let hold = match plan {
        Plan::Expire { px } => reply.sent + u64::from(px) * 1000 - CLOCK_SLACK_US,
        _ => u64::MAX,
    };
    match &reply.answer {
        Answer::Ok(words) => {
            (entry.end, entry.from, entry.until) = (End::Held, Some(reply.got), hold);
            words.len() == 3 && words[0] == order.qty && words[1] >= 0
        }
        Answer::Exists { state, qty } if reply.resent => {
            (entry.end, entry.from, entry.until) = (End::Held, Some(reply.got), hold);
            state == "reserved" && *qty == order.qty
        }
        // The first copy took the units, and a short hold ran out before the second one came.
        Answer::Closed { state } if reply.resent && hold < reply.got => {
            entry.end = End::Held;
            state == "expired"
        }
        Answer::SoldOut { available } => {
            entry.soldout += 1;
            entry.end = End::SoldOut;
            (0..order.qty).contains(available)
        }
        Answer::Limited { limit, used, max } => {
            entry.end = End::Limited;
            let Some(at) = sale.limit_texts().iter().position(|text| text == limit) else {
                return false;
            };
            entry.limited[at] += 1;
            let share = LIMITS[at].share(order.qty);
            *max == sale.pool_of(order).max[at] && used <= max && used + share > *max
        }
        _ => false,
    }
}

/// Of a double click at most one copy takes units. The other one says that the order exists, or was
/// refused before.
pub fn double(order: &Order, plan: Plan, answer: &Answer, other: &Answer) -> bool {
    match (answer, other) {
        (Answer::Ok(_), Answer::Exists { state, qty }) => state == "reserved" && *qty == order.qty,
        (Answer::Ok(_), Answer::Closed { state }) => matches!(plan, Plan::Expire { .. }) && state == "expired",
        (_, Answer::SoldOut { .. } | Answer::Limited { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Click, Pool};

    fn judged(answer: Answer, resent: bool) -> (bool, End) {
        let pools = vec![Pool { key: "p".into(), stock: 9, max: [2, 9, 9] }];
        let (id, plan, click) = ("o".into(), Plan::Confirm, Click::Once);
        let order = Order { id, pool: 0, qty: 2, who: [7, 8], plan, click, tries: 0 };
        let dims = ["user", "region"];
        let sale = Scenario { title: String::new(), dims, pools, orders: vec![] };
        let reply = Reply { answer, sent: 1, got: 2, resent };
        let mut entry = Entry::new(0);
        (reservation(&sale, &order, plan, &reply, &mut entry), entry.end)
    }

    #[test]
    fn exists_needs_an_earlier_copy() {
        let exists = Answer::Exists { state: "reserved".into(), qty: 2 };
        assert_eq!(judged(exists.clone(), true), (true, End::Held));
        assert!(!judged(exists, false).0);
    }

    #[test]
    fn a_refusal_must_be_true_by_its_own_numbers() {
        assert_eq!(judged(Answer::SoldOut { available: 1 }, false), (true, End::SoldOut));
        assert!(!judged(Answer::SoldOut { available: 2 }, false).0);
        let limited = |used, max| Answer::Limited { limit: "user/day/units".into(), used, max };
        assert_eq!(judged(limited(1, 2), false), (true, End::Limited));
        assert!(!judged(limited(0, 2), false).0, "two more would fit");
        assert!(!judged(limited(3, 2), false).0, "more than the max is used");
        assert!(!judged(limited(1, 1), false).0, "that is not the max");
    }
}
