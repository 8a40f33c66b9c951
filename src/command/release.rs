//! `STOCK.RELEASE key order`

use super::args::Args;
use super::commit::{commit_and_tidy, open, return_hold, view};
use super::error::CommandError;
use super::host::Handle;
use super::journal::Answer;
use super::reply::{available, ok, refuse};
use super::spec::{Access, Arg, Call, Keys, Spec};
use crate::core::change::Change;
use crate::core::ops::expire;
use crate::core::ops::release::decide;
use crate::core::order::State;
use crate::core::refusal::Refusal;
use crate::core::time::Clock;

pub const SPEC: Spec = Spec {
    name: "STOCK.RELEASE",
    summary: "Gives up a hold. Of an order that is not known yet it is remembered, so that it takes nothing later.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: 3,
    access: Access::GiveBack,
    fast: true,
    keys: Keys::First,
    inserts: false,
    args: &[Arg::KEY, Arg::ORDER],
    run,
};

/// Returns the hold that is to be released, where it is due but was not among those returned (or is not returned within the
/// grace): it expires now, by itself, and is then closed.
pub fn return_named(call: &mut Call<'_>, handle: Handle, order: &[u8]) {
    let pool = call.keys.pool(handle);
    let clock = Clock::at(call.env.clock.now_ms);
    if let Some(slot) = pool.order_ref(order).slot.filter(|&slot| expire::is_due(pool, slot, clock)) {
        return_hold(call, handle, slot);
    }
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let order = args.order()?;
    args.end()?;
    let Some(handle) = open(call, key)? else { return Ok(()) };
    return_named(call, handle, order);
    let change = match decide(&view(call, handle), order) {
        Ok(change) => change,
        Err(refusal) => {
            call.journal.answer = Some(refuse(call.out, key, call.keys.pool(handle), &refusal)?);
            return Ok(());
        }
    };
    let units = match &change {
        Change::Released { order, .. } => {
            let record = order.slot.and_then(|slot| call.keys.pool(handle).order_at(slot));
            record.filter(|o| o.state == State::Reserved).map_or(0, |o| o.qty)
        }
        _ => 0,
    };
    commit_and_tidy(call, handle, &change);
    if matches!(change, Change::Cancelled { .. }) {
        call.journal.answer = Some(refuse(call.out, key, call.keys.pool(handle), &Refusal::NoOrder)?);
        return Ok(());
    }
    call.journal.answer = Some(Answer::Released);
    ok(call.out, 3);
    call.out.int(units);
    call.out.int(available(call.keys.pool(handle)));
    Ok(())
}
