//! The one table of all commands, for registration, `COMMAND DOCS`, the documents and the tests.

use super::spec::Spec;
use super::{
    add, amend, available, check, confirm, effect, explain, extend, get, limit, limits, load, mconfirm, meffect,
    mextend, mrelease, mreserve, mreturn, order, orders, policy, reconcile, release, reserve, return_units, schedule,
    set, setpolicy, stats, suspend, sweep, top, unlimit, usage, verify,
};

/// Every command, in the order of the documents.
pub static TABLE: &[Spec] = &[
    reserve::SPEC,
    confirm::SPEC,
    release::SPEC,
    amend::SPEC,
    extend::SPEC,
    return_units::SPEC,
    mreserve::SPEC,
    mconfirm::SPEC,
    mrelease::SPEC,
    mextend::SPEC,
    mreturn::SPEC,
    set::SPEC,
    add::SPEC,
    reconcile::SPEC,
    suspend::SUSPEND,
    suspend::RESUME,
    setpolicy::SPEC,
    schedule::SPEC,
    sweep::SPEC,
    limit::SPEC,
    unlimit::SPEC,
    limits::SPEC,
    usage::SPEC,
    get::SPEC,
    available::SPEC,
    check::SPEC,
    explain::SPEC,
    order::SPEC,
    orders::SPEC,
    policy::SPEC,
    verify::SPEC,
    stats::SPEC,
    top::SPEC,
    effect::SPEC,
    meffect::SPEC,
    load::SPEC,
];
