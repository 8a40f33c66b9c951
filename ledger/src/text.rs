//! Pool keys and order ids are bytes in Redis and text in the database. What text cannot carry in
//! all three databases (bytes that are not UTF-8, control characters, a space at the end) is
//! written as `\xNN`, a backslash as `\\`.

/// Bytes as text; reversible.
pub fn escape(bytes: &[u8]) -> String {
    // Nearly all of them, and in one step.
    if bytes.iter().all(|b| (b' '..0x7f).contains(b) && *b != b'\\') && bytes.last() != Some(&b' ') {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_ascii_control() => push_hex(&mut text, c as u8),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            push_hex(&mut text, *byte);
        }
    }
    if text.ends_with(' ') {
        text.pop();
        push_hex(&mut text, b' ');
    }
    text
}

/// The beginning of a text, and a sign where that is not all of it.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_string(),
    }
}

fn push_hex(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Bytes as text of ASCII letters alone, for keys that are long and must be short; reversible.
pub fn ascii(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => push_hex(&mut text, *byte),
        }
    }
    text
}

/// The bytes of an escaped text. What is not an escape stands for itself.
pub fn unescape(text: &str) -> Vec<u8> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\' {
            if let Some(after) = tail.strip_prefix(b"\\") {
                bytes.push(b'\\');
                rest = after;
                continue;
            }
            if let Some(byte) = hex(tail) {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
                continue;
            }
        }
        bytes.push(first);
        rest = tail;
    }
    bytes
}

fn hex(tail: &[u8]) -> Option<u8> {
    let digits = tail.strip_prefix(b"x")?.get(..2)?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for a in 0..=255u8 {
            for b in [0, b' ', b'\\', b'x', 0xc3, 0xa9, 0xff, b'7'] {
                let bytes = [b, a, b, b'0', b'a', a];
                assert_eq!(unescape(&escape(&bytes)), bytes);
                assert_eq!(unescape(&ascii(&bytes)), bytes);
                assert!(ascii(&bytes).is_ascii());
                assert!(!escape(&bytes).ends_with(' '));
            }
        }
    }

    #[test]
    fn plain_text_stays() {
        assert_eq!(escape("sku:618 überall 茶".as_bytes()), "sku:618 überall 茶");
        assert_eq!(escape(b"a\\b\n\xff "), "a\\\\b\\x0a\\xff\\x20");
        assert_eq!(unescape("\\xzz\\"), b"\\xzz\\");
    }
}
