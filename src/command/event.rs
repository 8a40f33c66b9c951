//! One entry of an event stream: its fields, their names and their order.

use arrayvec::ArrayVec;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OnHand, OrderChange, PoolChange};
use crate::core::model::event::Event;
use crate::core::model::policy::{Policy, PolicyLimit};
use crate::core::model::pool::Pool;
use crate::core::model::sale::Schedule;
use crate::core::ops::policy::current;

/// The fields, in order. `order` and the fields behind `out` are left out if they are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StreamField {
    /// What happened.
    Type,
    /// The key of the pool.
    Pool,
    /// Its database.
    Db,
    /// The epoch of the change: 16 hex digits.
    Epoch,
    /// The number of the change.
    Seq,
    /// The id of the order.
    Order,
    /// See `core::model::event::quantity`.
    Qty,
    /// The time of the change, Unix ms.
    At,
    /// Units that can be reserved; -1 for unlimited.
    Available,
    /// Units held.
    Reserved,
    /// Empty for an unlimited pool.
    OnHand,
    /// Net units sold.
    Sold,
    /// Net units that left the stock.
    Out,
    /// The attributes, as JSON.
    For,
    /// The token of a restock, a transfer or a return.
    Token,
    /// The key of the other pool of a transfer or a shift.
    Peer,
    /// The fields and the limits that a change of policy has changed.
    Changed,
    /// What the caller noted.
    Note,
    /// `soldout`, `restocked` or `low`.
    Edge,
}

/// The number of fields.
pub const FIELDS: usize = 19;

/// The names, in order, and how each begins in a packed entry.
macro_rules! names {
    ($($name:literal)*) => {
        impl StreamField {
            /// The names, in order.
            pub const NAMES: [&'static str; FIELDS] = [$($name),*];
            /// What stands before the value in a packed entry, behind another.
            const PACKED_NAMES: [&'static str; FIELDS] = [$(concat!(",\"", $name, "\":")),*];
        }
    };
}

names!(
    "type" "pool" "db" "epoch" "seq" "order" "qty" "at" "available" "reserved" "on_hand" "sold" "out" "for" "token"
    "peer" "changed" "note" "edge"
);

/// A value of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A word out of a small set.
    Word(&'static str),
    /// The key of the pool, which the keyspace fills in.
    Key,
    /// The database of the pool, which the keyspace fills in.
    Db,
    /// A number.
    Int(i64),
    /// An epoch.
    Epoch(u64),
    /// Any bytes.
    Bytes(&'a [u8]),
}

/// One entry, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEntry<'a> {
    /// The fields, in order.
    pub fields: ArrayVec<(StreamField, FieldValue<'a>), FIELDS>,
    /// They are to be written as one field: see [`pack`].
    pub packed: bool,
}

/// The name of the one field of a packed entry.
pub const PACKED: &str = "event";
/// The version of what is in it.
const PACKED_VERSION: &str = "1";

/// The entry of a change. `text` is what [`attributes`] or [`changed`] wrote, and the field that
/// they wrote it for.
#[must_use]
pub fn entry<'a>(event: &Event<'a>, text: Option<(StreamField, &'a [u8])>, packed: bool) -> StreamEntry<'a> {
    let mut stream_entry = StreamEntry { fields: ArrayVec::new(), packed };
    let entry = &mut stream_entry.fields;
    let on_hand = match event.on_hand {
        OnHand::Units(units) => FieldValue::Int(units),
        OnHand::Unlimited => FieldValue::Bytes(b""),
    };
    entry.push((StreamField::Type, FieldValue::Word(event.kind.word())));
    entry.push((StreamField::Pool, FieldValue::Key));
    entry.push((StreamField::Db, FieldValue::Db));
    entry.push((StreamField::Epoch, FieldValue::Epoch(event.epoch)));
    entry.push((StreamField::Seq, FieldValue::Int(i64::try_from(event.seq).unwrap_or(i64::MAX))));
    if let Some(order) = event.order {
        entry.push((StreamField::Order, FieldValue::Bytes(order)));
    }
    entry.push((StreamField::Qty, FieldValue::Int(event.qty)));
    entry.push((StreamField::At, FieldValue::Int(event.at_ms)));
    entry.push((StreamField::Available, FieldValue::Int(event.available.unwrap_or(-1))));
    entry.push((StreamField::Reserved, FieldValue::Int(event.reserved)));
    entry.push((StreamField::OnHand, on_hand));
    entry.push((StreamField::Sold, FieldValue::Int(event.sold)));
    entry.push((StreamField::Out, FieldValue::Int(event.out)));
    let text = text.map(|(field, text)| (field, FieldValue::Bytes(text)));
    entry.extend(text.filter(|(field, _)| *field == StreamField::For));
    if let Some(token) = event.token {
        entry.push((StreamField::Token, FieldValue::Bytes(token)));
    }
    if let Some(peer) = event.peer {
        entry.push((StreamField::Peer, FieldValue::Bytes(peer)));
    }
    entry.extend(text.filter(|(field, _)| *field == StreamField::Changed));
    if let Some(note) = event.note {
        entry.push((StreamField::Note, FieldValue::Bytes(note)));
    }
    // One transition per entry: soldout includes low.
    if let Some(transition) = event.transitions.iter().next() {
        entry.push((StreamField::Edge, FieldValue::Word(transition.word())));
    }
    stream_entry
}

/// Writes an entry to `text` as one JSON object: `{"v":1,"type":…,…}`, with the names of the fields
/// as they are. Numbers are numbers, on_hand of an unlimited pool is null, `for` is an object; any
/// other text that is not UTF-8 becomes `{"base64":"…"}`. `key` and `db` are those of the pool.
pub fn pack(text: &mut Vec<u8>, entry: &StreamEntry<'_>, key: &[u8], db: i32) {
    text.clear();
    text.extend_from_slice(b"{\"v\":");
    text.extend_from_slice(PACKED_VERSION.as_bytes());
    for &(field, value) in &entry.fields {
        text.extend_from_slice(StreamField::PACKED_NAMES.get(field as usize).copied().unwrap_or_default().as_bytes());
        match value {
            // Words are plain ASCII, and need no escape.
            FieldValue::Word(word) => plain(text, word.as_bytes()),
            FieldValue::Key => string(text, key),
            FieldValue::Db => number(text, i64::from(db)),
            FieldValue::Int(value) => number(text, value),
            FieldValue::Epoch(epoch) => plain(text, &hex(epoch)),
            FieldValue::Bytes(json) if field == StreamField::For => text.extend_from_slice(json),
            FieldValue::Bytes([]) if field == StreamField::OnHand => text.extend_from_slice(b"null"),
            FieldValue::Bytes(bytes) => string(text, bytes),
        }
    }
    text.push(b'}');
}

fn plain(text: &mut Vec<u8>, value: &[u8]) {
    text.push(b'"');
    text.extend_from_slice(value);
    text.push(b'"');
}

fn number(text: &mut Vec<u8>, value: i64) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A number in 16 hexadecimal digits, as an epoch is shown. Each pool has its own, so each entry of
/// an event stream may have to write another one.
#[must_use]
pub fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let mut rest = number;
    for digit in &mut digits {
        rest = rest.rotate_left(4);
        *digit = b"0123456789abcdef".get((rest & 0xf) as usize).copied().unwrap_or(b'0');
    }
    digits
}

/// Writes the attributes of a reservation or a late payment to `text`, as a JSON object; nothing
/// for other changes. A value that is not UTF-8 becomes `{"base64":"…"}`. For a late payment of an
/// order that the pool remembers, and for a part of one, these are the attributes that limits
/// counted it by and those that `remember` names: the pool keeps no others.
pub fn attributes(text: &mut Vec<u8>, pool: &Pool, change: &Change<'_>) -> Option<StreamField> {
    let Change::Order(order, change) = change else { return None };
    text.clear();
    match change {
        OrderChange::Reserved { placement, .. } | OrderChange::LatePlaced { placement, .. } => {
            sent(text, placement.attributes);
            Some(StreamField::For)
        }
        OrderChange::Late { .. } | OrderChange::Split { .. } => {
            let order = if let OrderChange::Split { from, .. } = change { from } else { order };
            let known = order.row.and_then(|row| Some(pool.known_attributes(row, &pool.order(row)?)));
            object(text, known.unwrap_or_default().into_iter());
            Some(StreamField::For)
        }
        OrderChange::Amended { .. }
        | OrderChange::Parted { .. }
        | OrderChange::Extended { .. }
        | OrderChange::Confirmed { .. }
        | OrderChange::Released { .. }
        | OrderChange::Replaced { .. }
        | OrderChange::Cancelled { .. }
        | OrderChange::Expired { .. }
        | OrderChange::Returned { .. }
        | OrderChange::UnverifiedReturn { .. } => None,
    }
}

/// Writes to `text` which fields of the policy and which limits a change of it is about to change;
/// nothing for other changes. In the order of the policy, joined by commas, of which names have
/// none: `safety,user/day/units`. Limits that only change places are `limits`.
pub fn changed(text: &mut Vec<u8>, pool: &Pool, change: &Change<'_>) -> Option<StreamField> {
    let Change::Pool(change) = change else { return None };
    match change {
        PoolChange::Policy(policy) => {
            text.clear();
            policy_changes(text, &current(pool), policy);
        }
        PoolChange::Scheduled(schedule) => {
            text.clear();
            schedule_changes(text, pool.schedule(), *schedule);
        }
        PoolChange::LimitSet(set) => {
            text.clear();
            name(text, &set.identity.text());
        }
        PoolChange::LimitRemoved { id, .. } => {
            text.clear();
            name(text, pool.limits().iter().find(|limit| limit.id == *id).map_or("", |limit| &limit.text));
        }
        PoolChange::Created { .. }
        | PoolChange::Set(_)
        | PoolChange::Added { .. }
        | PoolChange::Transferred { .. }
        | PoolChange::Shifted(_)
        | PoolChange::Reconciled { .. }
        | PoolChange::Suspended
        | PoolChange::Resumed
        | PoolChange::Opened
        | PoolChange::Ended => return None,
    }
    Some(StreamField::Changed)
}

fn name(text: &mut Vec<u8>, name: &str) {
    if !text.is_empty() {
        text.push(b',');
    }
    text.extend_from_slice(name.as_bytes());
}

fn schedule_changes(text: &mut Vec<u8>, old: Schedule, new: Schedule) {
    for (field, differs) in [("from", old.from_ms != new.from_ms), ("until", old.until_ms != new.until_ms)] {
        if differs {
            name(text, field);
        }
    }
}

fn policy_changes(text: &mut Vec<u8>, old: &Policy, new: &Policy) {
    for (field, differs) in [
        ("hold", old.hold_ms != new.hold_ms),
        ("retain", old.retain_ms != new.retain_ms),
        ("retain_paid", old.retain_paid_ms != new.retain_paid_ms),
        ("safety", old.safety != new.safety),
        ("alert", old.alert != new.alert),
        ("events", old.events != new.events),
        ("events_format", old.packed_events != new.packed_events),
    ] {
        if differs {
            name(text, field);
        }
    }
    schedule_changes(text, old.schedule, new.schedule);
    if old.remember != new.remember {
        name(text, "remember");
    }
    let before = text.len();
    for limit in new.limits.iter().filter(|limit| !old.limits.contains(limit)) {
        name(text, &limit.identity.text());
    }
    let gone = |limit: &&PolicyLimit| new.limits.iter().all(|other| other.identity != limit.identity);
    for limit in old.limits.iter().filter(gone) {
        name(text, &limit.identity.text());
    }
    if text.len() == before && old.limits != new.limits {
        name(text, "limits");
    }
}

fn sent(text: &mut Vec<u8>, attributes: &Attributes<'_>) {
    object(text, attributes.iter());
}

fn object<'p>(text: &mut Vec<u8>, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) {
    text.push(b'{');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        // Names are plain ASCII, and need no escape.
        text.push(b'"');
        text.extend_from_slice(name);
        text.extend_from_slice(b"\":");
        string(text, value);
    }
    text.push(b'}');
}

/// Whether a text needs no escape: printable ASCII without quotes and backslashes.
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
    };
    // What the last eight bytes share with those before them is looked at twice.
    text.chunks_exact(8).filter_map(|eight| eight.first_chunk::<8>()).chain([last]).all(|eight| are_plain(*eight))
}

/// The same for eight bytes at once. It may take some for not plain that are, behind one that is
/// not: so only all of them together have an answer.
#[inline(always)]
const fn are_plain(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    /// The highest bit of each byte that is below a number of at most 128.
    const fn below(word: u64, number: u64) -> u64 {
        word.wrapping_sub(ONES.wrapping_mul(number)) & !word
    }
    /// The highest bit of each byte that is this one.
    const fn equal(word: u64, byte: u8) -> u64 {
        below(word ^ ONES.wrapping_mul(byte as u64), 1)
    }
    let word = u64::from_le_bytes(eight);
    let other = word | below(word, 0x20) | equal(word, b'"') | equal(word, b'\\') | equal(word, 0x7f);
    other & HIGH == 0
}

fn string(text: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return plain(text, value);
    }
    match std::str::from_utf8(value) {
        // Writing into a vector cannot fail.
        Ok(value) => drop(serde_json::to_writer(text, value)),
        Err(_) => {
            text.extend_from_slice(b"{\"base64\":\"");
            text.extend_from_slice(STANDARD.encode(value).as_bytes());
            text.extend_from_slice(b"\"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(pairs: &[(&[u8], &[u8])]) -> String {
        let mut text = Vec::new();
        object(&mut text, pairs.iter().copied());
        String::from_utf8(text).unwrap_or_default()
    }

    #[test]
    fn what_needs_an_escape_is_found_at_every_index() {
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        let (lens, bytes) = if cfg!(miri) { (13, 17) } else { (1, 1) };
        for len in (0..40).step_by(lens) {
            assert!(is_plain(&vec![b'x'; len]));
            for at in 0..len {
                for byte in (0..=u8::MAX).step_by(bytes) {
                    let mut text = vec![b'x'; len];
                    text.get_mut(at).into_iter().for_each(|one| *one = byte);
                    assert_eq!(is_plain(&text), plain(byte), "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn attributes_are_json_whatever_their_bytes() {
        assert_eq!(json(&[]), "{}");
        assert_eq!(json(&[(b"region", b"bj"), (b"user", b"42")]), r#"{"region":"bj","user":"42"}"#);
        assert_eq!(json(&[(b"u", b"a\"b\\c\n")]), r#"{"u":"a\"b\\c\n"}"#);
        assert_eq!(json(&[(b"u", "\u{fc}".as_bytes())]), "{\"u\":\"\u{fc}\"}");
        assert_eq!(json(&[(b"u", b"\xff\x00")]), r#"{"u":{"base64":"/wA="}}"#);
    }

    #[test]
    fn a_packed_entry_is_json_whatever_its_bytes() {
        let mut entry = StreamEntry { packed: true, ..StreamEntry::default() };
        for field in [
            (StreamField::Type, FieldValue::Word("reserved")),
            (StreamField::Pool, FieldValue::Key),
            (StreamField::Db, FieldValue::Db),
            (StreamField::Epoch, FieldValue::Epoch(0x00ab_cdef_0123_4567)),
            (StreamField::Order, FieldValue::Bytes(b"o\"1\n")),
            (StreamField::Qty, FieldValue::Int(0)),
            (StreamField::At, FieldValue::Int(i64::MIN)),
            (StreamField::Available, FieldValue::Int(-1)),
            (StreamField::Reserved, FieldValue::Int(9_007_199_254_740_991)),
            (StreamField::OnHand, FieldValue::Bytes(b"")),
            (StreamField::For, FieldValue::Bytes(br#"{"user":"42"}"#)),
            (StreamField::Token, FieldValue::Bytes(b"\xff\x00")),
        ] {
            entry.fields.push(field);
        }
        let mut text = b"what was there before".to_vec();
        pack(&mut text, &entry, b"sku:\\", 7);
        let expected = [
            r#"{"v":1,"type":"reserved","pool":"sku:\\","db":7,"epoch":"00abcdef01234567","order":"o\"1\n","#,
            r#""qty":0,"at":-9223372036854775808,"available":-1,"reserved":9007199254740991,"#,
            r#""on_hand":null,"for":{"user":"42"},"token":{"base64":"/wA="}}"#,
        ];
        assert_eq!(String::from_utf8_lossy(&text), expected.concat());
        assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn every_field_has_its_name() {
        assert_eq!(StreamField::NAMES.get(StreamField::Edge as usize), Some(&"edge"));
        assert_eq!(StreamField::NAMES.get(StreamField::OnHand as usize), Some(&"on_hand"));
        assert_eq!(StreamField::NAMES.get(StreamField::Type as usize), Some(&"type"));
    }
}
