//! The keyspace events of the buckets: one is sold out, runs low, or has units again. A balancer
//! that hears of them need not wait for its next look. Where servers do not publish them (parameter
//! `notify-keyspace-events`), it looks as often as it is told to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::Notify;

use crate::connect::Servers;
use crate::failure::{error_chain, is_unreachable};
use crate::reply::bytes;

const EVENTS: [&str; 3] = ["stock.restock", "stock.soldout", "stock.low"];
/// So often it is made sure that all servers of buckets are listened to.
const CHECK: Duration = Duration::from_secs(1);

/// Wakes `balancer` whenever a bucket crosses one of these lines; ends where a server refuses to
/// tell.
pub async fn listen(mut servers: Servers, keys: Vec<String>, balancer: Arc<Notify>) {
    let (to, events) = unbounded_channel();
    tokio::spawn(wake(events, keys.clone(), balancer.clone()));
    let mut open: HashMap<String, MultiplexedConnection> = HashMap::new();
    loop {
        match subscribe(&mut servers, &keys, &mut open, &to).await {
            // What happened meanwhile was not heard.
            Ok(true) => balancer.notify_one(),
            Ok(false) => {}
            Err(error) if is_unreachable(&error) => {}
            Err(error) => {
                eprintln!("without keyspace events: {}", error_chain(&error));
                return;
            }
        }
        tokio::time::sleep(CHECK).await;
    }
}

/// Subscribes at each server that has buckets and is not listened to; whether there was one.
async fn subscribe(
    servers: &mut Servers,
    keys: &[String],
    open: &mut HashMap<String, MultiplexedConnection>,
    to: &UnboundedSender<PushInfo>,
) -> Result<bool> {
    servers.discover().await?;
    let db = servers.db();
    let channels = EVENTS.map(|event| format!("__keyevent@{db}__:{event}"));
    let homes = keys.iter().map(|key| servers.home_of(key.as_bytes())).collect::<Result<BTreeSet<_>>>()?;
    let mut is_new = false;
    for home in homes {
        let is_up = match open.get_mut(&home) {
            Some(connection) => redis::cmd("PING").query_async::<()>(connection).await.is_ok(),
            None => false,
        };
        if !is_up {
            open.remove(&home);
            let connection = servers.subscribe(&home, &channels, to.clone()).await?;
            open.insert(home, connection);
            is_new = true;
        }
    }
    Ok(is_new)
}

async fn wake(mut events: UnboundedReceiver<PushInfo>, keys: Vec<String>, balancer: Arc<Notify>) {
    while let Some(event) = events.recv().await {
        if is_of_a_bucket(&event, &keys) {
            balancer.notify_one();
        }
    }
}

/// Whether a server tells of one of these keys: the message of such a channel is the key.
fn is_of_a_bucket(event: &PushInfo, keys: &[String]) -> bool {
    let key = event.data.get(1).map(bytes).unwrap_or_default();
    event.kind == PushKind::Message && keys.iter().any(|one| one.as_bytes() == key)
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    #[test]
    fn other_pools_wake_nobody() {
        let keys = ["{b0}x".to_string(), "{b1}x".to_string()];
        let event = |kind: PushKind, key: &str| {
            let data = ["__keyevent@0__:stock.restock", key].map(|word| Value::BulkString(word.into()));
            PushInfo { kind, data: data.into() }
        };
        assert!(is_of_a_bucket(&event(PushKind::Message, "{b1}x"), &keys));
        assert!(!is_of_a_bucket(&event(PushKind::Message, "{b1}y"), &keys));
        assert!(!is_of_a_bucket(&event(PushKind::Subscribe, "{b1}x"), &keys));
        assert!(!is_of_a_bucket(&PushInfo { kind: PushKind::Disconnection, data: Vec::new() }, &keys));
    }
}
