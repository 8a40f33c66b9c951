//! An entry of a pool's event stream.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use serde_json::Value;

use crate::failure::Failure;
use crate::text::{ascii, cut, escape};
use crate::wire::{number, Field};

/// What an entry says about its order or its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Units are held.
    Reserved,
    /// A hold has a new total.
    Amended,
    /// A hold has a later deadline.
    Extended,
    /// A hold became a sale.
    Confirmed,
    /// A payment was honoured after its hold had ended.
    Late,
    /// A hold was given up.
    Released,
    /// A hold ended at its deadline.
    Expired,
    /// Paid units came back.
    Returned,
    /// RELEASE of an order that the pool did not know.
    Cancelled,
    /// A restock or a write-off made in Redis.
    Added,
    /// Units went to another pool, or came from one.
    Transferred,
    /// What moves nothing that the database follows: set, reconciled, policy, suspended, resumed,
    /// opened, ended, shifted.
    Other,
    /// No entry: the pool as STOCK.GET shows it, when its last entries are missing in the stream.
    State,
}

impl Kind {
    fn of(word: &[u8]) -> Option<Kind> {
        Some(match word {
            b"reserved" => Kind::Reserved,
            b"amended" => Kind::Amended,
            b"extended" => Kind::Extended,
            b"confirmed" => Kind::Confirmed,
            b"late" => Kind::Late,
            b"released" => Kind::Released,
            b"expired" => Kind::Expired,
            b"returned" => Kind::Returned,
            b"cancelled" => Kind::Cancelled,
            b"added" => Kind::Added,
            b"transferred" => Kind::Transferred,
            b"set" | b"reconciled" | b"policy" | b"suspended" | b"resumed" | b"opened" | b"ended" | b"shifted" => {
                Kind::Other
            }
            _ => return None,
        })
    }
}

/// Characters of a pool's key, escaped, that have room in the tables of every database.
pub const MOST_POOL: usize = 255;
/// Characters of an order's id, escaped.
const MOST_ORDER: usize = 512;
/// Characters of the attributes.
const MOST_ATTRIBUTES: usize = 14_000;

/// Why an entry is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// A newer module has packed it, in this version.
    #[error("it is packed in version {0}, and this program reads version {PACKED_VERSION}")]
    Newer(u64),
    /// It is no event, whoever reads it.
    #[error("{0}")]
    Damaged(String),
}

impl From<String> for Unread {
    fn from(why: String) -> Unread {
        Unread::Damaged(why)
    }
}

impl From<&str> for Unread {
    fn from(why: &str) -> Unread {
        Unread::Damaged(why.to_string())
    }
}

/// Why nothing is read behind an entry that a newer module has packed: whoever passed it by would
/// lose what it books.
pub fn upgrade_first(stream: &str, id: &str, version: u64) -> Failure {
    let why = Unread::Newer(version);
    Failure::Order(format!(
        "entry {id} of {stream} is left where it is: {why}. Upgrade stock-ledger; it goes on from this entry. \
         Nothing behind it is applied or trimmed"
    ))
}

/// One change of one pool. `pool`, `order` are escaped (see `text`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// The pool's key.
    pub pool: String,
    /// The logical database of the server.
    pub db: i64,
    /// The history in which `seq` counts.
    pub epoch: String,
    /// The number of the change.
    pub seq: i64,
    /// The order, where the change is one of an order.
    pub order: Option<String>,
    /// Units; what they are depends on the kind.
    pub qty: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether the pool counts nothing on hand.
    pub unlimited: bool,
    /// Net units that left on_hand by movements, after this change.
    pub out: i64,
    /// The attributes of the sale, as JSON; empty where there are none.
    pub attributes: String,
    /// The caller's token of an ADD, a TRANSFER or a RETURN, in plain letters (see `text::ascii`).
    pub token: Option<String>,
}

impl Event {
    /// How this change alone moved `out`. A return that did not restock moves nothing and looks the
    /// same: where it matters, `out` of two neighbours decides.
    pub fn own_out(&self) -> i64 {
        match self.kind {
            Kind::Confirmed | Kind::Late => self.qty,
            Kind::Returned | Kind::Added | Kind::Transferred => -self.qty,
            _ => 0,
        }
    }

    /// Whether the other half of it stands behind it: both pools of a transfer change in one step.
    pub fn is_first_half(&self) -> bool {
        self.kind == Kind::Transferred && self.qty < 0
    }

    /// Reads the fields of an entry, packed or not. The error says what is wrong with it.
    pub fn parse(fields: &[Field<'_>]) -> Result<Event, Unread> {
        if let [(b"event", json)] = fields {
            let unpacked = unpack(json)?;
            let fields: Vec<Field<'_>> = unpacked.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
            return Event::of(&Found::of(&fields));
        }
        Event::of(&Found::of(fields))
    }

    fn of(found: &Found<'_>) -> Result<Event, Unread> {
        let word = found.kind.ok_or("no field type")?;
        let kind = Kind::of(word).ok_or_else(|| format!("unknown type {}", cut(&escape(word), 64)))?;
        let epoch = escape(found.epoch.ok_or("no field epoch")?);
        if epoch.len() != 16 || !epoch.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("epoch is not 16 hex digits".into());
        }
        let of_an_order = !matches!(kind, Kind::Added | Kind::Transferred | Kind::Other);
        let order = found.order.filter(|o| of_an_order && !o.is_empty()).map(escape);
        if of_an_order && order.is_none() {
            return Err("no order".into());
        }
        let seq = whole("seq", found.seq)?;
        if seq < 1 {
            return Err("seq is below 1".into());
        }
        let pool = escape(found.pool.ok_or("no field pool")?);
        let attributes = found.attributes.map(|f| String::from_utf8_lossy(f).into_owned()).unwrap_or_default();
        fits("the pool's key", &pool, MOST_POOL)?;
        fits("the order", order.as_deref().unwrap_or_default(), MOST_ORDER)?;
        fits("for", &attributes, MOST_ATTRIBUTES)?;
        // The module writes JSON, which has none; an entry that somebody else wrote may, and no
        // text of PostgreSQL can carry it.
        if attributes.contains('\0') {
            return Err("for has a NUL byte".into());
        }
        Ok(Event {
            kind,
            pool,
            db: whole("db", found.db)?,
            epoch,
            seq,
            order,
            qty: whole("qty", found.qty)?,
            at_ms: whole("at", found.at)?,
            unlimited: found.on_hand.ok_or("no field on_hand")?.is_empty(),
            out: whole("out", found.out)?,
            attributes,
            token: found.token.filter(|t| !t.is_empty()).map(ascii),
        })
    }
}

/// The version of packed entries that is read.
const PACKED_VERSION: u64 = 1;

/// The fields of a packed entry (policy `"events_format": "packed"`): one JSON object.
pub fn unpack(json: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Unread> {
    let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
        return Err("event is not a JSON object".into());
    };
    match object.get("v").and_then(Value::as_u64) {
        Some(PACKED_VERSION) => {}
        Some(newer) if newer > PACKED_VERSION => return Err(Unread::Newer(newer)),
        _ => return Err("event has no version".into()),
    }
    let fields = object.into_iter().map(|(name, value)| {
        let bytes = match value {
            Value::Null => Vec::new(),
            Value::String(text) => text.into_bytes(),
            Value::Object(object) if name != "for" => {
                let text = object.get("base64").and_then(Value::as_str);
                text.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(|| format!("{name} is not base64"))?
            }
            other => other.to_string().into_bytes(),
        };
        Ok((name, bytes))
    });
    fields.collect()
}

/// The fields that matter, each the first one of its name.
#[derive(Default)]
struct Found<'a> {
    kind: Option<&'a [u8]>,
    pool: Option<&'a [u8]>,
    db: Option<&'a [u8]>,
    epoch: Option<&'a [u8]>,
    seq: Option<&'a [u8]>,
    order: Option<&'a [u8]>,
    qty: Option<&'a [u8]>,
    at: Option<&'a [u8]>,
    on_hand: Option<&'a [u8]>,
    out: Option<&'a [u8]>,
    attributes: Option<&'a [u8]>,
    token: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn of(fields: &[Field<'a>]) -> Found<'a> {
        let mut found = Found::default();
        for (name, value) in fields {
            let field = match *name {
                b"type" => &mut found.kind,
                b"pool" => &mut found.pool,
                b"db" => &mut found.db,
                b"epoch" => &mut found.epoch,
                b"seq" => &mut found.seq,
                b"order" => &mut found.order,
                b"qty" => &mut found.qty,
                b"at" => &mut found.at,
                b"on_hand" => &mut found.on_hand,
                b"out" => &mut found.out,
                b"for" => &mut found.attributes,
                b"token" => &mut found.token,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        found
    }
}

/// No number of the module is further from 0. Sums of a few that are not have room in 64 bits.
const MOST: u64 = (1 << 53) - 1;

fn whole(name: &str, value: Option<&[u8]>) -> Result<i64, String> {
    let text = value.ok_or_else(|| format!("no field {name}"))?;
    let number = number(text).ok_or_else(|| format!("{name} is not a number"))?;
    if number.unsigned_abs() > MOST {
        return Err(format!("{name} is beyond 2^53"));
    }
    Ok(number)
}

/// An entry that no table can carry must not stop those behind it.
fn fits(what: &str, text: &str, most: usize) -> Result<(), String> {
    // Nearly all of them, without counting.
    if text.len() <= most {
        return Ok(());
    }
    let length = text.chars().count();
    if length > most {
        return Err(format!("{what} has {length} characters, {most} fit: {}", cut(text, 64)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(changes: &[(&str, &str)]) -> Result<Event, Unread> {
        let mut fields: Vec<(String, String)> = [
            ("type", "reserved"),
            ("pool", "sku:1"),
            ("db", "0"),
            ("epoch", "00000000000000aa"),
            ("seq", "7"),
            ("order", "o1"),
            ("qty", "2"),
            ("at", "1700000000000"),
            ("available", "8"),
            ("reserved", "2"),
            ("on_hand", "10"),
            ("sold", "0"),
            ("out", "-3"),
            ("for", "{\"user\":\"42\"}"),
        ]
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect();
        for (name, value) in changes {
            fields.retain(|(n, _)| n != name);
            if *value != "-" {
                fields.push((name.to_string(), value.to_string()));
            }
        }
        let fields: Vec<Field> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        Event::parse(&fields)
    }

    #[test]
    fn an_entry_is_read() {
        let event = parse(&[]).expect("an event");
        assert_eq!((event.kind, event.seq, event.out, event.qty), (Kind::Reserved, 7, -3, 2));
        assert_eq!((event.pool.as_str(), event.order.as_deref()), ("sku:1", Some("o1")));
        assert!(!event.unlimited);
        assert_eq!(event.attributes, "{\"user\":\"42\"}");
        assert!(parse(&[("on_hand", "")]).expect("an event").unlimited);
        assert_eq!(parse(&[("type", "added"), ("order", "-")]).expect("an event").order, None);
        assert_eq!(event.token, None);
        let added = parse(&[("type", "added"), ("order", "-"), ("token", "t\u{e9}\\")]).expect("an event");
        assert_eq!(added.token.as_deref(), Some("t\\xc3\\xa9\\\\"));
    }

    #[test]
    fn a_packed_entry_is_the_same_event() {
        let json = br#"{"v":1,"type":"reserved","pool":"sku:1","db":0,"epoch":"00000000000000aa","seq":7,"order":"o1","qty":2,"at":1700000000000,"available":8,"reserved":2,"on_hand":10,"sold":0,"out":-3,"for":{"user":"42"},"edge":"low"}"#;
        assert_eq!(Event::parse(&[(b"event", json)]), parse(&[]));
        let unlimited = br#"{"v":1,"type":"added","pool":{"base64":"/w=="},"db":0,"epoch":"00000000000000aa","seq":7,"qty":2,"at":1,"available":-1,"reserved":2,"on_hand":null,"sold":0,"out":-2,"token":"t"}"#;
        let event = Event::parse(&[(b"event", unlimited)]).expect("an event");
        assert_eq!((event.pool.as_str(), event.unlimited, event.token.as_deref()), ("\\xff", true, Some("t")));
        for (json, text) in [
            (&b"[]"[..], "not a JSON object"),
            (b"{", "not a JSON object"),
            (b"{}", "has no version"),
            (br#"{"v":0,"type":"reserved"}"#, "has no version"),
            (br#"{"v":"2","type":"reserved"}"#, "has no version"),
            (br#"{"v":1,"pool":{"base64":"?"}}"#, "pool is not base64"),
            (br#"{"v":1}"#, "no field type"),
        ] {
            let error = Event::parse(&[(b"event", json)]).expect_err("an error");
            assert!(matches!(&error, Unread::Damaged(why) if why.contains(text)), "{error}");
        }
    }

    #[test]
    fn what_a_newer_module_has_packed_is_told_apart() {
        for version in [2, 7, u64::MAX] {
            let json = format!(r#"{{"v":{version},"what":["ever"]}}"#);
            assert_eq!(Event::parse(&[(b"event", json.as_bytes())]), Err(Unread::Newer(version)));
        }
        let text = upgrade_first("events", "7-0", 2).to_string();
        assert!(text.contains("entry 7-0 of events") && text.contains("version 2, and this program reads version 1"));
    }

    #[test]
    fn a_damaged_entry_says_what_is_wrong() {
        for (change, text) in [
            (("type", "-"), "no field type"),
            (("type", "sold"), "unknown type sold"),
            (("epoch", "12"), "epoch"),
            (("seq", "x"), "seq is not a number"),
            (("seq", "0"), "seq is below 1"),
            (("order", "-"), "no order"),
            (("out", "-"), "no field out"),
            (("out", "9223372036854775807"), "out is beyond"),
            (("out", "-9223372036854775808"), "out is beyond"),
            (("seq", "9007199254740992"), "seq is beyond"),
            (("for", "{\"user\":\"a\0\"}"), "for has a NUL byte"),
            (("pool", &"x".repeat(256)), "the pool's key has 256 characters"),
            (("order", &"y".repeat(513)), "the order has 513"),
        ] {
            let error = parse(&[change]).expect_err("an error").to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
