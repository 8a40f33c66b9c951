//! A small blocking client that hides nothing: the exact bytes of a reply can be looked at,
//! commands can be pipelined, and anything can be sent.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::value::{fits, Value};

/// An answer that takes longer than this is a failure of the server.
const PATIENCE: Duration = Duration::from_secs(60);

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => s.read(buf),
            Stream::Tcp(s) => s.read(buf),
        }
    }
}

impl Stream {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.write_all(bytes),
            Stream::Tcp(s) => s.write_all(bytes),
        }
    }

    fn set_read_timeout(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.set_read_timeout(patience),
            Stream::Tcp(s) => s.set_read_timeout(patience),
        }
    }
}

pub struct Client {
    stream: BufReader<Stream>,
    raw: Vec<u8>,
}

/// The wire form of one command.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

impl Client {
    pub fn unix(path: &Path) -> io::Result<Client> {
        Client::over(Stream::Unix(UnixStream::connect(path)?))
    }

    pub fn tcp(port: u16) -> io::Result<Client> {
        Client::over(Stream::Tcp(TcpStream::connect(("127.0.0.1", port))?))
    }

    fn over(stream: Stream) -> io::Result<Client> {
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream), raw: Vec::new() })
    }

    /// How long an answer may take from here on.
    #[track_caller]
    pub fn set_patience(&self, patience: Duration) {
        self.stream.get_ref().set_read_timeout(Some(patience)).expect("a timeout");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes a request");
    }

    #[track_caller]
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.send_raw(&encode(args));
    }

    /// Reads one reply; pushes come as they are.
    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.try_read().expect("a reply")
    }

    pub fn try_read(&mut self) -> io::Result<Value> {
        self.raw.clear();
        self.value()
    }

    /// The exact bytes of the last reply.
    pub fn last_raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether nothing more has arrived: an injected reply line would show here.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        let marker = self.call(&["ECHO", "nothing before this"]);
        assert_eq!(marker, Value::Bulk(b"nothing before this".to_vec()));
    }

    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.send(args);
        self.read()
    }

    pub fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.try_send(&encode(args))?;
        self.try_read()
    }

    /// Sends all commands at once and reads their answers.
    #[track_caller]
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Value> {
        // In slices, so that neither side's buffers fill up while nobody reads.
        let mut answers = Vec::with_capacity(commands.len());
        for slice in commands.chunks(1000) {
            let wire: Vec<u8> = slice.iter().flat_map(|c| encode(c)).collect();
            self.send_raw(&wire);
            answers.extend(slice.iter().map(|_| self.read()));
        }
        answers
    }

    /// Calls a command whose words have no blanks.
    #[track_caller]
    pub fn say(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.call(&words)
    }

    /// Calls `line` and compares the answer with `pattern`, in which `*` stands for anything.
    #[track_caller]
    pub fn expect(&mut self, line: &str, pattern: &str) -> Value {
        let answer = self.say(line);
        let text = answer.to_string();
        assert!(fits(pattern, &text), "{line}\n  answered {text}\n  expected {pattern}");
        answer
    }

    /// Lines of `command => expected answer`; empty lines and `#` comments are skipped.
    #[track_caller]
    pub fn script(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (command, pattern) = line.split_once("=>").unwrap_or((line, "OK"));
            self.expect(command.trim(), pattern.trim());
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        self.raw.extend_from_slice(&line);
        if !line.ends_with(b"\r\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn blob(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut blob = vec![0; len + 2];
        self.stream.read_exact(&mut blob)?;
        self.raw.extend_from_slice(&blob);
        assert_eq!(&blob[len..], b"\r\n", "a string does not end where it says");
        blob.truncate(len);
        Ok(blob)
    }

    fn many(&mut self, count: i64) -> io::Result<Vec<Value>> {
        (0..count).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> io::Result<Value> {
        let line = self.line()?;
        let (kind, rest) = line.split_first().expect("a type byte");
        let text = String::from_utf8_lossy(rest).into_owned();
        let number = || text.parse::<i64>().unwrap_or_else(|_| panic!("not a number: {text}"));
        Ok(match kind {
            b'+' => Value::Status(rest.to_vec()),
            b'-' => Value::Error(rest.to_vec()),
            b':' => Value::Int(number()),
            b'_' => Value::Nil,
            b'#' => Value::Bool(text == "t"),
            b',' => Value::Double(text.parse().expect("a double")),
            b'(' => Value::Other(rest.to_vec()),
            b'$' | b'*' if text == "-1" => Value::Nil,
            b'$' => Value::Bulk(self.blob(number() as usize)?),
            b'=' => Value::Other(self.blob(number() as usize)?.split_off(4)),
            b'*' => Value::Array(self.many(number())?),
            b'~' => Value::Set(self.many(number())?),
            b'>' => Value::Push(self.many(number())?),
            b'%' => {
                let flat = self.many(2 * number())?;
                Value::Map(flat.chunks(2).map(|p| (p[0].clone(), p[1].clone())).collect())
            }
            other => panic!("an unknown type {:?} in {text:?}", *other as char),
        })
    }
}

/// Builds the arguments of a call from texts, numbers and bytes.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => {
        Vec::from([$($crate::client::ToArg::to_arg(&$arg)),*])
    };
}

pub trait ToArg {
    fn to_arg(&self) -> Vec<u8>;
}

impl ToArg for &str {
    fn to_arg(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl ToArg for String {
    fn to_arg(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl ToArg for Vec<u8> {
    fn to_arg(&self) -> Vec<u8> {
        self.clone()
    }
}

impl ToArg for &Vec<u8> {
    fn to_arg(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl ToArg for &[u8] {
    fn to_arg(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> ToArg for &[u8; N] {
    fn to_arg(&self) -> Vec<u8> {
        self.to_vec()
    }
}

macro_rules! number_args {
    ($($t:ty),*) => {$(
        impl ToArg for $t {
            fn to_arg(&self) -> Vec<u8> {
                self.to_string().into_bytes()
            }
        }
    )*};
}
number_args!(i32, i64, u64, usize);
