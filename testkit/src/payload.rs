//! The encoding of a pool taken apart into records and fields, so that it can be damaged with a
//! plan: a number beyond its bound, a record twice, a sum that is wrong, all of it written as
//! properly as the code writes. Shares nothing with the code's own reader.

use rand::rngs::SmallRng;
use rand::Rng;

const MAX_UNITS: i64 = 9_007_199_254_740_991;

/// One value in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Byte(u8),
    Number(u64),
    Signed(i64),
    Bytes(Vec<u8>),
    Eight([u8; 8]),
}

/// A record: its kind, and its values in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub kind: u8,
    pub fields: Vec<Field>,
}

const HEADER: u8 = 1;
const ORDER: u8 = 9;
const END: u8 = 11;
/// What has shifted between two buckets: units, or a quota of a limit.
const SHIFTS: u8 = 16;
const REMEMBER: u8 = 20;
/// An order behind the attributes that it keeps.
const REMEMBERING_ORDER: u8 = 21;
/// Where a header has what is reserved, counted from what is on hand (one value, or two).
const RESERVED_BEHIND: usize = 4;

struct Cursor<'a> {
    rest: &'a [u8],
    fields: Vec<Field>,
}

impl Cursor<'_> {
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken.to_vec())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.take(1)?[0];
        self.fields.push(Field::Byte(byte));
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let value = self.varint()?;
        self.fields.push(Field::Number(value));
        Some(value)
    }

    fn signed(&mut self) -> Option<()> {
        let value = self.varint()?;
        self.fields.push(Field::Signed((value >> 1) as i64 ^ -((value & 1) as i64)));
        Some(())
    }

    fn bytes(&mut self) -> Option<()> {
        let count = self.varint()? as usize;
        let bytes = self.take(count)?;
        self.fields.push(Field::Bytes(bytes));
        Some(())
    }

    fn optional(&mut self) -> Option<()> {
        match self.byte()? {
            0 => Some(()),
            _ => self.signed(),
        }
    }

    /// A string behind a byte that says whether there is one.
    fn stream(&mut self) -> Option<()> {
        match self.byte()? {
            0 => Some(()),
            _ => self.bytes(),
        }
    }

    /// The values of one record; each letter is one.
    fn record(&mut self, kind: u8) -> Option<()> {
        let plan = match kind {
            HEADER => "no bsssss ooo e nnss n",
            2 => "nns",
            3 => "ns i sbo",
            4 => "xo",
            5 => "xss",
            15 => "xssn",
            SHIFTS => {
                self.bytes()?;
                match self.byte()? {
                    0 => "sss",
                    _ => "i x sss",
                }
            }
            6..=8 => "nxss",
            ORDER => return self.order(),
            REMEMBER => {
                for _ in 0..self.number()? {
                    self.bytes()?;
                }
                return Some(());
            }
            REMEMBERING_ORDER => {
                self.bytes()?;
                return self.order();
            }
            10 => "xsbb",
            17 => "xss",
            18 => "ns",
            14 => "oob",
            // Entries are packed: it has no values.
            22 => "",
            END => "nn",
            _ => return None,
        };
        for letter in plan.bytes() {
            match letter {
                b'n' => drop(self.number()?),
                b's' => self.signed()?,
                b'b' => drop(self.byte()?),
                b'x' => self.bytes()?,
                b'o' => self.optional()?,
                b'e' => self.stream()?,
                b'i' => {
                    for _ in 0..self.number()? {
                        self.bytes()?;
                    }
                    if matches!(self.byte()?, 6 | 7) {
                        self.number()?;
                    }
                    self.byte()?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn order(&mut self) -> Option<()> {
        let flags = self.byte()?;
        self.bytes()?;
        self.signed()?;
        if flags >> 4 & 1 == 1 {
            self.signed()?;
        }
        self.signed()?;
        self.signed()?;
        let eight = self.take(8)?.try_into().ok()?;
        self.fields.push(Field::Eight(eight));
        self.number()?;
        for _ in 0..self.number()? {
            self.number()?;
        }
        if flags >> 5 & 1 == 1 {
            self.signed()?;
        }
        Some(())
    }
}

/// The records of a whole pool; none where the encoding is another one.
pub fn parse(bytes: &[u8]) -> Option<Vec<Record>> {
    let mut cursor = Cursor { rest: bytes, fields: Vec::new() };
    let mut records = Vec::new();
    while !cursor.rest.is_empty() {
        let kind = cursor.take(1)?[0];
        cursor.record(kind)?;
        records.push(Record { kind, fields: std::mem::take(&mut cursor.fields) });
    }
    Some(records)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes of these records.
pub fn write(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        out.push(record.kind);
        for field in &record.fields {
            match field {
                Field::Byte(byte) => out.push(*byte),
                Field::Number(value) => put(&mut out, *value),
                Field::Signed(value) => put(&mut out, ((value << 1) ^ (value >> 63)) as u64),
                Field::Bytes(bytes) => {
                    put(&mut out, bytes.len() as u64);
                    out.extend_from_slice(bytes);
                }
                Field::Eight(bytes) => out.extend_from_slice(bytes),
            }
        }
    }
    out
}

fn damage_field(field: &mut Field, rng: &mut SmallRng) {
    match field {
        Field::Byte(byte) => match rng.random_range(0..4) {
            0 => *byte ^= 1 << rng.random_range(0..8),
            1 => *byte = rng.random(),
            _ => *byte ^= 1,
        },
        Field::Number(value) => {
            *value = match rng.random_range(0..8) {
                0 => 0,
                1 => value.wrapping_add(1),
                2 => value.wrapping_sub(1),
                3 => u64::from(u32::MAX) + rng.random_range(0..2),
                4 => u64::MAX,
                5 => MAX_UNITS as u64 + rng.random_range(0..2),
                6 => value.wrapping_add(rng.random_range(0..1000)),
                _ => rng.random(),
            }
        }
        Field::Signed(value) => {
            *value = match rng.random_range(0..10) {
                0 => 0,
                1 | 2 => value.wrapping_add(1),
                3 | 4 => value.wrapping_sub(1),
                5 => value.wrapping_neg(),
                6 => MAX_UNITS.wrapping_add(rng.random_range(-1..2)),
                7 => [i64::MAX, i64::MIN, -MAX_UNITS, -MAX_UNITS - 1][rng.random_range(0..4)],
                8 => rng.random(),
                _ => value.wrapping_add(rng.random_range(-100_000..100_000)),
            }
        }
        Field::Bytes(bytes) => match rng.random_range(0..6) {
            0 => bytes.clear(),
            1 => bytes.resize(128, b'z'),
            2 => bytes.resize(129, b'z'),
            3 => bytes.push(rng.random()),
            _ => match bytes.is_empty() {
                true => bytes.push(rng.random()),
                false => {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] ^= 1 << rng.random_range(0..8);
                }
            },
        },
        Field::Eight(bytes) => bytes[rng.random_range(0..8)] = rng.random(),
    }
}

/// One to three damages, and then, half of the time, the sums made right again: what is left is
/// harder to see.
pub fn damage(records: &mut Vec<Record>, others: &[Record], rng: &mut SmallRng) {
    for _ in 0..rng.random_range(1..=3) {
        let last = records.len() - 1;
        let at = rng.random_range(0..records.len());
        match rng.random_range(0..20) {
            0 if at > 0 && at < last => drop(records.remove(at)),
            1 if at > 0 && at < last => records.insert(at, records[at].clone()),
            2 if at > 0 && at + 1 < last => records.swap(at, at + 1),
            3 if !others.is_empty() && at > 0 => records.insert(at, others[rng.random_range(0..others.len())].clone()),
            _ => {
                let fields = &mut records[at].fields;
                if !fields.is_empty() {
                    let which = rng.random_range(0..fields.len());
                    damage_field(&mut fields[which], rng);
                }
            }
        }
        if records.len() < 3 {
            break;
        }
    }
    if rng.random_bool(0.5) {
        mend(records);
    }
}

/// Counts and sums as a reader would find them.
fn mend(records: &mut [Record]) {
    let entries = records.iter().filter(|record| (6..=8).contains(&record.kind)).count() as u64;
    let orders = records.iter().filter_map(|record| match record.kind {
        ORDER => Some(record.fields.as_slice()),
        REMEMBERING_ORDER => record.fields.get(1..),
        _ => None,
    });
    let orders: Vec<&[Field]> = orders.collect();
    let held: i64 = orders.iter().fold(0i64, |sum, order| match (order.first(), order.get(2)) {
        (Some(Field::Byte(flags)), Some(Field::Signed(qty))) if flags & 7 == 0 => sum.saturating_add(*qty),
        _ => sum,
    });
    let count = orders.len() as u64;
    for record in records {
        match record.kind {
            END => record.fields = vec![Field::Number(entries), Field::Number(count)],
            HEADER => {
                let limited = matches!(record.fields.get(1), Some(Field::Byte(1)));
                if let Some(Field::Signed(reserved)) = record.fields.get_mut(1 + usize::from(limited) + RESERVED_BEHIND)
                {
                    *reserved = held;
                }
            }
            _ => {}
        }
    }
}

/// Blind damage: bits, bytes, pieces.
pub fn scramble(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            bytes.push(rng.random());
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..8) {
            0..3 => bytes[at] ^= 1 << rng.random_range(0..8),
            3 => bytes[at] = rng.random(),
            4 => bytes.truncate(at),
            5 => bytes.insert(at, rng.random()),
            6 => drop(bytes.remove(at)),
            _ => {
                let end = (at + rng.random_range(1..16)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let place = rng.random_range(0..=bytes.len());
                bytes.splice(place..place, piece);
            }
        }
    }
}
