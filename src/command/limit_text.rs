//! The texts of limits, shared by LIMIT, UNLIMIT and the policy.

use std::borrow::Cow;

use super::args::{checked_id, integer, is, Parsed, BAD_NAME, DUPLICATE, INVALID_VALUE};
use super::error::CommandError;
use crate::core::model::ids::{is_name, Bytes};
use crate::core::model::limit::{push_value, Cap, Identity, TupleBuf, MAX_DIMENSIONS};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::time::{MAX_OFFSET_MIN, MAX_SECONDS};
use crate::core::model::window::{Window, NAMED};
use crate::core::model::zone::{Tz, Zone};
use arrayvec::ArrayVec;

/// Dimensions in the order in which the caller named them.
pub type Named<'a> = ArrayVec<&'a [u8], MAX_DIMENSIONS>;

/// Reads the dimensions of a limit: `user`, `region+user`, or `*` for none.
///
/// # Errors
/// An invalid name, a duplicate, or more than 4.
pub fn dimensions(by: &[u8]) -> Parsed<Named<'_>> {
    let mut named = Named::new();
    if by == b"*" {
        return Ok(named);
    }
    for name in by.split(|&b| b == b'+') {
        add_dimension(&mut named, name)?;
    }
    Ok(named)
}

/// Adds one dimension.
///
/// # Errors
/// An invalid name, a duplicate, or more than 4.
pub fn add_dimension<'a>(named: &mut Named<'a>, name: &'a [u8]) -> Parsed<()> {
    if !is_name(name) {
        return Err(BAD_NAME);
    }
    if named.contains(&name) {
        return Err(DUPLICATE);
    }
    named.try_push(name).map_err(|_| CommandError::line("ERR too many dimensions in one limit: at most 4"))
}

/// The dimensions in the order in which a limit keeps them.
#[must_use]
pub fn sorted(named: &Named<'_>) -> ArrayVec<Bytes, MAX_DIMENSIONS> {
    let mut dims: ArrayVec<Bytes, MAX_DIMENSIONS> = named.iter().map(|name| Bytes::new(name)).collect();
    dims.sort_unstable();
    dims
}

/// The pattern of an override: one value per dimension, in the order in which the caller named
/// these; `None` for any value.
///
/// # Errors
/// Another number of values than of dimensions, no dimension, or a value that is empty or longer
/// than 128 bytes.
pub fn pattern(named: &Named<'_>, given: &[Option<&[u8]>]) -> Parsed<Bytes> {
    if given.len() != named.len() || named.is_empty() {
        return Err(CommandError::line("ERR override needs one value per dimension of the limit"));
    }
    for value in given.iter().flatten() {
        checked_id(value, INVALID_VALUE)?;
    }
    let mut pairs: ArrayVec<(&[u8], Option<&[u8]>), MAX_DIMENSIONS> =
        named.iter().copied().zip(given.iter().copied()).collect();
    pairs.sort_unstable_by_key(|&(name, _)| name);
    let mut buf = TupleBuf::new();
    let last = pairs.len().saturating_sub(1);
    for (at, (_, value)) in pairs.iter().enumerate() {
        push_value(&mut buf, value.unwrap_or(&[]), at == last);
    }
    Ok(Bytes::new(&buf))
}

/// A value of an override; `None` for `*`, which matches any.
#[must_use]
pub fn any(value: &[u8]) -> Option<&[u8]> {
    (value != b"*").then_some(value)
}

/// Reads a window: a word of [`NAMED`], or 1 to 315360000 seconds.
///
/// # Errors
/// `ERR invalid window` for anything else.
pub fn window(word: &[u8]) -> Parsed<Window> {
    if let Some(&(window, ..)) = NAMED.iter().find(|(_, name, _)| is(word, name)) {
        return Ok(window);
    }
    let seconds = integer(word).filter(|n| (1..=MAX_SECONDS).contains(n));
    let seconds = seconds.and_then(|n| u32::try_from(n).ok());
    seconds.map(Window::Seconds).ok_or_else(|| {
        let words = NAMED.map(|(_, word, _)| word.to_ascii_uppercase()).join(", ");
        CommandError::Line(format!("ERR invalid window: {words} or 1 to {MAX_SECONDS} seconds").into())
    })
}

/// The window of PER and ROLLING.
///
/// # Errors
/// ROLLING without a number of seconds.
pub fn rolling(per: Option<Window>, rolling: bool) -> Parsed<Window> {
    match (per, rolling) {
        (per, false) => Ok(per.unwrap_or(Window::Life)),
        (Some(Window::Seconds(n)), true) => Ok(Window::Rolling(n)),
        (_, true) => Err(CommandError::line("ERR ROLLING needs PER with a number of seconds")),
    }
}

/// Reads a time zone: a UTC offset, `+hh:mm` or `-hh:mm` up to 18:00, or a name such as
/// `Europe/Berlin`.
///
/// # Errors
/// `ERR invalid time zone` for anything else.
pub fn time_zone(text: &[u8]) -> Parsed<Tz> {
    let named = || Zone::find(text).map(Tz::Named);
    offset(text).map(Tz::Offset).or_else(named).ok_or(CommandError::line(
        "ERR invalid time zone: +hh:mm or -hh:mm, up to 18:00, or a name such as Europe/Berlin",
    ))
}

/// Writes a time zone as [`time_zone`] reads it.
#[must_use]
pub fn time_zone_text(tz: Tz) -> Cow<'static, str> {
    match tz {
        Tz::Offset(minutes) => offset_text(minutes).into(),
        Tz::Named(zone) => zone.name().into(),
    }
}

fn offset(text: &[u8]) -> Option<i32> {
    let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte.wrapping_sub(b'0')));
    let (Some(h1), Some(h2), Some(m1), Some(m2)) = (digit(h1), digit(h2), digit(m1), digit(m2)) else {
        return None;
    };
    let pair = |tens: i32, ones: i32| tens.saturating_mul(10).saturating_add(ones);
    let minutes = pair(h1, h2).saturating_mul(60).saturating_add(pair(m1, m2));
    if pair(m1, m2) > 59 || minutes > MAX_OFFSET_MIN {
        return None;
    }
    Some(if sign == b'-' { minutes.saturating_neg() } else { minutes })
}

fn offset_text(offset_min: i32) -> String {
    let sign = if offset_min < 0 { '-' } else { '+' };
    let minutes = offset_min.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads the cap of a limit: 0 to 2^53 - 1, or `UNLIMITED`.
///
/// # Errors
/// `ERR max is out of range` for anything else.
pub fn cap(word: &[u8]) -> Parsed<Cap> {
    if is(word, "UNLIMITED") {
        return Ok(Cap::Unlimited);
    }
    let outside = CommandError::line("ERR max is out of range: 0 to 9007199254740991, or UNLIMITED");
    super::args::bounded(word, 0..=MAX_UNITS, outside).map(Cap::At)
}

/// The identity of a limit from its parts.
#[must_use]
pub fn identity(named: &Named<'_>, window: Window, count: crate::core::model::limit::Count) -> Identity {
    Identity { dims: sorted(named), window, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_written() {
        for (text, minutes) in [("+00:00", 0), ("+08:00", 480), ("-03:30", -210), ("+18:00", 1080)] {
            assert_eq!(time_zone(text.as_bytes()).ok(), Some(Tz::Offset(minutes)));
            assert_eq!(time_zone_text(Tz::Offset(minutes)), text);
        }
        for bad in ["08:00", "+8:00", "+18:01", "+00:60", "+19:00", "+0a:00", "", "+08:00 "] {
            assert!(time_zone(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(time_zone(b"-00:00").ok(), Some(Tz::UTC));
        let berlin = time_zone(b"europe/berlin").map(time_zone_text);
        assert_eq!(berlin.ok().as_deref(), Some("Europe/Berlin"));
    }

    #[test]
    fn patterns_follow_the_names_as_given() {
        let named = dimensions(b"group+area").unwrap_or_default();
        let p = pattern(&named, &[Some(b"vip"), None]).unwrap_or_default();
        // Sorted: area (any), group (vip, bare since last).
        assert_eq!(p.as_slice(), b"\0vip");
    }
}
