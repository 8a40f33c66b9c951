//! What to think of an order that the database and the pool see differently. Pure.

use crate::projection::{OrderLine, State};
use crate::redis_client::pools::Order;

/// What makes both agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// CONFIRM QTY n.
    Confirm,
    /// CONFIRM QTY n LATE.
    ConfirmLate,
    /// CONFIRM QTY n LATE SINCE when it was placed.
    ConfirmUnknown,
    /// RELEASE.
    Release,
    /// RETURN of everything.
    Return,
    /// The line becomes `lost`.
    Close,
    /// The line becomes what the pool says.
    Adopt,
    /// Nothing is wrong but the mark that its history was lost.
    Unmark,
    /// Redis lost an order that was over: listed, and the line stays as it is.
    Keep,
    /// A person must look.
    Person,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In words.
    pub what: &'static str,
    /// What makes it right.
    pub remedy: Remedy,
}

fn finding(what: &'static str, remedy: Remedy) -> Option<Finding> {
    Some(Finding { what, remedy })
}

/// Judges one order. None: both agree, or will by themselves.
pub fn classify(line: Option<&OrderLine>, order: Option<&Order>) -> Option<Finding> {
    match (line, order) {
        (None, None) => None,
        (None, Some(_)) => finding("known there and missing here", Remedy::Adopt),
        (Some(line), Some(order)) if agree(line, order) && !owed(line, order) => {
            if line.lost {
                finding("the loss has been made good", Remedy::Unmark)
            } else {
                None
            }
        }
        (Some(line), order) if line.lost && is_sold(line) => paid(line, order),
        (Some(line), order) if line.lost => unpaid(line, order),
        (Some(line), None) => match line.state {
            State::Reserved => finding("reserved here and unknown there", Remedy::Close),
            State::Confirmed => finding("paid here and unknown there", Remedy::Person),
            _ => None,
        },
        // Money is never forgotten for the sake of agreement.
        (Some(line), Some(order)) if line.state == State::Confirmed && !is_paid(order) => {
            finding("paid here and not there", Remedy::Person)
        }
        (Some(_), Some(_)) => finding("the feed missed a change", Remedy::Adopt),
    }
}

fn is_paid(order: &Order) -> bool {
    matches!(order.state, State::Confirmed | State::Returned)
}

/// Units left for it, and it was not given back. (Returned goods that were not restocked have left,
/// too.)
fn is_sold(line: &OrderLine) -> bool {
    line.state == State::Confirmed || (line.units_taken > 0 && line.state != State::Returned)
}

/// Paid in a history that Redis has lost, and not paid again: also where the line has followed the
/// hold since then.
fn owed(line: &OrderLine, order: &Order) -> bool {
    line.lost && line.units_taken > 0 && !is_paid(order)
}

fn agree(line: &OrderLine, order: &Order) -> bool {
    let paid = is_paid(order);
    let same = line.state == order.state || (line.state == State::Lost && !paid && order.state != State::Reserved);
    let numbers = (line.qty, line.returned) == (order.qty, order.returned);
    same && (numbers || !(paid || order.state == State::Reserved))
}

/// Paid in a history that Redis has lost.
fn paid(line: &OrderLine, order: Option<&Order>) -> Option<Finding> {
    match order.map(|o| o.state) {
        // To confirm all of it would undo the return, whose token only its caller has.
        None | Some(State::Reserved | State::Expired) if line.returned > 0 => finding(
            "paid and partly returned here, and not paid there: confirm, then repeat the return",
            Remedy::Person,
        ),
        Some(State::Reserved) => finding("paid here and only reserved there", Remedy::Confirm),
        Some(State::Expired) => finding("paid here and expired there", Remedy::ConfirmLate),
        None => finding("paid here and unknown there", Remedy::ConfirmUnknown),
        Some(State::Released) => finding("paid here and given up there: refund it", Remedy::Person),
        Some(State::Confirmed) => finding("partly returned here and not there: repeat the return", Remedy::Person),
        Some(_) => finding("paid here and returned there", Remedy::Person),
    }
}

/// Not paid, or given back, in a history that Redis has lost.
fn unpaid(line: &OrderLine, order: Option<&Order>) -> Option<Finding> {
    let there = order.map(|o| o.state);
    match (line.state, there) {
        (State::Reserved, None) => finding("reserved here and unknown there", Remedy::Close),
        (State::Returned, Some(State::Confirmed)) => finding("returned here and only paid there", Remedy::Return),
        (State::Returned | State::Released, Some(State::Reserved)) => {
            finding("given up here and still reserved there", Remedy::Release)
        }
        // It will expire there, too.
        (State::Expired, Some(State::Reserved)) => None,
        (_, None) => finding("over here and unknown there", Remedy::Keep),
        (_, Some(_)) => finding("the loss changed the order", Remedy::Adopt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: State, units_taken: i64, lost: bool) -> OrderLine {
        OrderLine {
            state,
            qty: 2,
            returned: if state == State::Returned { 2 } else { 0 },
            units_taken,
            lost,
            attributes: String::new(),
            placed_ms: 1,
            changed_ms: 2,
            epoch: String::new(),
            seq: 1,
        }
    }

    fn order(state: State) -> Order {
        Order { state, qty: 2, returned: if state == State::Returned { 2 } else { 0 }, attributes: String::new() }
    }

    #[test]
    fn every_pair_has_its_remedy() {
        use Remedy::*;
        use State::*;
        let table = [
            (Some(line(Confirmed, 2, true)), Some(order(Reserved)), Some(Confirm)),
            (Some(line(Confirmed, 2, true)), Some(order(Expired)), Some(ConfirmLate)),
            (Some(line(Confirmed, 2, true)), None, Some(ConfirmUnknown)),
            (Some(line(Reserved, 2, true)), Some(order(Reserved)), Some(Confirm)),
            (Some(line(Expired, 2, true)), Some(order(Expired)), Some(ConfirmLate)),
            (Some(line(Released, 2, true)), Some(order(Released)), Some(Person)),
            (Some(line(Reserved, 0, true)), Some(order(Reserved)), Some(Unmark)),
            (Some(line(Confirmed, 2, false)), Some(order(Reserved)), Some(Person)),
            (Some(line(Confirmed, 2, true)), Some(order(Released)), Some(Person)),
            (Some(line(Confirmed, 2, true)), Some(order(Confirmed)), Some(Unmark)),
            (Some(line(Confirmed, 2, false)), Some(order(Confirmed)), None),
            (Some(line(Confirmed, 2, false)), None, Some(Person)),
            (Some(line(Reserved, 0, true)), None, Some(Close)),
            (Some(line(Reserved, 0, false)), None, Some(Close)),
            (Some(line(Reserved, 0, false)), Some(order(Confirmed)), Some(Adopt)),
            (Some(line(Released, 0, true)), Some(order(Reserved)), Some(Release)),
            (Some(line(Expired, 0, true)), Some(order(Reserved)), None),
            (Some(line(Expired, 0, false)), None, None),
            (Some(line(Returned, 0, true)), Some(order(Confirmed)), Some(Return)),
            (Some(line(Returned, 0, true)), None, Some(Keep)),
            (Some(line(Returned, 2, true)), None, Some(Keep)),
            (Some(line(Released, 0, true)), None, Some(Keep)),
            (None, Some(order(Expired)), Some(Adopt)),
            (Some(line(Lost, 0, false)), Some(order(Expired)), None),
        ];
        let part = |state| OrderLine { returned: 1, ..line(state, 1, true) };
        let table = table.into_iter().chain([
            (Some(part(Confirmed)), Some(order(Reserved)), Some(Person)),
            (Some(part(Confirmed)), Some(order(Expired)), Some(Person)),
            (Some(part(Confirmed)), None, Some(Person)),
            (Some(part(Confirmed)), Some(order(Confirmed)), Some(Person)),
        ]);
        for (line, order, remedy) in table {
            let found = classify(line.as_ref(), order.as_ref());
            assert_eq!(found.map(|f| f.remedy), remedy, "{line:?} {order:?}");
        }
    }
}
