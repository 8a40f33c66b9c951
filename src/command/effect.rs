//! `STOCK.EFFECT key effect`: applies the effect of a call on the primary. Not for clients.

use super::args::Args;
use super::commit::append;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::event::{self, entry, StreamField};
use super::host::{Append, Handle, Origin};
use super::journal::{Notification, Unread, Unreadable};
use super::refusal::Outcome;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::apply::apply;
use crate::core::codec::effect::{newer_version, Effect};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Kind, Transitions};
use crate::core::model::event::{quantity, Event, StreamPosition, Words};
use crate::core::model::ids::Bytes;
use crate::core::model::pool::Pool;
use crate::core::stored_pool::StoredPool;

pub const SPEC: Spec = Spec {
    name: "STOCK.EFFECT",
    summary: "Applies the effect of a call. Accepted from replication, the append-only file and slot imports only.",
    complexity: "Same as the original call.",
    since: "0.1.0",
    arity: 3,
    access: Access::Replicated,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::string("effect")],
    docs: Docs {
        details: "Not for clients. Replicas and the append-only file get the effect of a call in this form, \
            with time, deadline and quantities resolved.",
        replies: &[reply("OK", "Applied.")],
        errors: EFFECT_ERRORS,
        example: include_str!("examples/effect.txt"),
    },
    run,
};

/// The errors of both commands that carry effects.
pub const EFFECT_ERRORS: &[&str] = &[
    "ERR command is for replication, the append-only file and slot imports only: a client called it.",
    "ERR effect cannot be read: the source of a slot has a newer module, or the effect is damaged. The migration is \
        cancelled.",
];

/// The reply to a client that sends a command of replication.
pub const NOT_FOR_CLIENTS: CommandError =
    CommandError::line("ERR command is for replication, the append-only file and slot imports only");

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin == Origin::Client {
        return Err(NOT_FOR_CLIENTS);
    }
    let (mut args, key) = Args::behind_key(call.args)?;
    let bytes = args.required()?;
    args.end()?;
    apply_effects(call, &[key], &[bytes])
}

/// The reply to the source of a slot that sends what cannot be read.
const UNREADABLE: CommandError =
    CommandError::line("ERR effect cannot be read: a newer module wrote it, or it is damaged");

/// Applies the effects of one call, pool by pool. An effect that does not fit its pool is counted,
/// and what fits is applied. The call is replicated as it came, whatever happens here: a replica of
/// this server must see what this one saw.
///
/// # Errors
/// `ERR effect cannot be read`, in a slot import only: the server then cancels the migration, and
/// deletes what it has brought, here and on the replicas. The source keeps the slot.
pub fn apply_effects(call: &mut Call<'_>, keys: &[&[u8]], effects: &[&[u8]]) -> Result<(), CommandError> {
    call.journal.outcome = Some(Outcome::Other);
    let mut pending = Vec::new();
    let mut divergences = 0u64;
    for (key, bytes) in keys.iter().zip(effects) {
        divergences = divergences.saturating_add(apply_one(call, key, bytes, &mut pending).unwrap_or(1));
    }
    if call.journal.unread.is_some() && call.env.origin == Origin::SlotImport {
        call.journal.divergences = divergences;
        call.journal.forget_changes();
        return Err(UNREADABLE);
    }
    call.journal.verbatim = true;
    call.out.ok();
    // The pools of a cart may share a stream: append its entries in the order in which the primary
    // did.
    pending.sort_by_key(|again| again.position.id);
    for again in &pending {
        let event = again.event.with_words(again.words.as_words());
        let entry = entry(&event, again.field.map(|field| (field, again.text.as_slice())), again.packed);
        let position = append(call, again.handle, again.stream.as_slice(), Append::At(again.position), &entry);
        divergences = divergences.saturating_add(u64::from(position.is_none()));
    }
    call.journal.divergences = call.journal.divergences.saturating_add(divergences);
    Ok(())
}

/// An entry that the primary appended, and that must be appended here.
struct PendingEntry {
    handle: Handle,
    stream: Bytes,
    position: StreamPosition,
    /// Without the words, which are kept below.
    event: Event<'static>,
    words: OwnedWords,
    text: Vec<u8>,
    /// What the text is.
    field: Option<StreamField>,
    /// As the policy said at that change.
    packed: bool,
}

/// The words of an entry, kept until it is appended.
struct OwnedWords {
    order: Option<Bytes>,
    token: Option<Bytes>,
    peer: Option<Bytes>,
    note: Option<Bytes>,
}

impl OwnedWords {
    fn of(words: Words<'_>) -> Self {
        let [order, token, peer, note] =
            [words.order, words.token, words.peer, words.note].map(|word| word.map(Bytes::new));
        Self { order, token, peer, note }
    }

    fn as_words(&self) -> Words<'_> {
        let words = [&self.order, &self.token, &self.peer, &self.note];
        let [order, token, peer, note] = words.map(|word| word.as_ref().map(Bytes::as_slice));
        Words { order, token, peer, note }
    }
}

/// Applies the effect of one pool, and returns how much did not fit. `None`: nothing could be
/// applied.
fn apply_one(call: &mut Call<'_>, key: &[u8], bytes: &[u8], pending: &mut Vec<PendingEntry>) -> Option<u64> {
    let mut effect = match Effect::read(bytes) {
        Ok(effect) => effect,
        Err(damage) => {
            let why = newer_version(bytes).map_or(Unreadable::Damage(damage), Unreadable::Version);
            call.journal.unread = Some(Unread::Effect(why));
            return None;
        }
    };
    let mut divergences = 0u64;
    let handle = match call.keys.open(key).ok()? {
        // The primary had no such key, so the pool that is here is another one.
        Some(handle) if effect.creates() => {
            divergences = 1;
            *call.keys.pool_mut(handle) = Pool::new(0);
            handle
        }
        Some(handle) => handle,
        None if effect.creates() => call.keys.create(key, StoredPool::Complete(Pool::new(0))),
        None => return None,
    };
    let changed = call.journal.changes_of(handle);
    let pool = call.keys.pool_mut(handle);
    divergences = divergences.saturating_add(u64::from(pool.seq() != effect.seq));
    pool.resume_at(effect.seq);
    let mut policy_changed = false;
    loop {
        let mut attributes = Attributes::default();
        let step = match effect.next(pool, &mut attributes) {
            Ok(None) => {
                if policy_changed {
                    call.keys.policy_changed(handle);
                }
                return Some(divergences);
            }
            Ok(Some(step)) => step,
            // A kind of change that a newer module has, or damage.
            Err(damage) => {
                call.journal.unread = Some(Unread::Effect(Unreadable::Damage(damage)));
                return Some(divergences.saturating_add(1));
            }
        };
        let (mut qty, mut text, mut field) = (0, Vec::new(), None);
        if step.event_ref.is_some() {
            qty = quantity(pool, &step.change);
            field = event::changed(&mut text, pool, &step.change);
        }
        let announced = if step.applicable {
            apply(pool, &step.stamp, &step.change)
        } else {
            divergences = divergences.saturating_add(1);
            pool.skip(&step.stamp, &step.change);
            step.change.kind().map(|kind| (kind, Transitions::default()))
        };
        let Some((kind, transitions)) = announced else { continue };
        policy_changed |= kind == Kind::Policy;
        if step.applicable {
            changed.notifications.push(Notification { kind, transitions });
        }
        let Some(event_ref) = &step.event_ref else { continue };
        match event_ref.stream.or(pool.events()).map(Bytes::new) {
            Some(stream) => {
                let event = Event::of(pool, &step.change, (kind, transitions), qty, step.stamp.now_ms);
                let event = Event { note: event_ref.note, ..event };
                let field = field.or_else(|| event::attributes(&mut text, pool, &step.change));
                pending.push(PendingEntry {
                    handle,
                    stream,
                    position: event_ref.position,
                    event: event.with_words(Words::default()),
                    words: OwnedWords::of(event.words()),
                    text,
                    field,
                    packed: pool.packed_events(),
                });
            }
            None => divergences = divergences.saturating_add(1),
        }
    }
}
