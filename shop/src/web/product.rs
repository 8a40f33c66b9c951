//! The product page: what is left, by push; the countdown; the limit; and Buy.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde::Deserialize;
use serde_json::{json, Value};

use super::guard::{hex, is_hex, App, Buyer, Change, Fault};
use super::push;
use crate::clock::now_ms;
use crate::stock::{Answer, Why};

/// GET /: from memory, without a call to Redis. The checkout id makes a double click one order.
pub async fn page(State(app): State<App>, buyer: Buyer) -> Response {
    let product = &app.shop.product;
    let html = include_str!("../../pages/product.html")
        .replace("{title}", &product.title)
        .replace("{price}", &product.price)
        .replace("{limit}", &product.limit.to_string())
        .replace("{token}", &buyer.token)
        .replace("{now}", &now_ms().to_string())
        .replace("{checkout}", &hex(&rand::random::<[u8; 8]>()))
        .replace("{state}", &app.shop.board.text().replace('"', "&quot;"));
    buyer.page(html)
}

/// GET /api/product: for pages that get no push.
pub async fn state(State(app): State<App>) -> Response {
    ([("content-type", "application/json")], app.shop.board.text().to_string()).into_response()
}

/// GET /api/product/events: the same by push.
pub async fn events(State(app): State<App>) -> Result<impl IntoResponse, Fault> {
    Ok(push::latest(app.shop.board.watch(), app.site.stream()?, |(_, text)| text.clone()))
}

/// GET /api/limits: what the buyer may still have.
pub async fn limits(State(app): State<App>, buyer: Buyer) -> Result<Json<Value>, Fault> {
    let usage = app.shop.stock.usage(&buyer.name).await?;
    let limits: Vec<Value> = usage
        .iter()
        .map(|limit| json!({ "limit": limit.limit.to_string(), "used": limit.used, "max": limit.max }))
        .collect();
    Ok(Json(json!({ "limits": limits })))
}

/// What the Buy button sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buy {
    /// The page's checkout id: 16 hex digits.
    checkout: String,
    /// Units.
    qty: u32,
    /// The page has sent this before, and had no answer.
    #[serde(default)]
    again: bool,
}

/// POST /api/buy. The same checkout id again is the same order, and takes nothing twice.
pub async fn buy(State(app): State<App>, change: Change<Buy>) -> Result<Response, Fault> {
    let Change { buyer, body } = change;
    if !is_hex(&body.checkout, 16) {
        return Err(Fault::bad("checkout is 16 hex digits"));
    }
    if !(1..=100).contains(&body.qty) {
        return Err(Fault::bad("qty is 1 to 100"));
    }
    let order = format!("{}-{}", buyer.name, body.checkout);
    Ok(answer(&order, &app.shop.buy(&order, body.qty, &buyer.name, body.again).await?))
}

/// A decision as a page gets it: 200, or 409 with the word of the refusal.
pub fn answer(order: &str, answer: &Answer) -> Response {
    match answer {
        Answer::Done(_) => Json(json!({ "order": order })).into_response(),
        Answer::Exists(found) => Json(json!({ "order": order, "state": found.state.as_str() })).into_response(),
        Answer::Refused(no) => {
            let left = match no.why {
                Why::SoldOut { available } => Some(available),
                _ => None,
            };
            (StatusCode::CONFLICT, Json(json!({ "refused": no.word, "left": left }))).into_response()
        }
    }
}
