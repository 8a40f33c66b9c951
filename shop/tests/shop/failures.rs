//! What dies in a sale, and what is true afterwards.

use serde_json::{json, Value};

use crate::visitor::Visitor;
use crate::world::{until, World};

#[tokio::test]
async fn the_mark_keeps_redis_in_peace_and_is_never_stuck() {
    let world = World::open(&["--units", "1"]);
    let (one, two) = (Visitor::come(&world).await, Visitor::come(&world).await);
    one.order(1).await;
    let marked = || async { (two.board().await["sold_out"] == true).then_some(()) };
    let clear = || async { (two.board().await["sold_out"] == false).then_some(()) };
    until("the mark", 5, marked).await;
    let before = world.reserve_calls();
    for _ in 0..200 {
        assert_eq!(two.buy(1).await.1["refused"], "SOLDOUT");
    }
    assert_eq!(world.reserve_calls(), before, "buyers are turned away without a call");
    until("the back office has counted them", 5, || async {
        (two.figures().await["from_memory"] == 200).then_some(())
    })
    .await;

    // A restock clears it by push.
    let _: Reply = world.redis("STOCK.ADD sku:lamp 1");
    until("the restock is known", 5, clear).await;
    two.order(1).await;
    until("the mark again", 5, marked).await;
    // The subscription breaks, and the restock falls into the gap.
    for _ in 0..5 {
        let _: Reply = world.redis("CLIENT KILL TYPE pubsub");
        let _: Reply = world.redis("STOCK.ADD sku:lamp 1");
        until("the restock in the gap is known", 5, clear).await;
        let _: Reply = world.redis("CLIENT KILL TYPE pubsub");
        let _: Reply = world.redis("STOCK.ADD sku:lamp -1");
        until("so is that it is gone", 5, marked).await;
    }
}

/// Whatever it was answered.
type Reply = redis::Value;

#[tokio::test]
async fn a_crowd_and_everything_dies_and_nothing_is_lost() {
    let world = World::open(&["--units", "4000", "--hold-seconds", "4", "--limit", "5"]);
    let visitor = Visitor::come(&world).await;
    let mine = visitor.order(1).await;
    assert_eq!(visitor.post(&format!("/api/order/{mine}/pay"), json!({})).await.0, 200);
    assert_eq!(visitor.post("/api/office/crowd", json!({ "number": 6000 })).await.0, 200);
    assert_eq!(visitor.post("/api/office/crowd", json!({ "number": 1 })).await.0, 409, "one crowd at a time");
    until("they are here", 20, || async {
        (visitor.figures().await["crowd"]["done"].as_u64() > Some(200)).then_some(())
    })
    .await;
    assert_eq!(visitor.post("/api/office/kill", json!({ "what": "workers" })).await.0, 200);
    assert_eq!(visitor.post("/api/office/ledger", json!({ "on": false })).await.0, 200);
    assert_eq!(visitor.post("/api/office/kill", json!({ "what": "redis" })).await.0, 200);
    let figures: Value = until("the crowd has gone", 60, || async {
        let figures = visitor.figures().await;
        (figures["crowd"]["running"] == false).then_some(figures)
    })
    .await;
    let crowd = &figures["crowd"];
    assert_eq!((&crowd["done"], &crowd["wrong"], &crowd["unserved"]), (&json!(6000), &json!(0), &json!(0)), "{crowd}");
    assert!(crowd["broken"].as_u64() > Some(0) && crowd["twice"].as_u64() > Some(0), "{crowd}");
    assert_eq!(visitor.step(&mine).await, "paid");
    // The database catches up with all of it, when the ledger is there again.
    assert_eq!(visitor.post("/api/office/ledger", json!({ "on": true })).await.0, 200);
    until("the database is in step, and every hold is over", 60, || async {
        let figures = visitor.figures().await;
        let (redis, database) = (&figures["redis"], &figures["database"]);
        let still = redis["held"] == 0 && database["behind"] == 0 && database["drift"] == 0 && figures["queue"] == 0;
        (still && database["on_hand"] == redis["on_hand"]).then_some(())
    })
    .await;
    let found = visitor.post("/api/office/audit", json!({})).await.1["found"].to_string();
    assert!(found.contains("lost: 0") && found.contains("STOCK.VERIFY: OK"), "{found}");
    // Every order that the pool knows was made by a worker, those of dead workers too.
    let orders: Vec<redis::Value> = world.redis("STOCK.ORDERS sku:lamp 0 COUNT 10000");
    let listed: Vec<String> = redis::from_redis_value(orders[1].clone()).unwrap();
    let made = visitor.figures().await["database"]["made"].as_u64().unwrap();
    assert_eq!(made, listed.len() as u64 / 2);
    assert!(visitor.figures().await["log"].to_string().contains("lost: 0"), "the back office says so");
}

#[tokio::test]
async fn a_page_that_is_open_lives_through_a_restart_of_redis() {
    let world = World::open(&["--units", "3"]);
    let visitor = Visitor::come(&world).await;
    let order = visitor.order(1).await;
    assert_eq!(visitor.post("/api/office/kill", json!({ "what": "redis" })).await.0, 200);
    // Asked while the server is away: the same call goes out until there is an answer.
    let paid = visitor.post(&format!("/api/order/{order}/pay"), json!({})).await;
    assert_eq!(paid.0, 200, "{}", paid.1);
    visitor.wait_for(&order, "paid").await;
    until("the board is right", 10, || async {
        let board = visitor.board().await;
        (board["available"] == 2 && board["online"] == true).then_some(())
    })
    .await;
}
