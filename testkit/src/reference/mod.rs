//! The reference model: what every command answers, written as naively as possible. Here is which
//! command is answered where; `pools.rs` says how a call gets at its pools.
//!
//! It shares no code with the product. Everything is a plain map or a list, sums are made anew on
//! every call, and a call works on a copy of the pool that is kept only where the call changes
//! something. Its two questions to the contract are "what does the order's state say" and "in which
//! order are the refusals".
//!
//! Three rules hold it together:
//!
//! - every call first forgets what is over at its `now_ms` (`Pool::forget`) and returns due holds
//!   (`Pool::return_due`), on the copy; a read throws the copy away;
//! - a change counts in `seq`; a copy is kept when its `seq` moved. So forgetting happens in
//!   changes only: what was over at the time of a change stays over, also when the clock steps back
//!   afterwards;
//! - an operation that answers `Err` leaves nothing behind but the due holds returned before it.

mod answers;
mod arguments;
mod base;
mod batch;
mod carts;
mod config;
mod limit;
mod limits;
mod merge;
mod policy;
mod pool;
mod pools;
mod reading;
mod records;
mod schedule;
mod selling;
mod shifts;
mod stock;
mod told;
mod transfer;
mod window;
mod zone;

use crate::reply::Reply;
use answers::error;
use arguments::Args;
use base::Answer;

pub use base::MAX_QTY;
pub use config::Config;
pub use pools::Reference;
pub use records::EventRef;
pub use window::month_of;
pub use zone::{tables as zone_tables, zone_window, Table as ZoneTable, Tz};

impl Reference {
    /// Answers one command at one time.
    pub fn call(&mut self, now_ms: i64, argv: &[Vec<u8>]) -> Reply {
        let answer = match argv.split_first() {
            Some((name, rest)) => self.dispatch(i128::from(now_ms), name, Args { rest }),
            None => Err(error("empty command")),
        };
        match answer {
            Ok(reply) | Err(reply) => reply,
        }
    }

    fn dispatch(&mut self, now: i128, name: &[u8], args: Args) -> Answer {
        match name.to_ascii_uppercase().as_slice() {
            b"STOCK.RESERVE" => self.reserve(now, args),
            b"STOCK.CONFIRM" => self.confirm(now, args),
            b"STOCK.RESERVEBATCH" => self.reserve_batch(now, args),
            b"STOCK.CONFIRMBATCH" => self.confirm_batch(now, args),
            b"STOCK.RELEASE" => self.release(now, args),
            b"STOCK.AMEND" => self.amend(now, args),
            b"STOCK.SPLIT" => self.split(now, args),
            b"STOCK.EXTEND" => self.extend(now, args),
            b"STOCK.RETURN" => self.give_back(now, args),
            b"STOCK.MRESERVE" => self.cart(now, carts::Kind::Reserve, args),
            b"STOCK.MCONFIRM" => self.cart(now, carts::Kind::Confirm, args),
            b"STOCK.MSPLIT" => self.cart(now, carts::Kind::Split, args),
            b"STOCK.MRELEASE" => self.cart(now, carts::Kind::Release, args),
            b"STOCK.MEXTEND" => self.cart(now, carts::Kind::Extend, args),
            b"STOCK.MRETURN" => self.cart(now, carts::Kind::Return, args),
            b"STOCK.SET" => self.set(now, args),
            b"STOCK.ADD" => self.add(now, args),
            b"STOCK.TRANSFER" => self.transfer(now, args),
            b"STOCK.RECONCILE" => self.reconcile(now, args),
            b"STOCK.SHIFT" => self.shift_to_or_from(now, args),
            b"STOCK.SHIFTS" => self.shifts(now, args),
            b"STOCK.SUSPEND" => self.suspend(now, args, true),
            b"STOCK.RESUME" => self.suspend(now, args, false),
            b"STOCK.SETPOLICY" => self.set_policy(now, args),
            b"STOCK.SCHEDULE" => self.schedule(now, args),
            b"STOCK.SWEEP" => self.sweep(now, args),
            b"STOCK.LIMIT" => self.limit(now, args),
            b"STOCK.UNLIMIT" => self.unlimit(now, args),
            b"STOCK.LIMITS" => self.limits(now, args),
            b"STOCK.USAGE" => self.usage(now, args),
            b"STOCK.GET" => self.get(now, args),
            b"STOCK.AVAILABLE" => self.available(now, args),
            b"STOCK.CHECK" => self.check(now, args),
            b"STOCK.EXPLAIN" => self.explain(now, args),
            b"STOCK.ORDER" => self.order(now, args),
            b"STOCK.ORDERS" => self.orders(now, args),
            b"STOCK.POLICY" => self.policy(now, args),
            b"STOCK.VERIFY" => self.verify(now, args),
            _ => Err(error("unknown command")),
        }
    }
}
