//! `STOCK.RECONCILE key on_hand [AFTER epoch seq out] [DRYRUN] [NOTE text]`

use super::args::{bounded, set_flag, set_once, units, Args, Parsed};
use super::commit::{commit_noted_and_purge, context, reply_no_pool, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::reply::{ok, refused};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, NOTE};
use crate::core::model::view::View;
use crate::core::ops::reconcile::{decide, After};

pub const SPEC: Spec = Spec {
    name: "STOCK.RECONCILE",
    summary: "Corrects on_hand to what the database says, while sales go on.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("on_hand"), AFTER, Arg::word("dryrun", "DRYRUN").optional(), NOTE],
    docs: Docs {
        details: "`AFTER` names the last event that the database has followed; what has moved since then is no \
            drift. Without it, call this while nothing is sold. Open holds stay. `DRYRUN` changes nothing \
            and answers as the write would. `NOTE` says who and why: it is published with the change, and kept \
            nowhere else.\n\nThe pool's `on_hand` is without units that are paid. A \
            system that counts \"paid, not shipped\" as stock must subtract these first.",
        replies: &[
            reply("[OK, drift, on_hand, available]", "`on_hand` was changed by `drift`; 0 is no change."),
            refusal::NOPOOL,
            refusal::UNKNOWN,
        ],
        errors: &["ERR: the pool is unlimited."],
        example: include_str!("examples/reconcile.txt"),
    },
    run,
};

const AFTER: Arg = Arg::new("after", ArgKind::Block(AFTER_PARTS)).after("AFTER").optional();
const AFTER_PARTS: &[Arg] = &[Arg::string("epoch"), Arg::integer("seq"), Arg::integer("out")];

/// Reads the last event that the database has applied: epoch, seq and out, behind AFTER.
fn after(args: &mut Args<'_>) -> Parsed<After> {
    let epoch = epoch(args.option_value()?)?;
    let outside = CommandError::line("ERR invalid seq: 0 or greater");
    let seq = bounded(args.option_value()?, 0..=i64::MAX, outside)?.unsigned_abs();
    Ok(After { epoch, seq, out: units(args.option_value()?)? })
}

/// Reads an epoch: 16 hex digits.
fn epoch(text: &[u8]) -> Parsed<u64> {
    let wrong = CommandError::line("ERR invalid epoch: 16 hex digits");
    let digits = std::str::from_utf8(text).ok().filter(|t| t.len() == 16 && t.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(wrong)
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let on_hand = units(args.required()?)?;
    let (mut followed, mut dry, mut note) = (None, false, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "AFTER" => set_once(&mut followed, after(&mut args)?)?,
            "DRYRUN" => set_flag(&mut dry)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    // A dry run reads: due holds do not expire.
    let handle = if dry { call.keys.open(key)? } else { write_pool(call, key)? };
    let Some(handle) = handle else {
        if dry {
            reply_no_pool(call, key);
        }
        return Ok(());
    };
    let pool = call.keys.pool(handle);
    let view = if dry { View::of_read(pool, context(call)) } else { View::of_write(pool, context(call)) };
    let before = view.available();
    let found = match decide(&view, on_hand, followed) {
        Ok(found) => found,
        Err(refusal) => return refused(call, key, handle, &refusal),
    };
    if let Some(change) = found.change().filter(|_| !dry) {
        commit_noted_and_purge(call, handle, &change, note);
    }
    ok(call.out, 4);
    call.out.int(found.drift);
    call.out.int(found.expected);
    // After the change, or what it would be after a dry run.
    let available = before.map_or(-1, |units| units.saturating_add(found.drift).max(0));
    call.out.int(available);
    Ok(())
}
