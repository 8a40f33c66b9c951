//! Bytes and times for people.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Bytes as text that a terminal shows as it is: what is no UTF-8 or could steer the terminal
/// stands as `\xNN`, byte by byte, and a backslash as `\\`. Reversible.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if steers(c) => push_hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

/// Control characters, and those that turn the direction of what follows.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// A text without the user and the password of the URLs in it.
pub fn redacted(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_string(),
    }
}

/// Milliseconds since 1970, by the clock of this machine.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A Unix time to the second, in UTC: `2026-11-28T11:40:02Z`.
pub fn time(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1000)) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// A Unix time and how far it is from now.
pub fn when(ms: i64, now_ms: i64) -> String {
    let (span, past) = (span(ms.saturating_sub(now_ms).abs()), ms < now_ms);
    if past {
        format!("{} ({span} ago)", time(ms))
    } else {
        format!("{} (in {span})", time(ms))
    }
}

/// A span in its two largest units: `14 min 3 s`.
pub fn span(ms: i64) -> String {
    let s = ms / 1000;
    let parts = [(s / 86_400, "d"), (s / 3600 % 24, "h"), (s / 60 % 60, "min"), (s % 60, "s")];
    let shown = parts.iter().skip_while(|(n, _)| *n == 0).take(2).filter(|(n, _)| *n > 0);
    let text: Vec<String> = shown.map(|(n, unit)| format!("{n} {unit}")).collect();
    if text.is_empty() {
        "0 s".to_string()
    } else {
        text.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(escape("sku:618 überall 茶".as_bytes()), "sku:618 überall 茶");
        assert_eq!(escape(b"a\\b\n\x1b[2J\xff"), "a\\\\b\\x0a\\x1b[2J\\xff");
        // CSI as one character, and what turns a line round.
        assert_eq!(escape("\u{9b}x\u{202e}".as_bytes()), "\\xc2\\x9bx\\xe2\\x80\\xae");
    }

    #[test]
    fn times_have_their_distance() {
        assert_eq!(when(1_000, 0), "1970-01-01T00:00:01Z (in 1 s)");
        assert_eq!(when(0, 90_061_000), "1970-01-01T00:00:00Z (1 d 1 h ago)");
        assert_eq!(span(3_600_000), "1 h");
        assert_eq!(span(3_603_000), "1 h");
        assert_eq!(span(999), "0 s");
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(redacted("redis://shop:p@ss@db:6379"), "redis://***@db:6379");
        assert_eq!(redacted("db:6379"), "db:6379");
    }
}
