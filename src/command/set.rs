//! `STOCK.SET key on_hand|UNLIMITED [NX|XX] [POLICY json] [NOTE text]`

use super::args::{keyword, set_once, units, Args};
use super::commit::{commit_noted, commit_noted_and_purge, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::policy_json;
use super::refusal::bound_text;
use super::reply::refused;
use super::setpolicy;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, NOTE};
use crate::core::model::change::{Change, OnHand, PoolChange};
use crate::core::model::policy::Policy;
use crate::core::model::pool::Pool;
use crate::core::ops::policy::decide_new;
use crate::core::ops::set::decide;
use crate::core::stored_pool::StoredPool;

pub const SPEC: Spec = Spec {
    name: "STOCK.SET",
    summary: "Creates a pool, or sets its on_hand; open holds stay.",
    complexity: "O(1); with POLICY O(N) where N is the size of the policy.",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteNew,
    fast: true,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::new("on_hand", ArgKind::OneOf(&[Arg::integer("units"), Arg::word("unlimited", "UNLIMITED")])),
        Arg::new("condition", ArgKind::OneOf(&[Arg::word("nx", "NX"), Arg::word("xx", "XX")])).optional(),
        Arg::string("json").after("POLICY").optional(),
        NOTE,
    ],
    docs: Docs {
        details: "`on_hand` is what lies on the shelf and is not sold. Open holds stay, so `available` is \
            `on_hand` less what is held. `UNLIMITED` makes a pool whose stock is not counted, for example \
            a cap per buyer over several products. `NX` only creates; `XX` only corrects. `NOTE` says who and why: \
            it is published with the change, and kept nowhere else.\n\n**`NX POLICY json`** creates the pool with \
            its policy, as `STOCK.SETPOLICY` takes it, in one step: nobody can buy in between, when there are no \
            limits yet. A pool that exists keeps its policy.\n\nWhile sales \
            run, correct stock with `STOCK.RECONCILE` or `STOCK.ADD` instead: a number read a moment ago \
            is stale.",
        replies: &[reply("OK", "Done."), reply("nil", "`NX` or `XX` forbids it.")],
        errors: &[
            "ERR POLICY needs NX: a pool that exists has a policy. Change it with `STOCK.SETPOLICY`.",
            "ERR invalid policy, NOPERM, CROSSSLOT, WRONGTYPE, TRYAGAIN: as `STOCK.SETPOLICY`; no pool is created.",
        ],
        example: include_str!("examples/set.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let amount = args.required()?;
    let unlimited = keyword(SPEC.args, amount) == Some("UNLIMITED");
    let on_hand = if unlimited { OnHand::Unlimited } else { OnHand::Units(units(amount)?) };
    let (mut must_exist, mut json, mut note) = (None, None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "NX" => set_once(&mut must_exist, false)?,
            "XX" => set_once(&mut must_exist, true)?,
            "POLICY" => set_once(&mut json, args.option_value()?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    if json.is_some() && must_exist != Some(false) {
        return Err(CommandError::line("ERR POLICY needs NX"));
    }
    let policy = json.map(|json| policy_json::read(json, call.env.defaults.tz)).transpose()?;
    // A new pool has no due holds. One that exists is opened as by every write.
    if call.keys.open(key)?.is_none() {
        if must_exist == Some(true) {
            call.out.nil();
            return Ok(());
        }
        return create(call, key, on_hand, policy, note);
    }
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    if must_exist == Some(false) {
        call.out.nil();
        return Ok(());
    }
    match decide(call.keys.pool(handle), on_hand) {
        Ok(change) => {
            commit_noted_and_purge(call, handle, &change, note);
            call.out.ok();
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}

/// Creates the pool. Its policy is a change of its own, in the same effect.
fn create(
    call: &mut Call<'_>,
    key: &[u8],
    on_hand: OnHand,
    policy: Option<Policy>,
    note: Option<&[u8]>,
) -> Result<(), CommandError> {
    // All that may fail comes first: a pool that was created stays.
    let policy_change = match policy {
        Some(policy) => {
            setpolicy::check_stream(call, key, None, &policy)?;
            decide_new(on_hand, policy).map_err(|bound| CommandError::line(bound_text(bound)))?
        }
        None => None,
    };
    let salt = (call.env.entropy)();
    let handle = call.keys.create(key, StoredPool::Complete(Pool::new(salt)));
    commit_noted(call, handle, &Change::Pool(PoolChange::Created { salt, on_hand }), note);
    match policy_change {
        None => call.out.ok(),
        change => setpolicy::finish(call, key, handle, Ok(change), note)?,
    }
    Ok(())
}
