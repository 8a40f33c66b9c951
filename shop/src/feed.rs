//! Follows the pool's event stream: how many units are left, and which orders have changed.

use std::sync::Arc;
use std::time::Duration;

use redis::streams::StreamReadReply;
use redis::{cmd, AsyncConnectionConfig, RedisResult};

use crate::entry::Entry;
use crate::shop::Shop;
use crate::stock::Pool;

/// Follows the stream for ever. Pages look for themselves, too: what is missed here comes later,
/// but comes.
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
            // What cannot be read here shows when pages look for themselves.
            if let Ok(entry) = Entry::read(&entry) {
                take(shop, &entry);
            }
            *position = entry.id;
        }
    }
}

fn take(shop: &Shop, entry: &Entry<'_>) {
    let number = |name: &str| entry.number(name).unwrap_or_default();
    let kind = entry.text("type").unwrap_or_default();
    if entry.text("pool").as_deref() != Some(shop.stock.key()) {
        return;
    }
    let suspended = match &*kind {
        "suspended" => true,
        "resumed" => false,
        _ => shop.board.now().suspended,
    };
    shop.board.take(&Pool {
        available: number("available"),
        suspended,
        epoch: entry.text("epoch").unwrap_or_default().into_owned(),
        seq: number("seq"),
        ..Pool::default()
    });
    if kind == "returned" {
        shop.office.returned(number("qty"));
    }
    if let Some(order) = entry.text("order") {
        match &*kind {
            "reserved" | "late" => shop.orders.entered(&order),
            _ => shop.orders.ring(&order),
        }
    }
}
