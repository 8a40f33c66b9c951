//! The clients: one that asks and waits, and a load through many connections with pipelines.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use crate::wire::{self, Calls};

/// Longer than any call here takes: SAVE of millions of keys on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A blocking connection.
pub struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// Where in the buffer the next reply begins.
    at: usize,
}

impl Connection {
    pub fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16), at: 0 })
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads one reply, and fails unless it begins as expected.
    pub fn expect(&mut self, prefix: &[u8]) -> Result<()> {
        let reply = self.reply()?;
        if !reply.starts_with(prefix) {
            let [got, wanted] = [reply, prefix].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            bail!("the server answered {got:?}, and not {wanted:?}");
        }
        Ok(())
    }

    /// Reads one reply; an error is an error.
    pub fn no_error(&mut self) -> Result<()> {
        let reply = self.reply()?;
        ensure!(!reply.starts_with(b"-"), "{}", String::from_utf8_lossy(reply).trim());
        Ok(())
    }

    /// The bytes of the next reply.
    fn reply(&mut self) -> Result<&[u8]> {
        loop {
            if let Some(len) = wire::reply_len(&self.buffer[self.at..]) {
                let from = self.at;
                self.at += len;
                return Ok(&self.buffer[from..self.at]);
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let mut piece = [0; 1 << 14];
            let got = self.stream.read(&mut piece).context("reading a reply")?;
            ensure!(got > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&piece[..got]);
        }
    }

    /// One call, and its answer as it stands in the protocol; an error is an error.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<String> {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        Ok(String::from_utf8_lossy(self.answer(&args)?).into_owned())
    }

    /// One call, and the bytes of its answer; an error is an error.
    fn answer(&mut self, args: &[&[u8]]) -> Result<&[u8]> {
        let mut calls = Calls::default();
        calls.add(args);
        self.send(calls.bytes(0, 1))?;
        let reply = self.reply()?;
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_string();
        ensure!(!reply.starts_with(b"-"), "{}: {}", text(args[0]), text(reply));
        Ok(reply)
    }

    /// One call that is answered with a bulk string: its bytes.
    pub fn bulk(&mut self, args: &[&[u8]]) -> Result<Vec<u8>> {
        let reply = self.answer(args)?;
        let start = reply.iter().position(|&byte| byte == b'\n').filter(|_| reply.starts_with(b"$"));
        let bytes = start.and_then(|at| reply.get(at + 1..reply.len() - 2));
        Ok(bytes.with_context(|| format!("the server answered {:?}", String::from_utf8_lossy(reply)))?.to_vec())
    }

    /// One call, written as in redis-cli, without quotes.
    pub fn say(&mut self, line: &str) -> Result<String> {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The text of a bulk reply or a status.
    pub fn text<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<String> {
        let reply = self.call(args)?;
        let text =
            if reply.starts_with('$') { reply.split_once("\r\n").map_or("", |(_, text)| text) } else { &reply[1..] };
        Ok(text.trim_end().to_string())
    }

    /// The integers in an answer, one behind the other.
    pub fn integers(&mut self, line: &str) -> Result<Vec<i64>> {
        let reply = self.say(line)?;
        Ok(reply.lines().filter_map(|line| line.strip_prefix(':')?.parse().ok()).collect())
    }

    /// The fields of one section of INFO.
    pub fn info(&mut self, section: &str) -> Result<HashMap<String, String>> {
        let text = self.text(&["INFO", section])?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields.map(|(name, value)| (name.to_string(), value.trim().to_string())).collect())
    }

    /// One number of INFO.
    pub fn figure(&mut self, section: &str, name: &str) -> Result<f64> {
        let fields = self.info(section)?;
        let value = fields.get(name).with_context(|| format!("no {name} in INFO {section}"))?;
        value.parse().with_context(|| format!("{name} is {value}"))
    }

    /// What the server's main thread has spent on the CPU so far, in µs.
    pub fn cpu_us(&mut self) -> Result<f64> {
        let fields = self.info("cpu")?;
        let seconds = |name| fields.get(name).and_then(|value| value.parse::<f64>().ok());
        let parts = seconds("used_cpu_user_main_thread").zip(seconds("used_cpu_sys_main_thread"));
        let (user, system) = parts.context("this server does not tell of its main thread's CPU time")?;
        Ok((user + system) * 1e6)
    }
}

/// Several connections that are served in turns by one thread: while one waits, the next is written
/// to.
pub struct Load {
    connections: Vec<Connection>,
}

impl Load {
    pub fn open(socket: &Path, connections: usize) -> Result<Self> {
        let connections = (0..connections).map(|_| Connection::open(socket)).collect::<Result<_>>()?;
        Ok(Self { connections })
    }

    /// Makes the calls, `depth` at a time on each connection, and checks how each reply begins. How
    /// long it took.
    pub fn run(&mut self, calls: &Calls, depth: usize, prefix: &[u8]) -> Result<Duration> {
        let width = self.connections.len();
        let mut waiting = vec![0_usize; width];
        let begin = Instant::now();
        for (batch, from) in (0..calls.len()).step_by(depth).enumerate() {
            let (connection, owed) = (&mut self.connections[batch % width], &mut waiting[batch % width]);
            for _ in 0..*owed {
                connection.expect(prefix)?;
            }
            let to = calls.len().min(from + depth);
            connection.send(calls.bytes(from, to))?;
            *owed = to - from;
        }
        for (connection, owed) in self.connections.iter_mut().zip(waiting) {
            for _ in 0..owed {
                connection.expect(prefix)?;
            }
        }
        Ok(begin.elapsed())
    }

    /// As [`Load::run`], of calls that are made while they are sent: for more of them than memory
    /// should hold.
    pub fn fill(&mut self, first: u64, count: u64, prefix: &[u8], mut make: impl FnMut(&mut Calls, u64)) -> Result<()> {
        let (mut at, end) = (first, first + count);
        while at < end {
            let some = (end - at).min(20_000);
            self.run(&Calls::of(at, some, &mut make), 32, prefix)?;
            at += some;
        }
        Ok(())
    }
}
