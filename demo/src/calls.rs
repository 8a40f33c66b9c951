//! The STOCK.* calls of a shop, typed, and safe to repeat: after a lost answer the same call goes
//! out again with the same order id, and the server tells by EXISTS that it had been done.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use redis::{Client, Cmd, Connection, ConnectionLike, ErrorKind, RedisError, RedisResult, Value};

use crate::answer::{parse, Answer};
use crate::scenario::{Order, Plan, Scenario};

/// With growing pauses, ten seconds in all: longer than a server takes that was killed.
const TRIES: u32 = 9;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Reply {
    pub answer: Answer,
    /// Microseconds since the start of the run: before the first send, and after the answer came.
    pub sent: u64,
    pub got: u64,
    /// The call went out more than once: EXISTS may stand for OK, and an earlier copy may still be
    /// under way.
    pub resent: bool,
}

/// One caller of the shop: a connection, and a second one for double clicks.
pub struct Caller {
    client: Client,
    /// None where it broke: what its call was answered may not be taken for the next one's answer.
    main: Option<Connection>,
    twin: Option<Connection>,
    start: Instant,
    pub calls: u64,
    pub reconnects: u64,
    /// Microseconds from send to answer, of each call that went out once.
    pub latencies: Vec<u32>,
}

impl Caller {
    pub fn new(client: &Client, start: Instant) -> Result<Self> {
        let (main, twin) = (Some(connect(client)?), Some(connect(client)?));
        Ok(Self { client: client.clone(), main, twin, start, calls: 0, reconnects: 0, latencies: Vec::new() })
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Sends until an answer comes. With `lose` the first copy's answer is thrown away with its
    /// connection.
    pub fn call(&mut self, cmd: &Cmd, lose: bool) -> Result<Reply> {
        let sent = self.now();
        let mut resent = false;
        if lose {
            // Whether it is sent or not: to the caller both look alike.
            let _ = self.main().and_then(|main| main.send_packed_command(&cmd.get_packed_command()));
            self.main = None;
            self.calls += 1;
            resent = true;
        }
        for attempt in 0..TRIES {
            self.calls += 1;
            match self.main().and_then(|main| main.req_command(cmd)).and_then(Value::extract_error) {
                Ok(value) => {
                    let got = self.now();
                    if !resent {
                        self.latencies.push((got - sent).min(u64::from(u32::MAX)) as u32);
                    }
                    return Ok(Reply { answer: parse(value)?, sent, got, resent });
                }
                Err(error) if may_repeat(&error) => {
                    self.main = None;
                    resent = true;
                    sleep(Duration::from_millis(20 << attempt));
                }
                // The module's refusals are data; an error means that this program has a bug, or
                // the server.
                Err(error) => bail!("{}: {error}", describe(cmd)),
            }
        }
        bail!("{}: no answer after {TRIES} tries", describe(cmd))
    }

    /// A double click: both connections carry the call before either answer is read.
    pub fn call_twice(&mut self, cmd: &Cmd) -> Result<(Reply, Option<Answer>)> {
        let sent = self.now();
        self.calls += 2;
        let pair = self.exchange(&cmd.get_packed_command());
        let got = self.now();
        match pair {
            Ok((first, second)) => {
                let (first, second) = (parse(first)?, parse(second)?);
                // Either may have been first; the one that took the units is the order's answer.
                let (answer, other) = if matches!(second, Answer::Ok(_)) { (second, first) } else { (first, second) };
                Ok((Reply { answer, sent, got, resent: false }, Some(other)))
            }
            Err(error) if may_repeat(&error) => {
                self.main = None;
                let again = self.call(cmd, false)?;
                Ok((Reply { sent, resent: true, ..again }, None))
            }
            Err(error) => bail!("{}: {error}", describe(cmd)),
        }
    }

    fn exchange(&mut self, packed: &[u8]) -> RedisResult<(Value, Value)> {
        let mut twin = match self.twin.take() {
            Some(twin) => twin,
            None => connect(&self.client)?,
        };
        let main = self.main()?;
        main.send_packed_command(packed)?;
        twin.send_packed_command(packed)?;
        // Both answers are read before either can fail the call, so that none is left over for the
        // next one.
        let (first, second) = (main.recv_response(), twin.recv_response());
        let pair = (first?.extract_error()?, second?.extract_error()?);
        self.twin = Some(twin);
        Ok(pair)
    }

    fn main(&mut self) -> RedisResult<&mut Connection> {
        let main = match self.main.take() {
            Some(main) => main,
            None => {
                self.reconnects += 1;
                connect(&self.client)?
            }
        };
        Ok(self.main.insert(main))
    }
}

pub fn connect(client: &Client) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
    connection.set_read_timeout(Some(READ_TIMEOUT))?;
    connection.set_write_timeout(Some(READ_TIMEOUT))?;
    Ok(connection)
}

fn may_repeat(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || matches!(error.kind(), ErrorKind::TryAgain | ErrorKind::BusyLoadingError)
}

pub fn reserve(sale: &Scenario, order: &Order, plan: Plan) -> Cmd {
    let mut cmd = redis::cmd("STOCK.RESERVE");
    cmd.arg(&sale.pool_of(order).key).arg(&order.id).arg(order.qty);
    if let Plan::Expire { px } = plan {
        cmd.arg("PX").arg(px);
    }
    cmd.arg("FOR").arg(sale.dims[0]).arg(order.who[0]).arg(sale.dims[1]).arg(order.who[1]);
    cmd
}

pub fn confirm(sale: &Scenario, order: &Order) -> Cmd {
    on_order("STOCK.CONFIRM", sale, order)
}

pub fn release(sale: &Scenario, order: &Order) -> Cmd {
    on_order("STOCK.RELEASE", sale, order)
}

pub fn give_back(sale: &Scenario, order: &Order, part: Option<i64>) -> Cmd {
    let mut cmd = on_order("STOCK.RETURN", sale, order);
    if let Some(qty) = part {
        cmd.arg("QTY").arg(qty).arg("TOKEN").arg("parcel-1");
    }
    cmd
}

fn on_order(name: &str, sale: &Scenario, order: &Order) -> Cmd {
    let mut cmd = redis::cmd(name);
    cmd.arg(&sale.pool_of(order).key).arg(&order.id);
    cmd
}

pub fn describe(cmd: &Cmd) -> String {
    let words: Vec<String> = cmd
        .args_iter()
        .map(|arg| match arg {
            redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => "?".to_owned(),
        })
        .collect();
    words.join(" ")
}
