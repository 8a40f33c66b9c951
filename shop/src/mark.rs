//! The sold-out mark in the shop's memory: set and cleared by keyspace events.
//!
//! While it is set, buyers are turned away without a call to Redis. It must never stay set by
//! mistake: subscribe first, then read; without a subscription there is no mark; a silent
//! connection is asked whether it lives. The messages of the workers come over the same connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis_stock_client::Error;
use tokio::time::timeout;

use crate::shop::Shop;
use crate::worker::MADE;

const SOLD_OUT: &str = "__keyevent@0__:stock.soldout";
const RESTOCK: &str = "__keyevent@0__:stock.restock";
/// So long a silence is asked after: a connection can be dead without a word.
const SILENCE: Duration = Duration::from_secs(1);

/// Follows the server for ever.
pub async fn follow(shop: Arc<Shop>) {
    loop {
        let _ = listen(&shop).await;
        // Without a subscription nothing is known, and nobody is turned away.
        shop.board.change(|board| board.sold_out = false);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn listen(shop: &Shop) -> Result<(), Error> {
    let connection = timeout(SILENCE, shop.stock.client().get_async_pubsub()).await;
    let Ok(connection) = connection else { return Ok(()) };
    let (mut sink, mut messages) = connection?.split();
    for channel in [SOLD_OUT, RESTOCK, MADE] {
        sink.subscribe(channel).await?;
    }
    // What changes after this look is pushed, and waits in `messages`.
    let available = shop.stock.available().await?;
    shop.board.change(|board| board.sold_out = available == Some(0));
    loop {
        let Ok(message) = timeout(SILENCE, messages.next()).await else {
            let Ok(pong) = timeout(SILENCE, sink.ping::<redis::Value>()).await else { return Ok(()) };
            pong?;
            continue;
        };
        let Some(message) = message else { return Ok(()) };
        let text: String = message.get_payload()?;
        match message.get_channel_name() {
            MADE => text.split(' ').for_each(|order| shop.orders.made(order)),
            channel if text == shop.stock.key() => {
                shop.board.change(|board| board.sold_out = channel == SOLD_OUT);
            }
            _ => {}
        }
    }
}
