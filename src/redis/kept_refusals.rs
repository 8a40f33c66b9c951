//! Whole answers `[SOLDOUT, key, 0]`, as replies of the server itself. When a sale is over, nearly
//! every call gets this answer, and handing it on costs a fifth of writing its four parts.
//!
//! The answer says nothing but the name of the key, so that one that is kept never becomes wrong:
//! whether it is the right one is decided anew by each call. A few keys have one, those that are
//! asked for often. The server's cron makes them, since only the server can make a reply: a command
//! of this module is called, and replies with nothing else.

use super::api::Ctx;
use super::background::BackgroundCall;
use super::handles::CallReply;
use super::locked::Locked;
use super::{state, sweep};
use crate::command::host::Out;
use crate::command::refusal;
use crate::core::model::ids::{same_bytes, short_word, Bytes};

/// How many keys can have an answer: a power of two.
const CELLS: usize = 64;
/// From so many times on a key gets one.
const OFTEN: u32 = 16;
/// Longer names get none.
const LONGEST_NAME: usize = 128;

/// One key.
#[derive(Default)]
struct Kept {
    name: Bytes,
    /// How often it was asked for and had none, less how often another key of this cell was.
    asked: u32,
    answer: Option<CallReply>,
}

/// The answers that are kept.
pub struct KeptRefusals {
    /// By the bytes of the name; none before the first refusal.
    cells: Vec<Kept>,
    /// A key was asked for often, and has no answer.
    wanted: bool,
}

static KEPT: Locked<KeptRefusals> = Locked::new(KeptRefusals { cells: Vec::new(), wanted: false });

/// Where the answer of a key is kept. Any mixing will do, since nothing depends on it.
#[inline(always)]
fn cell(name: &[u8]) -> usize {
    let word = name.last_chunk::<8>().map_or_else(|| short_word(name), |last| u64::from_le_bytes(*last));
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CELLS.ilog2())) as usize
}

impl KeptRefusals {
    #[inline(always)]
    fn find(&mut self, name: &[u8]) -> Option<*mut redis_module::raw::RedisModuleCallReply> {
        let kept = self.cells.get(cell(name)).filter(|kept| same_bytes(kept.name.as_slice(), name));
        match kept.and_then(|kept| kept.answer.as_ref()) {
            Some(answer) => Some(answer.as_ptr()),
            None => {
                self.count(name);
                None
            }
        }
    }

    /// Counts that a key was asked for that has no answer.
    #[cold]
    fn count(&mut self, name: &[u8]) {
        if name.len() > LONGEST_NAME {
            return;
        }
        if self.cells.is_empty() {
            self.cells.resize_with(CELLS, Kept::default);
        }
        let Some(kept) = self.cells.get_mut(cell(name)) else { return };
        if kept.name.as_slice() == name {
            kept.asked = kept.asked.saturating_add(1);
            self.wanted |= kept.asked >= OFTEN;
        } else if kept.asked > 0 {
            kept.asked -= 1;
        } else {
            *kept = Kept { name: Bytes::new(name), asked: 1, answer: None };
        }
    }

    /// A key that was asked for often, and has no answer.
    fn wanted(&mut self) -> Option<Bytes> {
        if !self.wanted {
            return None;
        }
        let wanting = self.cells.iter_mut().find(|kept| kept.asked >= OFTEN && kept.answer.is_none());
        self.wanted = wanting.is_some();
        // Where it cannot be made, it is tried again when it has been asked for as often again.
        wanting.map(|kept| {
            kept.asked = 0;
            kept.name.clone()
        })
    }

    fn keep(&mut self, name: &[u8], answer: CallReply) {
        if let Some(kept) = self.cells.get_mut(cell(name)).filter(|kept| kept.name.as_slice() == name) {
            (kept.answer, kept.asked) = (Some(answer), OFTEN);
        }
    }
}

/// The answer that nothing is left of this key, if it is kept. Live until another key is asked for.
#[inline(always)]
pub fn find(name: &[u8]) -> Option<*mut redis_module::raw::RedisModuleCallReply> {
    KEPT.with(|kept| kept.find(name))
}

/// Replies as the command that is called for an answer.
#[cold]
pub fn answer(out: &mut dyn Out, name: &[u8]) {
    refusal::begin(out, const { refusal::SOLDOUT.shape() }, name);
    out.int(0);
}

/// From the server's cron: makes an answer that is wanted.
pub fn make() {
    let Some(name) = KEPT.with(KeptRefusals::wanted) else { return };
    let ctx = state::with(|state| state.sweep.waker.as_ref().map(|waker| waker.ctx));
    // SAFETY: the context of the waker lives as long as the process.
    let Some(ctx) = ctx.map(|ctx| unsafe { Ctx::new(ctx) }) else { return };
    if ctx.flags() & sweep::BUSY != 0 {
        return;
    }
    let made = ask(ctx, name.as_slice());
    if let Some(made) = made.filter(|made| is_answer(made, name.as_slice())) {
        KEPT.with(|kept| kept.keep(name.as_slice(), made));
    }
}

fn ask(ctx: Ctx<'_>, name: &[u8]) -> Option<CallReply> {
    state::with(|state| {
        state.sweep.call = Some(BackgroundCall { wants_sold_out: true, ..BackgroundCall::default() });
    });
    let (command, format, start, len) = (c"STOCK.CHECK".as_ptr(), c"Ebc".as_ptr(), name.as_ptr(), name.len());
    // SAFETY: the context is live, and lives as long as the reply may; the format matches the
    // arguments; the bytes are copied.
    let reply =
        unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command, format, start, len, c"1".as_ptr()))) };
    state::with(|state| state.sweep.call = None);
    reply
}

fn is_answer(reply: &CallReply, name: &[u8]) -> bool {
    let (word, elements) = const { refusal::SOLDOUT.shape() };
    let mut parts = reply.elements();
    let texts = [word.as_bytes(), name];
    elements == 3
        && reply.elements().count() == elements
        && texts.iter().all(|text| parts.next().is_some_and(|part| part.text() == Some(*text)))
        && parts.next().is_some_and(|part| part.integer() == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_often_is_wanted_once() {
        let mut kept = KeptRefusals { cells: Vec::new(), wanted: false };
        for _ in 1..OFTEN {
            assert!(kept.find(b"tea").is_none());
            assert!(kept.wanted().is_none());
        }
        assert!(kept.find(b"tea").is_none());
        assert_eq!(kept.wanted().map(|name| name.as_slice().to_vec()), Some(b"tea".to_vec()));
        assert!(kept.wanted().is_none());
    }

    #[test]
    fn a_key_gives_way_to_one_that_is_asked_for_more() {
        let mut kept = KeptRefusals { cells: Vec::new(), wanted: false };
        // The last eight bytes decide.
        let (one, other) = (b"a 12345678", b"b 12345678");
        (0..3).for_each(|_| _ = kept.find(one));
        (0..3 + OFTEN - 1).for_each(|_| _ = kept.find(other));
        assert!(kept.wanted().is_none());
        _ = kept.find(other);
        assert_eq!(kept.wanted().map(|name| name.as_slice().to_vec()), Some(other.to_vec()));
        let long = [b'k'; LONGEST_NAME + 1];
        (0..2 * OFTEN).for_each(|_| _ = kept.find(&long));
        assert!(kept.wanted().is_none());
    }
}
