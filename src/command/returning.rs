//! The map `returning` of reads: when held units come back if nobody pays.

use super::host::Out;
use crate::core::model::returning::{returning, MAX_HOLDS, SPANS_MS};
use crate::core::model::view::View;

const SPANS: [&str; SPANS_MS.len()] = ["within_1m", "within_5m", "within_15m", "within_60m"];

/// Replies with the field `returning`.
pub fn field(out: &mut dyn Out, view: &View<'_>) {
    let sums = returning(view, MAX_HOLDS);
    out.field("returning").map(SPANS.len().saturating_add(1));
    let spans = SPANS.into_iter().zip(sums.within);
    for (name, units) in spans.chain(std::iter::once(("later", sums.later))) {
        out.field(name).int_or_nil(units);
    }
}
