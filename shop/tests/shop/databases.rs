//! A database that is there already, in place of the shop's own file: `DATABASE=postgres://…`.

use serde_json::json;
use testkit::databases::{DatabaseServer, Engine};

use crate::visitor::Visitor;
use crate::world::{until, World};

#[tokio::test]
async fn a_sale_beside_postgres() {
    sale_beside(Engine::Postgres).await;
}

#[tokio::test]
async fn a_sale_beside_mariadb() {
    sale_beside(Engine::MariaDb).await;
}

async fn sale_beside(engine: Engine) {
    let server = DatabaseServer::start(engine, &[]);
    let url = server.create("shop");
    let world = World::open(&["--database", &url, "--units", "5"]);
    let (paid, returned) = (Visitor::come(&world).await, Visitor::come(&world).await);
    let (first, second) = (paid.order(2).await, returned.order(1).await);
    for (visitor, order) in [(&paid, &first), (&returned, &second)] {
        visitor.wait_for(order, "held").await;
        assert_eq!(visitor.post(&format!("/api/order/{order}/pay"), json!({})).await.0, 200);
        visitor.wait_for(order, "paid").await;
    }
    assert_eq!(returned.post(&format!("/api/order/{second}/return"), json!({})).await.0, 200);
    until("the database has it", 20, || async {
        let database = paid.figures().await["database"].clone();
        (database["on_hand"] == 3 && database["drift"] == 0 && database["incidents"] == 0).then_some(())
    })
    .await;
}
