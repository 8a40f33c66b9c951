//! A cursor over the arguments of a call, and parsers that check bounds.

use super::error::CommandError;
use super::spec::{Arg, ArgKind, NOTE};
use crate::core::model::attributes::{Attributes, CommonNames, RecentNames, Rejected, MAX_ATTRIBUTES};
use crate::core::model::ids::{is_id, is_name};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::time::{MAX_AHEAD_MS, MAX_SECONDS};
use crate::core::ops::reserve::Hold;

/// A result of parsing.
pub type Parsed<T> = Result<T, CommandError>;

const NOT_A_NUMBER: CommandError = CommandError::line("ERR value is not an integer or out of range");
const BAD_EXPIRE: CommandError = CommandError::line("ERR invalid expire time: above 0 and at most 3650 days ahead");
/// The error of a quantity that no order can have.
pub const OUTSIDE: CommandError = CommandError::line("ERR quantity is out of range: 1 to 9007199254740991");
/// The error of an order id of no or too many bytes.
pub const BAD_ORDER: CommandError = CommandError::line("ERR invalid order id: 1 to 128 bytes");

/// The error of a value of no or too many bytes.
pub const INVALID_VALUE: CommandError = CommandError::line("ERR invalid dimension value: 1 to 128 bytes");
/// The error of a name of no or too many bytes, or of others.
pub const BAD_NAME: CommandError = CommandError::line("ERR invalid dimension name: 1 to 32 of a-z 0-9 _ . -");
/// The same behind FOR, which takes all that follows: mostly an option that came too late.
const BAD_NAME_BEHIND_FOR: CommandError =
    CommandError::line("ERR invalid dimension name: 1 to 32 of a-z 0-9 _ . - (options stand before FOR)");
/// Attributes that are no pairs, or none.
const NO_PAIRS: CommandError =
    CommandError::line("ERR syntax error: FOR takes pairs of dimension and value, behind all options");

/// The error of a dimension that is named twice.
pub const DUPLICATE: CommandError = CommandError::line("ERR duplicate dimension");

/// A number with fewer digits than this fits `i64`.
const SAFE_DIGITS: usize = 19;

/// A strict decimal as Redis reads it: no sign `+`, no leading zero, no space.
#[must_use]
#[inline]
pub fn integer(bytes: &[u8]) -> Option<i64> {
    // The quantity of most calls.
    if let [digit @ b'0'..=b'9'] = bytes {
        return Some(i64::from(digit.wrapping_sub(b'0')));
    }
    longer_integer(bytes)
}

fn longer_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    if digits.len() < SAFE_DIGITS {
        // Fast path for the numbers of most calls: cannot overflow.
        let n = digits.iter().try_fold(0i64, |n, &byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| n.wrapping_mul(10).wrapping_add(i64::from(digit)))
        })?;
        return Some(if negative { n.wrapping_neg() } else { n });
    }
    digits.iter().try_fold(0i64, |n, &byte| {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if !byte.is_ascii_digit() {
            return None;
        }
        let n = n.checked_mul(10)?;
        if negative {
            n.checked_sub(digit)
        } else {
            n.checked_add(digit)
        }
    })
}

/// Whether an argument is this word of letters, in any case.
#[must_use]
#[inline(always)]
pub fn is(argument: &[u8], word: &str) -> bool {
    // Bit 5 is all that tells the cases of a letter apart. Inlined, since words are known before.
    argument.len() == word.len() && argument.iter().zip(word.as_bytes()).all(|(a, w)| a | 0x20 == w | 0x20)
}

/// The keyword of a table of arguments that this argument is, in any case. What stands behind a
/// keyword is its value: no keyword is looked for there.
#[must_use]
pub fn keyword(documented: &'static [Arg], argument: &[u8]) -> Option<&'static str> {
    documented.iter().find_map(|arg| match (arg.token, arg.kind) {
        (Some(token), _) => is(argument, token).then_some(token),
        (None, ArgKind::OneOf(parts) | ArgKind::Block(parts)) => keyword(parts, argument),
        (None, _) => None,
    })
}

/// The arguments that are left.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    rest: &'a [&'a [u8]],
}

impl<'a> Args<'a> {
    /// The arguments behind the name of the command.
    #[must_use]
    pub fn new(all: &'a [&'a [u8]]) -> Self {
        Self { rest: all.get(1..).unwrap_or(&[]) }
    }

    /// The key, which is the first argument, and what is behind it.
    ///
    /// # Errors
    /// `Arity` if there is none.
    #[inline]
    pub fn behind_key(all: &'a [&'a [u8]]) -> Parsed<(Self, &'a [u8])> {
        let mut args = Self::new(all);
        let key = args.required()?;
        Ok((args, key))
    }

    /// The key, which is the only argument.
    ///
    /// # Errors
    /// `Arity` if there is none, or more.
    pub fn only_key(all: &'a [&'a [u8]]) -> Parsed<&'a [u8]> {
        let (args, key) = Self::behind_key(all)?;
        args.end()?;
        Ok(key)
    }

    /// The number of arguments left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether none is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next argument, if there is one.
    pub fn take(&mut self) -> Option<&'a [u8]> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next argument.
    ///
    /// # Errors
    /// `Arity` if there is none.
    pub fn required(&mut self) -> Parsed<&'a [u8]> {
        self.take().ok_or(CommandError::Arity)
    }

    /// The next option, as the command's table (`SPEC.args`) writes it, if anything is left. An
    /// option that is not documented cannot be given.
    ///
    /// # Errors
    /// `SYNTAX` for what is no option of the table.
    pub fn option(&mut self, documented: &'static [Arg]) -> Parsed<Option<&'static str>> {
        let Some(argument) = self.take() else { return Ok(None) };
        keyword(documented, argument).map(Some).ok_or(CommandError::SYNTAX)
    }

    /// The value behind an option.
    ///
    /// # Errors
    /// `SYNTAX` if there is none.
    pub fn option_value(&mut self) -> Parsed<&'a [u8]> {
        self.take().ok_or(CommandError::SYNTAX)
    }

    /// Checks that no argument is left.
    ///
    /// # Errors
    /// `Arity` if there is one.
    pub fn end(&self) -> Parsed<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CommandError::Arity)
        }
    }

    /// The next `count` arguments, if there are so many.
    pub fn take_n(&mut self, count: usize) -> Option<&'a [&'a [u8]]> {
        let (some, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(some)
    }

    /// All arguments that are left.
    pub fn take_rest(&mut self) -> &'a [&'a [u8]] {
        std::mem::take(&mut self.rest)
    }

    /// An order id: 1 to 128 bytes.
    ///
    /// # Errors
    /// `Arity` if it is missing, `ERR invalid order id` if it is empty or too long.
    pub fn order(&mut self) -> Parsed<&'a [u8]> {
        checked_id(self.required()?, BAD_ORDER)
    }

    /// The order id behind REPLACES, of another order than the new one.
    ///
    /// # Errors
    /// `SYNTAX` if it is missing, `ERR invalid order id` if it is empty or too long, `ERR order
    /// cannot replace itself`.
    pub fn replaced(&mut self, order: &[u8]) -> Parsed<&'a [u8]> {
        let old = checked_id(self.option_value()?, BAD_ORDER)?;
        another(order, old, CommandError::line("ERR order cannot replace itself"))?;
        Ok(old)
    }

    /// The text behind NOTE: 1 to 128 bytes.
    ///
    /// # Errors
    /// `SYNTAX` if it is missing, `ERR invalid note` if it is empty or too long.
    pub fn note(&mut self) -> Parsed<&'a [u8]> {
        checked_id(self.option_value()?, CommandError::line("ERR invalid note: 1 to 128 bytes"))
    }

    /// NOTE and its text, where that is all that may follow.
    ///
    /// # Errors
    /// As [`Args::note`]; `SYNTAX` for anything else.
    pub fn only_note(&mut self) -> Parsed<Option<&'a [u8]>> {
        if self.option(&[NOTE])?.is_none() {
            return Ok(None);
        }
        let note = self.note()?;
        if self.is_empty() {
            Ok(Some(note))
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    /// All arguments behind FOR, in pairs of dimension and value, into `attributes`.
    ///
    /// # Errors
    /// `ERR syntax error: FOR takes pairs`, `ERR too many dimensions` (above 16), `ERR invalid
    /// dimension name`, `ERR invalid dimension value`, `ERR duplicate dimension`.
    pub fn attributes(&mut self, attributes: &mut Attributes<'a>) -> Parsed<()> {
        let pairs = self.take_rest();
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(NO_PAIRS);
        }
        for pair in pairs.chunks_exact(2) {
            let &[name, value] = pair else { return Err(NO_PAIRS) };
            let value = checked_id(value, INVALID_VALUE)?;
            let name = checked_name(name).map_err(|_| BAD_NAME_BEHIND_FOR)?;
            attributes.add(name, value).map_err(rejected)?;
        }
        Ok(())
    }

    /// The number behind DIMS, and so many names.
    ///
    /// # Errors
    /// `ERR value is not an integer`, `ERR invalid number of dimensions` (1 to 16), `SYNTAX` if
    /// there are fewer, `ERR invalid dimension name`, `ERR duplicate dimension`.
    pub fn common_names(&mut self) -> Parsed<CommonNames<'a>> {
        let outside = CommandError::line("ERR invalid number of dimensions: 1 to 16");
        let count = bounded(self.option_value()?, 1..=MAX_ATTRIBUTES as i64, outside)?;
        let mut names = CommonNames::default();
        for _ in 0..count {
            names.add(checked_name(self.option_value()?)?).map_err(rejected)?;
        }
        Ok(names)
    }

    /// As [`Args::attributes`]. Names that are those of the call before are not checked again.
    ///
    /// # Errors
    /// As [`Args::attributes`].
    pub fn attributes_like(&mut self, recent: &mut RecentNames, attributes: &mut Attributes<'a>) -> Parsed<()> {
        let pairs = self.rest;
        if let Some(valid) = attributes.take_like(recent, pairs, is_id) {
            self.rest = &[];
            return if valid { Ok(()) } else { Err(INVALID_VALUE) };
        }
        self.attributes(attributes)?;
        recent.remember(pairs);
        Ok(())
    }

    /// The time behind EX, PX or PXAT.
    ///
    /// # Errors
    /// As [`Args::hold_option`]; `SYNTAX` if `option` is none of these.
    pub fn hold(&mut self, option: &str, now_ms: i64) -> Parsed<Hold> {
        self.hold_option(option.as_bytes(), now_ms)?.ok_or(CommandError::SYNTAX)
    }

    /// The time behind EX, PX or PXAT; `None` if `option` is none of these.
    ///
    /// # Errors
    /// `SYNTAX` if the time is missing, `ERR invalid expire time` if it is out of bounds.
    #[inline(always)]
    pub fn hold_option(&mut self, option: &[u8], now_ms: i64) -> Parsed<Option<Hold>> {
        let hold = if is(option, "EX") {
            let seconds = bounded(self.option_value()?, 1..=MAX_SECONDS, BAD_EXPIRE)?;
            Hold::For(seconds.saturating_mul(1_000))
        } else if is(option, "PX") {
            Hold::For(bounded(self.option_value()?, 1..=MAX_AHEAD_MS, BAD_EXPIRE)?)
        } else if is(option, "PXAT") {
            let latest = now_ms.saturating_add(MAX_AHEAD_MS);
            Hold::Until(bounded(self.option_value()?, 1..=latest, BAD_EXPIRE)?)
        } else {
            return Ok(None);
        };
        Ok(Some(hold))
    }
}

/// An order id, value or token: 1 to 128 bytes.
///
/// # Errors
/// `error` if it is empty or too long.
pub fn checked_id(bytes: &[u8], error: CommandError) -> Parsed<&[u8]> {
    if is_id(bytes) {
        Ok(bytes)
    } else {
        Err(error)
    }
}

/// The name of a dimension.
fn checked_name(name: &[u8]) -> Parsed<&[u8]> {
    if is_name(name) {
        Ok(name)
    } else {
        Err(BAD_NAME)
    }
}

/// The error of a name that was not taken.
const fn rejected(why: Rejected) -> CommandError {
    match why {
        Rejected::TooMany => CommandError::line("ERR too many dimensions: at most 16"),
        Rejected::Twice => DUPLICATE,
    }
}

/// A token: 1 to 128 bytes.
///
/// # Errors
/// `ERR invalid token` if it is empty or too long.
pub fn token(bytes: &[u8]) -> Parsed<&[u8]> {
    checked_id(bytes, CommandError::line("ERR invalid token: 1 to 128 bytes"))
}

/// That `order` is another one than `other`.
///
/// # Errors
/// `error` if it is the same.
pub fn another(order: &[u8], other: &[u8], error: CommandError) -> Parsed<()> {
    if order == other {
        return Err(error);
    }
    Ok(())
}

/// An integer within bounds.
///
/// # Errors
/// `ERR value is not an integer` (Redis's own text), or `outside` if it is out of bounds.
pub fn bounded(bytes: &[u8], bounds: std::ops::RangeInclusive<i64>, outside: CommandError) -> Parsed<i64> {
    let n = integer(bytes).ok_or(NOT_A_NUMBER)?;
    if bounds.contains(&n) {
        Ok(n)
    } else {
        Err(outside)
    }
}

/// A quantity: 1 to 2^53 - 1.
///
/// # Errors
/// `ERR value is not an integer`, `ERR quantity is out of range`.
pub fn quantity(bytes: &[u8]) -> Parsed<i64> {
    bounded(bytes, 1..=MAX_UNITS, OUTSIDE)
}

/// A sum of units: -(2^53 - 1) to 2^53 - 1.
///
/// # Errors
/// `ERR value is not an integer`, `ERR value is out of range`.
pub fn units(bytes: &[u8]) -> Parsed<i64> {
    let outside = CommandError::line("ERR value is out of range: -9007199254740991 to 9007199254740991");
    bounded(bytes, -MAX_UNITS..=MAX_UNITS, outside)
}

/// Sets an option that may be given once.
///
/// # Errors
/// `SYNTAX` if it was given before.
pub fn set_once<T>(option: &mut Option<T>, value: T) -> Parsed<()> {
    if option.replace(value).is_some() {
        return Err(CommandError::SYNTAX);
    }
    Ok(())
}

/// Sets a flag that may be given once.
///
/// # Errors
/// `SYNTAX` if it was given before.
pub fn set_flag(option: &mut bool) -> Parsed<()> {
    if std::mem::replace(option, true) {
        return Err(CommandError::SYNTAX);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_case_and_no_others() {
        assert!(is(b"FOR", "FOR") && is(b"for", "FOR") && is(b"FoR", "FOR"));
        for byte in 0..=u8::MAX {
            assert_eq!(is(&[b'F', byte, b'R'], "FOR"), matches!(byte, b'o' | b'O'), "{byte}");
        }
        assert!(!is(b"FO", "FOR") && !is(b"FORD", "FOR") && !is(b"", "FOR"));
    }

    #[test]
    fn integers_are_strict() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("-999999999999999999", Some(-999_999_999_999_999_999)),
            ("1000000000000000000", Some(1_000_000_000_000_000_000)),
            ("99999999999999999x", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
            ("1.0", None),
            ("1e3", None),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
        for digit in 0..=9u8 {
            assert_eq!(integer(&[b'0'.wrapping_add(digit)]), Some(i64::from(digit)));
        }
        assert_eq!((integer(b"/"), integer(b":")), (None, None));
        assert_eq!(integer(&[b'1', 0]), None);
        assert_eq!(integer(&[b'1', 0xff]), None);
    }
}
