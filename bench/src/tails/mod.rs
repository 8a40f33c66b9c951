//! The slow moments: single calls while a pool grows, a window that rolls over, a million holds due
//! at once, freeing.

mod clock;
mod due;
mod freeing;
mod grow;
mod probe;
mod rollover;

use anyhow::Result;

use crate::report::Section;
use crate::server::Plan;
use crate::sizes::{Sizes, Tail};

pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Section> {
    let mut section = Section::new("Tails");
    section.line("CPU time is that of the server's main thread: what others do on the machine does not count. A stopwatch in the floor's module reads it around each call, and from each waking up of the event loop to its next sleep (calls, sockets, timers, cron and sweeps). Wall times are the client's, and depend on what else runs; their control has the same client and an idle server.\n");
    section.line("| what | figures |\n|---|---|");
    let wanted = |tail| sizes.only.is_none_or(|only| only == tail);
    // One that fails does not take the others with it.
    if wanted(Tail::Grow) {
        section.attempt("growing", |section| grow::run(plan, sizes, section));
    }
    if wanted(Tail::Rollover) {
        section.attempt("rolling over", |section| rollover::run(plan, sizes, section));
    }
    if wanted(Tail::Due) {
        section.attempt("the clock", |section| clock::run(plan, sizes, section));
        section.attempt("due holds, events off", |section| due::run(plan, sizes, false, section));
        section.attempt("due holds, events on", |section| due::run(plan, sizes, true, section));
    }
    Ok(section)
}
