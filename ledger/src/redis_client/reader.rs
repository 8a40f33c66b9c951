//! Reads a stream over a connection of its own, so that the next entries come while the last ones
//! are written. An entry is handed on as it stands in the buffer: most of what a feed costs would
//! otherwise be the copies of its fields.

use anyhow::{Context, Result};
use redis::{Cmd, ConnectionAddr, ConnectionInfo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::{set_name, unreachable, ANSWER, CONNECT};
use super::tls;
use crate::text::unescape;
use crate::wire::{Broken, Cursor, Field};

/// So much is asked of the socket at a time.
const CHUNK: usize = 256 * 1024;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A connection that reads one stream. It never connects again: what it reads is of one server.
pub struct Reader {
    socket: Box<dyn Socket>,
    key: Vec<u8>,
    buffer: Vec<u8>,
    /// What stands before this in the buffer has been read.
    from: usize,
}

impl Reader {
    /// Connects to where the stream is.
    pub(super) async fn open(info: &ConnectionInfo, stream: &str) -> Result<Reader> {
        let socket = timeout(CONNECT, connect(&info.addr)).await.map_err(unreachable)??;
        let mut reader = Reader { socket, key: unescape(stream), buffer: Vec::with_capacity(CHUNK), from: 0 };
        if let Some(password) = &info.redis.password {
            let mut login = redis::cmd("AUTH");
            login.arg(info.redis.username.as_deref()).arg(password);
            reader.check(&login).await?;
        }
        if info.redis.db != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(info.redis.db);
            reader.check(&select).await?;
        }
        reader.send(&set_name()).await?;
        // Whatever it answers: see `connect`.
        let answered = |cursor: &mut Cursor| match cursor.plain() {
            Err(Broken::Error(_)) => Ok(()),
            other => other.map(|_| ()),
        };
        reader.wait_for(answered).await?;
        Ok(reader)
    }

    /// A command that answers OK.
    async fn check(&mut self, command: &Cmd) -> Result<()> {
        self.send(command).await?;
        self.wait_for(|cursor| cursor.plain().map(|_| ())).await
    }

    async fn send(&mut self, command: &Cmd) -> Result<()> {
        let sent = timeout(ANSWER, self.socket.write_all(&command.get_packed_command())).await;
        sent.map_err(unreachable)?.map_err(unreachable)
    }

    /// Entries behind `after`, each given to `each` with its id and fields; waits up to `block_ms`
    /// when there are none. Answers how many there were.
    pub async fn read(
        &mut self,
        after: &str,
        count: usize,
        block_ms: usize,
        mut each: impl FnMut(&str, &[Field<'_>]),
    ) -> Result<usize> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count).arg("BLOCK").arg(block_ms).arg("STREAMS").arg(&self.key).arg(after);
        self.send(&command).await?;
        // One stream was asked for: [[name, entries]].
        let number = self.wait_for(|cursor| cursor.stream_head()).await?.unwrap_or(0);
        let mut left = number;
        loop {
            // As many as are here whole.
            let mut fields = Vec::with_capacity(16);
            let mut cursor = Cursor::new(&self.buffer, self.from);
            while left > 0 {
                match cursor.entry(&mut fields) {
                    Ok(id) => each(id, &fields),
                    Err(Broken::Unfinished) => break,
                    Err(broken) => return Err(failed(broken)),
                }
                left -= 1;
                self.from = cursor.offset();
            }
            if left == 0 {
                return Ok(number);
            }
            self.fill().await?;
        }
    }

    /// Reads until `parse` finds something whole.
    async fn wait_for<T>(&mut self, parse: impl Fn(&mut Cursor) -> Result<T, Broken>) -> Result<T> {
        loop {
            let mut cursor = Cursor::new(&self.buffer, self.from);
            match parse(&mut cursor) {
                Ok(found) => {
                    self.from = cursor.offset();
                    return Ok(found);
                }
                Err(Broken::Unfinished) => self.fill().await?,
                Err(broken) => return Err(failed(broken)),
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.from);
        self.from = 0;
        self.buffer.reserve(CHUNK);
        let read = timeout(ANSWER, self.socket.read_buf(&mut self.buffer)).await.map_err(unreachable)?;
        if read.map_err(unreachable)? == 0 {
            return Err(unreachable("it closed the connection"));
        }
        Ok(())
    }
}

fn failed(broken: Broken) -> anyhow::Error {
    match broken {
        Broken::Unfinished => unreachable("an answer that ends in the middle"),
        // Slots on the move, a server that loads, a role that changed: the follower looks again
        // from the beginning.
        Broken::Error(text) => anyhow::anyhow!("Redis answers {text}"),
        Broken::Unknown => anyhow::anyhow!("XREAD answers something of another shape"),
    }
}

async fn connect(address: &ConnectionAddr) -> Result<Box<dyn Socket>> {
    match address {
        ConnectionAddr::Tcp(host, port) => {
            let socket = tokio::net::TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            socket.set_nodelay(true).context("a socket")?;
            Ok(Box::new(socket))
        }
        ConnectionAddr::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await.map_err(unreachable)?)),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let socket = tokio::net::TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            socket.set_nodelay(true).context("a socket")?;
            Ok(Box::new(tls::over(socket, host).await?))
        }
    }
}
