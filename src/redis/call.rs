//! One command's way through the shell: borrow the arguments, run the handler, then do what its journal asks
//! for.

use redis_module::raw;

use super::api::{self, Ctx};
use super::keyspace::{OpenKey, OpenKeys};
use super::reply::{self, Reply};
use super::{notify, replicate, replication_consumers, state};
use crate::command::host::{Env, EventConfig, Origin};
use crate::command::journal::{Journal, Outcome};
use crate::command::spec::{Access, Call, Spec};
use crate::core::model::change::Kind;
use crate::core::model::time::Clock;

/// A call with more arguments than this does not leave its buffers behind.
const KEPT_ARGUMENTS: usize = 4_096;

/// Buffers of one call, kept for the next one so that a call allocates nothing.
#[derive(Default)]
pub struct Scratch {
    /// The arguments, borrowed for as long as the call runs; empty between calls, whatever the lifetime says.
    args: Vec<&'static [u8]>,
    open: Vec<OpenKey>,
    journal: Journal,
}

/// What a write is answered that another module makes while one of ours is under way.
pub const NESTED: &str = "ERR nested write not allowed";

/// Runs one command.
pub fn run(spec: &'static Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) {
    let now_ms = api::now_ms();
    let begun = state::with(|state| {
        if state.writing && spec.access != Access::Read {
            return None;
        }
        let scratch = state.take_scratch();
        if let Some(own) = &mut state.sweep.call {
            own.ran = true;
        }
        Some((scratch, state.clock(now_ms), state.settings.defaults(), state.promotion, state.settings.events()))
    });
    let Some((mut scratch, clock, defaults, promotion, events)) = begun else { return reply::line(ctx, NESTED) };
    // SAFETY: the server keeps the arguments alive and in place until the command returns; `Scratch` forgets
    // them before that, and handlers, which take a `Call` of any lifetime, cannot keep them.
    scratch.args.extend(argv.iter().map(|&arg| unsafe { api::bytes(arg) }));
    let events = EventConfig { default_stream: events.0.as_deref(), max_len: events.1 };
    let env = Env { clock, defaults, promotion, entropy: &api::random, origin: origin(spec, ctx), events };
    let answer = answer(spec, ctx, argv, &env, &mut scratch);
    let journal = &scratch.journal;
    notify::announce(ctx, &scratch.open, journal);
    let expired = if env.origin == Origin::Client { count_expired(journal) } else { 0 };
    let (divergences, published, dropped) = (journal.divergences, journal.published, journal.dropped);
    scratch.clear();
    state::with(|state| {
        state.count_answer(answer);
        state.totals.expired = state.totals.expired.wrapping_add(expired);
        if published > 0 || dropped > 0 {
            state.count_events(published, dropped);
        }
        if divergences > 0 {
            state.count_divergences(divergences);
        }
        state.give_scratch(scratch);
    });
}

/// Runs the handler and what must follow while its keys are open.
fn answer(
    spec: &'static Spec,
    ctx: Ctx<'_>,
    argv: &[*mut raw::RedisModuleString],
    env: &Env<'_>,
    scratch: &mut Scratch,
) -> Outcome {
    let Scratch { args, open, journal } = scratch;
    journal.clear();
    journal.effects_skipped = replication_consumers::none();
    let mut keys = OpenKeys::new(ctx, spec.access, argv, args, open);
    let mut out = Reply(ctx);
    let result = (spec.run)(&mut Call { args, env, keys: &mut keys, journal, out: &mut out });
    if spec.access != Access::Read {
        replicate::propagate(ctx, &keys, journal);
        follow_up(&mut keys, env.clock, !spec.fast);
    }
    match result {
        Ok(()) => journal.outcome.unwrap_or(Outcome::Other),
        Err(error) => {
            reply::error(ctx, &error);
            Outcome::Error
        }
    }
}

/// Brings the gauges and the wake-up queue up to date with the pools of a call. `whole`: it may have changed them by more than an order.
fn follow_up(keys: &mut OpenKeys<'_>, clock: Clock, whole: bool) {
    state::with(|state| {
        keys.each_value(|key, name, value| {
            let db = key.db();
            if key.touched {
                value.update_gauges(whole);
            }
            let now_ms = clock.now_ms;
            state.wake_queue.reschedule(db, name, value, now_ms, key.touched);
            if let Some(own) = &mut state.sweep.call {
                own.scheduled_ms.get_or_insert(value.scheduled_ms);
            }
        });
    });
}

/// Where a call comes from. Only effect and load forms ask, and asking is not cheap.
fn origin(spec: &Spec, ctx: Ctx<'_>) -> Origin {
    if spec.access != Access::Replicated {
        return Origin::Client;
    }
    let flags = ctx.flags();
    let import = state::with(|state| state.import_flag);
    // The append-only file is read by a client of its own, which has the largest id. The flag for loading
    // alone is no proof: real clients are served, too, while a replica loads a data set beside the one in
    // use.
    let from_file = flags & raw::REDISMODULE_CTX_FLAGS_LOADING != 0 && ctx.is_log_reader();
    let primary = flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0;
    if from_file {
        Origin::Replication
    } else if primary && flags & import != 0 {
        Origin::SlotImport
    } else if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | import) != 0 {
        Origin::Replication
    } else {
        Origin::Client
    }
}

fn count_expired(journal: &Journal) -> u64 {
    let notifications = journal.changed().iter().flat_map(|changed| changed.notifications.iter());
    notifications.filter(|notification| notification.kind == Kind::Expired).count() as u64
}

impl Scratch {
    /// Forgets the call.
    fn clear(&mut self) {
        self.args.clear();
        self.open.clear();
        self.args.shrink_to(KEPT_ARGUMENTS);
        self.open.shrink_to(KEPT_ARGUMENTS);
    }
}
