//! The protocol: calls that are ready to be sent, and where a reply ends.

/// Many calls, encoded beforehand so that sending costs nothing beside what is measured.
#[derive(Default)]
pub struct Calls {
    bytes: Vec<u8>,
    /// Where each call ends.
    ends: Vec<usize>,
}

impl Calls {
    /// `count` calls, of the numbers from `first` on.
    pub fn of(first: u64, count: u64, mut make: impl FnMut(&mut Calls, u64)) -> Self {
        let mut calls = Self::default();
        (first..first + count).for_each(|n| make(&mut calls, n));
        calls
    }

    /// One more call.
    pub fn add(&mut self, args: &[&[u8]]) {
        let mut head = |sign: char, number: usize| {
            self.bytes.extend_from_slice(format!("{sign}{number}\r\n").as_bytes());
        };
        head('*', args.len());
        for arg in args {
            self.bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            self.bytes.extend_from_slice(arg);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.ends.push(self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of the calls `from..to`.
    pub fn bytes(&self, from: usize, to: usize) -> &[u8] {
        let start = from.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[to - 1]]
    }
}

/// A call as a person would type it.
pub fn typed(call: &[u8]) -> String {
    let text = String::from_utf8_lossy(call);
    // Every other line is an argument; those between are their lengths.
    text.split("\r\n").skip(2).step_by(2).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The length of the reply at the beginning of these bytes; None where it is not there yet.
pub fn reply_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Replies that are still to come: an array brings its items.
    let mut wanted = 1_u64;
    while wanted > 0 {
        let (line, after) = line(bytes, at)?;
        at = after;
        wanted -= 1;
        let number = || std::str::from_utf8(&line[1..]).ok()?.parse::<i64>().ok();
        match line.first()? {
            // -1 is nil, and has nothing behind it.
            b'$' => at += number().filter(|len| *len >= 0).map_or(0, |len| len as usize + 2),
            b'*' => wanted += number()?.max(0) as u64,
            _ => {}
        }
    }
    (at <= bytes.len()).then_some(at)
}

/// The line that begins here, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    // Lines hold no line feed but that of their end.
    let len = rest.iter().position(|byte| *byte == b'\n')?;
    Some((&rest[..len.saturating_sub(1)], at + len + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stand_one_behind_the_other() {
        let calls = Calls::of(7, 3, |calls, n| calls.add(&[b"ECHO", n.to_string().as_bytes()]));
        assert_eq!(calls.len(), 3);
        assert_eq!(calls.bytes(1, 2), b"*2\r\n$4\r\nECHO\r\n$1\r\n8\r\n");
        assert_eq!(calls.bytes(0, 3).len(), 3 * calls.bytes(0, 1).len());
        assert_eq!(typed(calls.bytes(2, 3)), "ECHO 9");
    }

    #[test]
    fn a_reply_ends_where_its_last_item_ends() {
        for reply in ["+OK\r\n", ":-1\r\n", "$-1\r\n", "$0\r\n\r\n", "*0\r\n", "*2\r\n*1\r\n:1\r\n$4\r\na\r\nb\r\n"] {
            let two = format!("{reply}+NEXT\r\n");
            assert_eq!(reply_len(two.as_bytes()), Some(reply.len()), "{reply:?}");
            for cut in 0..reply.len() {
                assert_eq!(reply_len(&reply.as_bytes()[..cut]), None, "{reply:?} cut at {cut}");
            }
        }
    }
}
