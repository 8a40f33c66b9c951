//! The back office: figures by push, and buttons that make trouble.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde::Deserialize;
use serde_json::{json, Value};

use super::guard::{App, Buyer, Change, Fault};
use super::order::Nothing;
use super::push;
use crate::clock::now_ms;
use crate::look::audit as look_up;
use crate::visitors;

/// GET /office
pub async fn page(State(app): State<App>, buyer: Buyer) -> Response {
    let html = include_str!("../../pages/office.html")
        .replace("{title}", &app.shop.product.title)
        .replace("{token}", &buyer.token);
    buyer.page(html)
}

/// GET /api/office/events
pub async fn events(State(app): State<App>) -> Result<impl IntoResponse, Fault> {
    Ok(push::latest(app.shop.office.watch(), app.site.stream()?, Clone::clone))
}

/// So many of something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    number: u32,
}

/// Whether something shall be so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    on: bool,
}

/// POST /api/office/crowd: sends 1 to 100,000 buyers.
pub async fn crowd(State(app): State<App>, change: Change<Number>) -> Result<Json<Value>, Fault> {
    let buyers = bounded(&change.body, 100_000)?;
    if visitors::send(&app.shop, buyers) {
        return Ok(done());
    }
    Err(Fault(StatusCode::CONFLICT, "another crowd is still in the shop".into()))
}

/// POST /api/office/restock: 1 to 10,000 units arrive. The ledger carries them into the database.
pub async fn restock(State(app): State<App>, change: Change<Number>) -> Result<Json<Value>, Fault> {
    let units = bounded(&change.body, 10_000)?;
    // The delivery's id: the call is repeated with it until there is an answer.
    let token = format!("delivery-{:016x}", rand::random::<u64>());
    app.shop.stock.add(units, &token).await?;
    app.shop.office.say(format!("{units} units arrived"));
    Ok(done())
}

/// POST /api/office/suspend
pub async fn suspend(State(app): State<App>, change: Change<Switch>) -> Result<Json<Value>, Fault> {
    app.shop.stock.suspend(change.body.on).await?;
    app.shop.office.say(if change.body.on { "the sale is suspended" } else { "the sale goes on" });
    Ok(done())
}

/// When the sale starts and ends, in seconds from now. 0 = now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    opens_in: u32,
    ends_in: u32,
}

/// POST /api/office/sale: at most a day ahead.
pub async fn sale(State(app): State<App>, change: Change<Sale>) -> Result<Json<Value>, Fault> {
    let Sale { opens_in, ends_in } = change.body;
    if opens_in > 86_400 || ends_in > 86_400 || opens_in > ends_in {
        return Err(Fault::bad("opens_in and ends_in are seconds, at most 86400, and the sale starts before it ends"));
    }
    let now = now_ms();
    // FROM is before UNTIL; a sale that ends now starts just before it.
    let (opens_ms, ends_ms) = (now + i64::from(opens_in) * 1000, now + i64::from(ends_in) * 1000);
    app.shop.stock.schedule(opens_ms - 1, ends_ms).await?;
    app.shop.board.change(|board| (board.opens_ms, board.ends_ms) = (opens_ms - 1, ends_ms));
    app.shop.office.say(format!("the sale starts in {opens_in} s and ends in {ends_in} s"));
    Ok(done())
}

/// What can be killed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Victim {
    what: String,
}

/// POST /api/office/kill: kill -9 of `redis` or of the `workers`, which are started again.
pub async fn kill(State(app): State<App>, change: Change<Victim>) -> Result<Json<Value>, Fault> {
    let shop = app.shop;
    match change.body.what.as_str() {
        "workers" => {
            shop.backstage.workers.iter().for_each(|worker| worker.kill());
            shop.office.say("kill -9 of all workers; what they had taken, the next ones take over");
        }
        "redis" => {
            let start = std::time::Instant::now();
            shop.backstage.redis.kill();
            shop.office.say("kill -9 of redis-server");
            tokio::spawn(async move {
                // Asked again and again until the server is back.
                let found = loop {
                    match look_up(&shop).await {
                        Ok(found) => break found,
                        Err(_) if start.elapsed().as_secs() < 60 => continue,
                        Err(error) => break error.to_string(),
                    }
                };
                let seconds = start.elapsed().as_secs_f64();
                shop.office.say(format!("redis-server is back, {seconds:.1} s after kill -9. {found}"));
            });
        }
        _ => return Err(Fault::bad("what is redis or workers")),
    }
    Ok(done())
}

/// POST /api/office/ledger: stops stock-ledger by kill -9, or starts it again.
pub async fn ledger(State(app): State<App>, change: Change<Switch>) -> Json<Value> {
    app.shop.backstage.ledger.want(change.body.on);
    let running = "stock-ledger runs again and catches up";
    app.shop.office.say(if change.body.on { running } else { "stock-ledger is killed; events wait for it in Redis" });
    done()
}

/// POST /api/office/audit: looks every order up that a buyer was told about.
pub async fn audit(State(app): State<App>, _: Change<Nothing>) -> Result<Json<Value>, Fault> {
    let found = look_up(&app.shop).await?;
    app.shop.office.say(found.clone());
    Ok(Json(json!({ "found": found })))
}

fn bounded(body: &Number, max: u32) -> Result<u32, Fault> {
    if (1..=max).contains(&body.number) {
        Ok(body.number)
    } else {
        Err(Fault::bad(format!("number is 1 to {max}")))
    }
}

fn done() -> Json<Value> {
    Json(json!({ "done": true }))
}
