//! What a buyer can do, from the click to the return.

use serde_json::{json, Value};

use crate::visitor::Visitor;
use crate::world::{event, until, World};

#[tokio::test]
async fn an_order_goes_through_the_queue_and_is_paid_and_returned() {
    let world = World::open(&["--units", "5"]);
    let visitor = Visitor::come(&world).await;
    let order = visitor.order(2).await;
    visitor.wait_for(&order, "held").await;
    let path = |deed: &str| format!("/api/order/{order}/{deed}");
    assert_eq!(visitor.post(&path("return"), json!({})).await.1["refused"], "RESERVED", "not paid yet");
    assert_eq!(visitor.post(&path("pay"), json!({})).await.0, 200);
    assert_eq!(
        visitor.post(&path("pay"), json!({})).await.1["state"],
        "confirmed",
        "a second click pays nothing twice"
    );
    visitor.wait_for(&order, "paid").await;
    assert_eq!(visitor.post(&path("cancel"), json!({})).await.1["refused"], "CONFIRMED");
    assert_eq!(visitor.post(&path("return"), json!({})).await.0, 200);
    visitor.wait_for(&order, "returned").await;
    // The database has followed: all five are back on its shelf, and no drift is left.
    until("the database has it", 15, || async {
        let database = visitor.figures().await["database"].clone();
        (database["on_hand"] == 5 && database["drift"] == 0 && database["made"] == 1).then_some(())
    })
    .await;
}

/// Halfway through the sale somebody lets the pool pack its entries: both kinds stand in one
/// stream.
#[tokio::test]
async fn packed_entries_are_read_as_well() {
    let world = World::open(&["--units", "5", "--limit", "5"]);
    let visitor = Visitor::come(&world).await;
    let first = visitor.order(1).await;
    visitor.wait_for(&first, "held").await;
    world.redis::<()>(r#"STOCK.SETPOLICY sku:lamp {"events_format":"packed"} MERGE"#);
    let mut other = Visitor::come(&world).await;
    let second = other.order(3).await;
    other.wait_for(&second, "held").await;
    assert_eq!(other.post(&format!("/api/order/{second}/pay"), json!({})).await.0, 200);
    other.wait_for(&second, "paid").await;
    until("the board knows what is left", 5, || async { (visitor.board().await["available"] == 1).then_some(()) })
        .await;
    // The last one sells out, which is known by push.
    other.look_again().await;
    other.order(1).await;
    until("the mark", 5, || async { (visitor.board().await["sold_out"] == true).then_some(()) }).await;
    until("the database has it, with the workers' orders", 15, || async {
        let database = visitor.figures().await["database"].clone();
        (database["on_hand"] == 2 && database["drift"] == 0 && database["made"] == 3).then_some(())
    })
    .await;
    let packed: redis::Value = world.redis("STOCK.POLICY sku:lamp");
    assert!(format!("{packed:?}").contains("packed"), "{packed:?}");
}

/// An entry that cannot be read is left for a program that can; those behind it are not.
#[tokio::test]
async fn an_entry_that_cannot_be_read_is_not_acknowledged() {
    let world = World::open(&["--units", "5"]);
    world.redis::<String>("XADD stock:events * event {broken");
    let visitor = Visitor::come(&world).await;
    let order = visitor.order(1).await;
    visitor.wait_for(&order, "held").await;
    until("only that one waits", 5, || async {
        let waiting: redis::streams::StreamPendingReply = world.redis("XPENDING stock:events workers");
        (waiting.count() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_double_click_is_one_order_and_the_limit_holds() {
    let world = World::open(&["--units", "5", "--limit", "2"]);
    let mut visitor = Visitor::come(&world).await;
    let (first, second) = tokio::join!(visitor.order(1), visitor.order(1));
    assert_eq!(first, second);
    assert_eq!(world.redis::<Vec<i64>>("STOCK.AVAILABLE sku:lamp"), [4]);
    // The same page, but with another quantity: that is no repetition, and nothing happens.
    assert_eq!(visitor.buy(2).await.0, 409);
    visitor.look_again().await;
    let (status, answer) = visitor.buy(2).await;
    assert_eq!((status.as_u16(), &answer["refused"]), (409, &json!("LIMITED")));
    let limits: Value = visitor.get("/api/limits").await.json().await.unwrap();
    assert_eq!(limits["limits"][0], json!({ "limit": "user/life/units", "used": 1, "max": 2 }));
    assert_eq!(world.redis::<Vec<i64>>("STOCK.AVAILABLE sku:lamp"), [4]);
}

#[tokio::test]
async fn who_took_the_last_unit_and_heard_nothing_finds_it() {
    let world = World::open(&["--units", "1"]);
    let visitor = Visitor::come(&world).await;
    let order = visitor.order(1).await;
    until("the mark", 5, || async { (visitor.board().await["sold_out"] == true).then_some(()) }).await;
    // As the page does after a broken connection: the mark turns others away, but not this call.
    let again = json!({ "checkout": visitor.checkout, "qty": 1, "again": true });
    let (status, answer) = visitor.post("/api/buy", again).await;
    assert_eq!((status.as_u16(), &answer["order"]), (200, &json!(order)), "{answer}");
}

#[tokio::test]
async fn a_hold_expires_and_a_late_payment_takes_what_is_still_there() {
    let world = World::open(&["--units", "1", "--hold-seconds", "1"]);
    let (one, two) = (Visitor::come(&world).await, Visitor::come(&world).await);
    let order = one.order(1).await;
    one.wait_for(&order, "expired").await;
    let path = format!("/api/order/{order}");
    assert_eq!(one.post(&format!("{path}/pay"), json!({})).await.1["refused"], "EXPIRED");
    // The unit has come back, and another one buys it.
    until("the mark is gone", 5, || async { (two.board().await["sold_out"] == false).then_some(()) }).await;
    let other = two.order(1).await;
    assert_eq!(two.post(&format!("/api/order/{other}/pay"), json!({})).await.0, 200);
    assert_eq!(one.post(&format!("{path}/late"), json!({})).await.1["refused"], "SOLDOUT");
    // It is returned, and now the late payment is in time.
    assert_eq!(two.post(&format!("/api/order/{other}/return"), json!({})).await.0, 200);
    assert_eq!(one.post(&format!("{path}/late"), json!({})).await.0, 200);
    one.wait_for(&order, "paid").await;
}

#[tokio::test]
async fn pages_learn_by_push_that_it_is_sold_out_and_comes_back() {
    let world = World::open(&["--units", "1"]);
    let (one, two) = (Visitor::come(&world).await, Visitor::come(&world).await);
    let mut page = two.get("/api/product/events").await;
    // The first board may be older than the pool.
    while event(&mut page).await["available"] != 1 {}
    let order = one.order(1).await;
    while event(&mut page).await["sold_out"] != true {}
    let mut mine = one.get(&format!("/api/order/{order}/events")).await;
    while event(&mut mine).await["step"] != "held" {}
    assert_eq!(one.post(&format!("/api/order/{order}/cancel"), json!({})).await.0, 200);
    while event(&mut mine).await["step"] != "given_up" {}
    loop {
        let board = event(&mut page).await;
        if board["sold_out"] == false && board["available"] == 1 {
            break;
        }
    }
}

#[tokio::test]
async fn nothing_is_sold_before_the_start_behind_the_end_and_while_suspended() {
    let world = World::open(&["--units", "5"]);
    let visitor = Visitor::come(&world).await;
    let refused = || async { visitor.buy(1).await.1["refused"].clone() };
    for (sale, word) in [((60, 90), "EARLY"), ((0, 0), "ENDED")] {
        let body = json!({ "opens_in": sale.0, "ends_in": sale.1 });
        assert_eq!(visitor.post("/api/office/sale", body).await.0, 200);
        assert_eq!(refused().await, word);
    }
    assert_eq!(visitor.post("/api/office/sale", json!({ "opens_in": 0, "ends_in": 60 })).await.0, 200);
    assert_eq!(visitor.post("/api/office/suspend", json!({ "on": true })).await.0, 200);
    assert_eq!(refused().await, "SUSPENDED");
    until("pages know", 5, || async { (visitor.board().await["suspended"] == true).then_some(()) }).await;
    assert_eq!(visitor.post("/api/office/suspend", json!({ "on": false })).await.0, 200);
    assert_eq!(visitor.buy(1).await.0, 200);
    assert_eq!(world.redis::<Vec<i64>>("STOCK.AVAILABLE sku:lamp"), [4]);
    until("the back office has counted them", 5, || async {
        (visitor.figures().await["refusals"] == json!({ "EARLY": 1, "ENDED": 1, "SUSPENDED": 1 })).then_some(())
    })
    .await;
}
