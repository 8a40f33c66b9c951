//! Follows the pool's event stream: how many units are left, and which orders have changed.

use std::sync::Arc;
use std::time::Duration;

use redis::streams::{StreamId, StreamReadReply};
use redis::{cmd, AsyncConnectionConfig, RedisResult};

use crate::shop::Shop;
use crate::stock::Pool;

/// Follows the stream for ever. Pages look for themselves, too: what is missed here comes later, but
/// comes.
pub async fn follow(shop: Arc<Shop>) {
    let mut position = "0".to_owned();
    loop {
        let _ = read(&shop, &mut position).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn read(shop: &Shop, position: &mut String) -> RedisResult<()> {
    // Longer than a read blocks.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(3)));
    let mut connection = shop.stock.client().get_multiplexed_async_connection_with_config(&config).await?;
    loop {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(500).arg("BLOCK").arg(1000).arg("STREAMS").arg(&shop.stream).arg(&*position);
        let reply: Option<StreamReadReply> = command.query_async(&mut connection).await?;
        for entry in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
            take(shop, &entry);
            *position = entry.id;
        }
    }
}

fn take(shop: &Shop, entry: &StreamId) {
    let number = |name: &str| entry.get::<i64>(name).unwrap_or_default();
    let kind: String = entry.get("type").unwrap_or_default();
    if entry.get::<String>("pool").as_deref() != Some(shop.stock.key()) {
        return;
    }
    let suspended = match kind.as_str() {
        "suspended" => true,
        "resumed" => false,
        _ => shop.board.now().suspended,
    };
    shop.board.take(&Pool {
        available: number("available"),
        suspended,
        epoch: entry.get("epoch").unwrap_or_default(),
        seq: number("seq"),
        ..Pool::default()
    });
    if kind == "returned" {
        shop.office.returned(number("qty"));
    }
    if let Some(order) = entry.get::<String>("order") {
        match kind.as_str() {
            "reserved" | "late" => shop.orders.entered(&order),
            _ => shop.orders.ring(&order),
        }
    }
}
