//! Twice a second a look at everything: Redis and the database side by side, the queue, the
//! processes. And, when somebody asks, at every order that a buyer was told about.

use std::sync::Arc;
use std::time::Duration;

use redis_stock_client::After;
use serde_json::{json, Value};

use crate::clock::now_ms;
use crate::orders::Told;
use crate::shop::Shop;
use crate::stock::{Error, OrderState, Pool};
use crate::worker::GROUP;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Looks, for ever.
pub async fn follow(shop: Arc<Shop>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        shop.office.publish(&look(&shop).await);
    }
}

/// One look at everything.
async fn look(shop: &Shop) -> Value {
    // Not `ask`: a server that is away is a figure here, not something to wait for.
    let pool = tokio::time::timeout(EVERY, shop.stock.pool()).await.ok().and_then(Result::ok).flatten();
    let queue = match pool {
        Some(_) => tokio::time::timeout(EVERY, queue(shop)).await.ok().and_then(Result::ok),
        None => None,
    };
    shop.board.change(|board| {
        board.online = pool.is_some();
        board.queue = queue.unwrap_or(board.queue);
        if let Some(pool) = &pool {
            (board.opens_ms, board.ends_ms) = (pool.from_ms, pool.until_ms);
        }
    });
    if let Some(pool) = &pool {
        shop.board.take(pool);
    }
    let database = database(shop, pool.as_ref()).await;
    shop.office.sample(pool.as_ref());
    let mut figures = json!({
        "now_ms": now_ms(),
        "board": shop.board.now(),
        "redis": pool.as_ref().map(|pool| json!({
            "available": pool.available, "held": pool.reserved, "on_hand": pool.on_hand, "sold": pool.sold,
            "changes": pool.seq,
        })),
        "database": database,
        "queue": queue,
        "processes": shop.backstage.running(),
        "crowd": shop.crowd.figures(),
    });
    if let (Value::Object(figures), Value::Object(counted)) = (&mut figures, shop.office.figures()) {
        figures.extend(counted);
    }
    figures
}

/// Entries of the stream that no worker has finished.
async fn queue(shop: &Shop) -> Result<u64, Error> {
    let groups: redis::streams::StreamInfoGroupsReply =
        shop.stock.ask(redis::cmd("XINFO").arg("GROUPS").arg(&shop.stream).to_owned()).await?;
    let workers = groups.groups.into_iter().find(|group| group.name == GROUP);
    Ok(workers.map_or(0, |group| group.pending as u64 + group.lag.unwrap_or(0) as u64))
}

/// What the database says, and how far Redis is from it: what has not come there yet is no drift.
async fn database(shop: &Shop, pool: Option<&Pool>) -> Value {
    let row = match shop.database.stock_row(&shop.product.sku, shop.stock.key()).await {
        Ok(row) => row,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let made = shop.database.count_made().await.unwrap_or(-1);
    let Some(row) = row else { return json!({ "made": made }) };
    let mut drift = None;
    let mut behind = None;
    if let Some(pool) = pool {
        let after = After { epoch: row.epoch.clone(), seq: row.seq, out: row.out };
        drift = tokio::time::timeout(EVERY, shop.stock.drift(row.on_hand, &after))
            .await
            .ok()
            .and_then(Result::ok)
            .flatten();
        // `seq` goes on through a restart.
        behind = Some((pool.seq - row.seq).max(0));
    }
    json!({ "on_hand": row.on_hand, "made": made, "behind": behind, "drift": drift, "incidents": row.incidents })
}

/// What was answered must be true: looks every order up that a buyer was told about.
pub async fn audit(shop: &Shop) -> Result<String, Error> {
    let told = shop.orders.told();
    let mut lost = 0;
    for some in told.chunks(500) {
        let orders: Vec<String> = some.iter().map(|(order, _)| order.clone()).collect();
        let found = shop.stock.orders(&orders).await?;
        for ((order, told), found) in some.iter().zip(found) {
            let state = found.as_ref().map(|found| &found.state);
            let kept = match told {
                Told::Held => state.is_some(),
                Told::Paid => matches!(state, Some(OrderState::Confirmed | OrderState::Returned)),
                Told::Returned => state == Some(&OrderState::Returned),
            };
            if !kept {
                lost += 1;
                eprintln!("lost: {order} was told {told:?}, the pool says {state:?}");
            }
        }
    }
    let faults = shop.stock.verify().await?;
    let pool = if faults.is_empty() { "STOCK.VERIFY: OK".to_owned() } else { faults.join("; ") };
    Ok(format!("{} answered orders looked up, lost: {lost}. {pool}", told.len()))
}
