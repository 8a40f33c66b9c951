//! One call of a command: borrow the arguments, run the handler, then replicate, signal and
//! announce what its journal says.

use redis_module::raw;

use super::api::{self, Ctx};
use super::handles::CallReply;
use super::keyspace::OpenKeys;
use super::reply::{self, Reply};
use super::scratch::Scratch;
use super::{kept_refusals, log, notify, replicate, replication_consumers, state};
use crate::command::error::CommandError;
use crate::command::host::{Env, EventConfig, Origin, Out as _};
use crate::command::journal::{Answer, Journal, Refused, Unread};
use crate::command::refusal::Outcome;
use crate::command::spec::{Access, Call, KeyPositions, Spec};
use crate::core::model::time::Clock;

/// Runs one command.
pub fn run(spec: &'static Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) {
    let now_ms = api::now_ms();
    let begun = state::with(|state| {
        if state.writing && spec.access != Access::Read {
            return Err(if state.asks_for_user { Instead::One } else { Instead::Nested });
        }
        if let Some(own) = &mut state.sweep.call {
            own.ran = true;
            if own.wants_sold_out {
                return Err(Instead::SoldOut);
            }
        }
        let scratch = state.take_scratch();
        Ok((scratch, state.clock(now_ms), state.parameters.defaults(), state.promotion, state.parameters.events()))
    });
    let (mut scratch, clock, defaults, promotion, (stream, max_len)) = match begun {
        Ok(begun) => begun,
        Err(instead) => return reply_instead(ctx, instead, argv),
    };
    // Nobody asks for the name of the command, which comes first.
    scratch.args.push(&[]);
    // SAFETY: the server keeps the arguments alive and in place until the command returns.
    // `Scratch` forgets them before that, and handlers, which take a `Call` of any lifetime, cannot
    // keep them.
    unsafe { api::all_bytes(argv.get(1..).unwrap_or(&[]), &mut scratch.args) };
    let events = EventConfig { default_stream: stream.as_deref(), max_len };
    let env = Env { clock, defaults, promotion, entropy: &api::random, origin: origin(spec, ctx), events };
    let outcome = execute(spec, ctx, argv, &env, &mut scratch);
    let journal = &scratch.journal;
    notify::announce(ctx, &scratch.open, journal);
    let expired = if env.origin == Origin::Client { journal.expired } else { 0 };
    let (divergences, published, dropped) = (journal.divergences, journal.published, journal.dropped);
    let unread = journal.unread;
    scratch.clear();
    state::with(|state| {
        state.count_outcome(outcome);
        for answer in &scratch.journal.answers {
            state.count_outcome(answer.outcome);
        }
        state.totals.expired = state.totals.expired.wrapping_add(expired);
        if published > 0 || dropped > 0 {
            state.count_events(published, dropped);
        }
        if divergences > 0 {
            state.count_divergences(divergences);
        }
        state.return_scratch(scratch);
    });
    if let Some(unread) = unread {
        // SAFETY: as above.
        let key = argv.get(1).map_or(&[][..], |&key| unsafe { api::bytes(key) });
        handle_unread(ctx, unread, env.origin, key);
    }
}

/// What is replied in place of running the command.
enum Instead {
    /// That the call got here is the answer (see `stream::check`).
    One,
    /// Another write has pools open.
    Nested,
    /// What `kept_refusals` keeps.
    SoldOut,
}

#[cold]
fn reply_instead(ctx: Ctx<'_>, instead: Instead, argv: &[*mut raw::RedisModuleString]) {
    match instead {
        Instead::One => Reply(ctx).int(1),
        Instead::Nested => reply::error(ctx, &CommandError::NESTED_WRITE),
        Instead::SoldOut => {
            // SAFETY: the arguments are live until the command returns.
            let key = argv.get(1).map_or(&[][..], |&key| unsafe { api::bytes(key) });
            kept_refusals::answer(&mut Reply(ctx), key);
        }
    }
}

/// What replication brought could not be read: a newer module wrote it, or it is damaged. Ends the
/// server where it would go on without what it needs.
#[cold]
fn handle_unread(ctx: Ctx<'_>, unread: Unread, origin: Origin, key: &[u8]) {
    let from_file = reads_file(ctx, ctx.flags());
    if !from_file && origin == Origin::Replication && matches!(unread, Unread::Effect(_)) {
        return state::with(|state| state.log_unread(unread, key));
    }
    state::log_unread(unread, key);
    if from_file {
        // As the server does where its file holds a command that it does not know. Without these
        // sales it would start, and soon write a file without them.
        log::warning("the append-only file cannot be loaded whole: the server does not start");
    } else if origin == Origin::SlotImport {
        if refuse_slot(ctx) {
            return log::warning("the import of this slot is cancelled: the source keeps it");
        }
        // The source would delete the slot.
        log::warning("the import of this slot cannot be cancelled: the server ends, and the source keeps the slot");
    } else {
        // The pool would be missing here, and nobody would know before this replica is promoted.
        // Nothing of this command is in its files, so that it gets it anew.
        log::warning("a replica must not go on without this pool: the server ends; once started again, it copies it");
    }
    std::process::exit(1);
}

/// Makes sure that a slot does not get here without what could not be read. Valkey cancels the
/// import for the error that the call has answered. Redis 8.4 to 8.6 only log that error, and take
/// the slot: there the import is cancelled by name, which frees its clients behind this call.
fn refuse_slot(ctx: Ctx<'_>) -> bool {
    if state::with(|state| state.import_flag) != 0 {
        return true;
    }
    let (migration, cancel, all) = (c"MIGRATION".as_ptr(), c"CANCEL".as_ptr(), c"ALL".as_ptr());
    let (command, format) = (c"CLUSTER".as_ptr(), c"Eccc".as_ptr());
    // SAFETY: the context is live; the format matches the arguments.
    let reply =
        unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command, format, migration, cancel, all))) };
    reply.is_some_and(|reply| reply.integer().is_some())
}

/// Runs the handler, and what must follow while its keys are open.
fn execute(
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
    let outcome = if result.is_ok() { journal.outcome.unwrap_or(Outcome::Other) } else { Outcome::Error };
    if spec.access != Access::Read {
        replicate::propagate(ctx, &keys, journal);
        // A cart changes one order in each of its pools, as a single call does.
        let cart = matches!(spec.keys, KeyPositions::Counted(_));
        update_pools(&mut keys, env.clock, !spec.fast && !cart, outcome, journal);
    }
    if let Err(error) = result {
        reply::error(ctx, &error);
    }
    outcome
}

/// Brings the gauges and the wake-up queue up to date with the pools of a call, and counts its
/// answer: in all of them, or in the one that refused it. `whole`: the call may have changed a pool
/// by more than one order.
fn update_pools(keys: &mut OpenKeys<'_>, clock: Clock, whole: bool, outcome: Outcome, journal: &Journal) {
    let refused = journal.refused.as_ref();
    let counter = counter(outcome, refused);
    let several = journal.answers.as_slice();
    let missing = several.iter().filter(|answer| answer.outcome == Outcome::NoPool).count();
    state::with(|state| {
        for _ in 0..missing.saturating_add(usize::from(outcome == Outcome::NoPool)) {
            for missing in keys.opened().iter().filter(|key| key.value.is_null()) {
                state.hot_keys.count_missing(missing.db(), missing.name_bytes(), clock.now_ms);
            }
        }
        keys.each_value(|handle, key, value| {
            let mut count = |counter: Option<usize>, refused: Option<&Refused>| {
                let Some(counter) = counter else { return };
                if value.count_answer(counter, refused, clock.now_ms) {
                    value.hand_over(&mut state.hot_keys, key.db(), key.name_bytes(), clock.now_ms);
                }
            };
            if refused.is_none_or(|refused| refused.handle == handle) {
                count(counter, refused);
            }
            // Calls with several answers have one key.
            for Answer { outcome, refused } in several {
                count(self::counter(*outcome, refused.as_ref()), refused.as_ref());
            }
            if key.touched {
                value.update_gauges(whole);
            }
            if !value.is_scheduled(clock.now_ms, key.touched) {
                let (db, name) = (key.db(), key.name_bytes());
                if state.wake_queue.reschedule(db, name, value, clock.now_ms, key.touched) {
                    state.note_stream(db, value);
                }
            }
            if let Some(own) = &mut state.sweep.call {
                own.scheduled_ms.get_or_insert(value.scheduled_ms);
            }
        });
    });
}

/// The counter of a pool that an answer adds to. An error that no pool is named for was none of a
/// pool.
fn counter(outcome: Outcome, refused: Option<&Refused>) -> Option<usize> {
    outcome.counter().filter(|_| outcome != Outcome::Error || refused.is_some())
}

/// Where a call comes from. Only the commands of replication need to know, and asking is not cheap.
fn origin(spec: &Spec, ctx: Ctx<'_>) -> Origin {
    if spec.access != Access::Replicated {
        return Origin::Client;
    }
    let flags = ctx.flags();
    let import = state::with(|state| state.import_flag);
    let primary = flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0;
    if reads_file(ctx, flags) {
        Origin::Replication
    } else if primary && flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | import) != 0 {
        // In Redis the client that imports a slot is one of replication, of which a primary has
        // none otherwise.
        Origin::SlotImport
    } else if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | import) != 0 {
        Origin::Replication
    } else {
        Origin::Client
    }
}

/// Whether the call comes from the append-only file. A client of its own reads it, which has the
/// largest id. The flag for loading alone proves nothing: during a diskless load of a replica,
/// clients are served from the old data set.
fn reads_file(ctx: Ctx<'_>, flags: u32) -> bool {
    flags & raw::REDISMODULE_CTX_FLAGS_LOADING != 0 && ctx.is_aof_client()
}
