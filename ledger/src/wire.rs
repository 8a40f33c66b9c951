//! The protocol's answers (RESP2), read in place.

/// A field of an entry: its name and its value.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// Why nothing was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The rest has not come yet.
    Unfinished,
    /// The server answers with an error.
    Error(String),
    /// It is something else.
    Unknown,
}

/// Reads bytes that came, from an offset on.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Begins at an offset.
    pub fn new(bytes: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { bytes, at }
    }

    /// The offset behind what was read.
    pub fn offset(&self) -> usize {
        self.at
    }

    fn line(&mut self) -> Result<(u8, &'a [u8]), Broken> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'\n').ok_or(Broken::Unfinished)?;
        let (kind, text) = rest.get(..end).and_then(<[u8]>::split_first).ok_or(Broken::Unknown)?;
        self.at += end + 1;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if *kind == b'-' {
            return Err(Broken::Error(crate::text::escape(text)));
        }
        Ok((*kind, text))
    }

    /// A status.
    pub fn plain(&mut self) -> Result<&'a [u8], Broken> {
        match self.line()? {
            (b'+', text) => Ok(text),
            _ => Err(Broken::Unknown),
        }
    }

    /// A line of this kind that holds a short number, as nearly all are. None: it is another one,
    /// and nothing was read.
    fn short(&mut self, kind: u8) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?.strip_prefix(&[kind])?;
        let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, end) = rest.split_at_checked(digits)?;
        if digits.is_empty() || !end.starts_with(b"\r\n") {
            return None;
        }
        self.at += digits.len() + 3;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
    }

    fn bulk(&mut self) -> Result<&'a [u8], Broken> {
        let length = match self.short(b'$') {
            Some(length) => length,
            None => {
                let (b'$', length) = self.line()? else { return Err(Broken::Unknown) };
                usize::try_from(number(length).ok_or(Broken::Unknown)?).map_err(|_| Broken::Unknown)?
            }
        };
        let end = self.at.checked_add(length).ok_or(Broken::Unknown)?;
        if self.bytes.len() < end.saturating_add(2) {
            return Err(Broken::Unfinished);
        }
        let value = self.bytes.get(self.at..end).ok_or(Broken::Unfinished)?;
        self.at = end + 2;
        Ok(value)
    }

    /// How many items follow; none for nil.
    fn array(&mut self) -> Result<Option<usize>, Broken> {
        if let Some(length) = self.short(b'*') {
            return Ok(Some(length));
        }
        let (b'*', length) = self.line()? else { return Err(Broken::Unknown) };
        Ok(usize::try_from(number(length).ok_or(Broken::Unknown)?).ok())
    }

    /// The beginning of XREAD's answer of one stream, up to its entries: how many come. None for
    /// nil.
    pub fn stream_head(&mut self) -> Result<Option<usize>, Broken> {
        match self.array()? {
            None => return Ok(None),
            Some(1) => {}
            Some(_) => return Err(Broken::Unknown),
        }
        if self.array()? != Some(2) {
            return Err(Broken::Unknown);
        }
        self.bulk()?;
        self.array()
    }

    /// An entry: its id, with its fields put into `fields`. Where it is not whole, the offset stays
    /// before it.
    pub fn entry(&mut self, fields: &mut Vec<Field<'a>>) -> Result<&'a str, Broken> {
        let before = self.at;
        let result = self.whole_entry(fields);
        if result.is_err() {
            self.at = before;
        }
        result
    }

    fn whole_entry(&mut self, fields: &mut Vec<Field<'a>>) -> Result<&'a str, Broken> {
        fields.clear();
        if self.array()? != Some(2) {
            return Err(Broken::Unknown);
        }
        let id = std::str::from_utf8(self.bulk()?).map_err(|_| Broken::Unknown)?;
        for _ in 0..self.array()?.unwrap_or(0) / 2 {
            fields.push((self.bulk()?, self.bulk()?));
        }
        Ok(id)
    }
}

/// A number, without the detour of a text.
pub fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"*1\r\n*2\r\n$6\r\nevents\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*4\r\n$1\r\na\r\n$4\r\nx\r\ny\r\n$1\r\nb\r\n$0\r\n\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n";

    fn read(bytes: &[u8]) -> Result<Vec<String>, Broken> {
        let mut cursor = Cursor::new(bytes, 0);
        let mut fields = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..cursor.stream_head()?.unwrap_or(0) {
            let before = cursor.offset();
            match cursor.entry(&mut fields) {
                Ok(id) => seen.push(format!("{id} {fields:?}")),
                Err(error) => {
                    assert_eq!(cursor.offset(), before);
                    return Err(error);
                }
            }
        }
        assert_eq!(cursor.offset(), bytes.len());
        Ok(seen)
    }

    #[test]
    fn entries_are_read_in_place() {
        let seen = read(ANSWER).expect("entries");
        let fields: Vec<Field> = vec![(b"a", b"x\r\ny"), (b"b", b"")];
        assert_eq!(seen, [format!("1-0 {fields:?}"), "2-0 []".to_string()]);
        assert_eq!(read(b"*-1\r\n").expect("nothing"), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_cut_off_is_waited_for() {
        for end in 0..ANSWER.len() {
            assert_eq!(read(&ANSWER[..end]), Err(Broken::Unfinished), "cut at {end}");
        }
    }

    #[test]
    fn errors_and_other_shapes_are_told_apart() {
        let moved = read(b"-MOVED 7 127.0.0.1:7001\r\n");
        assert_eq!(moved, Err(Broken::Error("MOVED 7 127.0.0.1:7001".to_string())));
        for bytes in [b":7\r\n".as_slice(), b"*2\r\n", b"\r\n", b"*1\r\n*2\r\n$-7\r\n", b"*x\r\n", b"$3\r\nabc\r\n"] {
            assert_eq!(read(bytes), Err(Broken::Unknown), "{bytes:?}");
        }
    }
}
