//! A worker of the order queue: `stock-shop work`, a process of its own that may die at any moment.
//!
//! The queue is the pool's event stream, read through a consumer group. An entry `reserved` is
//! there if and only if the units are held. What a dead worker had taken, another one takes over.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use redis::{cmd, AsyncConnectionConfig, Client, RedisResult};

use crate::database::{Database, Made};
use crate::entry::Entry;

/// The consumer group of the workers.
pub const GROUP: &str = "workers";
/// Where workers say which orders they have made.
pub const MADE: &str = "shop:made";
/// An entry that nobody has acknowledged for so long is taken from the worker that has it.
const CLAIM_AFTER: Duration = Duration::from_secs(1);
/// Entries in one transaction.
const BATCH: usize = 200;

/// Works until it is ended. Whoever reads this program's input away ends it, too.
pub async fn work(redis: &str, database: &str, stream: &str, name: &str) -> Result<()> {
    let (client, database) = (Client::open(redis)?, Database::open(database).await?);
    loop {
        // Redis or the database is away: what was not acknowledged comes again.
        if let Err(error) = follow(&client, &database, stream, name).await {
            eprintln!("worker {name}: {error:#}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn follow(client: &Client, database: &Database, stream: &str, name: &str) -> Result<()> {
    // Longer than a read blocks.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    join(&mut connection, stream).await?;
    let mut claimed: Option<Instant> = None;
    loop {
        let mut entries = Vec::new();
        // Entries of a worker that died come first, looked for now and then.
        if claimed.is_none_or(|at| at.elapsed() > CLAIM_AFTER / 2) {
            claimed = Some(Instant::now());
            entries = claim(&mut connection, stream, name).await?;
        }
        if entries.is_empty() {
            entries = read(&mut connection, stream, name).await?;
        }
        if !entries.is_empty() {
            make(&mut connection, database, stream, entries).await?;
        }
    }
}

/// Makes the group, unless it is there. Before the first entry: stock-ledger removes what no group
/// has still to read.
pub async fn join(connection: &mut MultiplexedConnection, stream: &str) -> RedisResult<()> {
    let made = cmd("XGROUP").arg("CREATE").arg(stream).arg(GROUP).arg("0").arg("MKSTREAM").exec_async(connection).await;
    match made {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        made => made,
    }
}

async fn claim(connection: &mut MultiplexedConnection, stream: &str, name: &str) -> RedisResult<Vec<StreamId>> {
    let mut command = cmd("XAUTOCLAIM");
    command.arg(stream).arg(GROUP).arg(name).arg(CLAIM_AFTER.as_millis() as u64).arg("0").arg("COUNT").arg(BATCH);
    let reply: StreamAutoClaimReply = command.query_async(connection).await?;
    Ok(reply.claimed)
}

async fn read(connection: &mut MultiplexedConnection, stream: &str, name: &str) -> RedisResult<Vec<StreamId>> {
    let mut command = cmd("XREADGROUP");
    command.arg("GROUP").arg(GROUP).arg(name).arg("COUNT").arg(BATCH).arg("BLOCK").arg(200);
    command.arg("STREAMS").arg(stream).arg(">");
    let reply: Option<StreamReadReply> = command.query_async(connection).await?;
    Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect())
}

/// The database first, the acknowledgement after it: a worker that dies in between leaves the
/// entries to another one, which finds the orders made. An entry that cannot be read is not
/// acknowledged: it waits for a program that can.
async fn make(
    connection: &mut MultiplexedConnection,
    database: &Database,
    stream: &str,
    entries: Vec<StreamId>,
) -> Result<()> {
    let (mut orders, mut done) = (Vec::new(), Vec::new());
    for entry in &entries {
        match Entry::read(entry) {
            Ok(read) => {
                orders.extend(order_of(&read));
                done.push(&entry.id);
            }
            Err(error) => eprintln!("not made: {error:#}"),
        }
    }
    if done.is_empty() {
        return Ok(());
    }
    database.make_orders(&orders).await?;
    let mut pipe = redis::pipe();
    pipe.cmd("XACK").arg(stream).arg(GROUP).arg(done).ignore();
    if !orders.is_empty() {
        let ids: Vec<&str> = orders.iter().map(|made: &Made| made.order.as_str()).collect();
        pipe.cmd("PUBLISH").arg(MADE).arg(ids.join(" ")).ignore();
    }
    pipe.exec_async(connection).await?;
    Ok(())
}

/// The order of an entry that begins one. What becomes of it later, the pool knows.
fn order_of(entry: &Entry<'_>) -> Option<Made> {
    let kind = entry.text("type")?;
    if kind != "reserved" && kind != "late" {
        return None;
    }
    let made_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let buyer = entry.attribute("user").unwrap_or_default();
    Some(Made { order: entry.text("order")?.into_owned(), buyer, qty: entry.number("qty")?, made_ms })
}
