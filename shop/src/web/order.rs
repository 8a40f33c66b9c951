//! The order's page: queued, held, paid, given up, expired or returned; and what the buyer can do.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::Json;
use futures_util::stream;
use serde::Deserialize;

use super::guard::{App, Buyer, Change, Fault};
use super::product::answer;
use crate::shop::OrderView;

/// A page looks at least so often, whether something was pushed or not.
const LOOK: Duration = Duration::from_millis(500);

/// GET /order/ID
pub async fn page(State(app): State<App>, buyer: Buyer, Path(order): Path<String>) -> Result<Response, Fault> {
    let order = owned(&buyer, &order)?;
    let html = include_str!("../../pages/order.html")
        .replace("{title}", &app.shop.product.title)
        .replace("{price}", &app.shop.product.price)
        .replace("{token}", &buyer.token)
        .replace("{order}", order);
    Ok(buyer.page(html))
}

/// GET /api/order/ID: for pages that get no push.
pub async fn state(State(app): State<App>, buyer: Buyer, Path(order): Path<String>) -> Result<Json<OrderView>, Fault> {
    Ok(Json(app.shop.view(owned(&buyer, &order)?).await?))
}

/// GET /api/order/ID/events: looks again when the stream says that something has happened to the
/// order, and sends what is new.
pub async fn events(State(app): State<App>, buyer: Buyer, Path(order): Path<String>) -> Result<Response, Fault> {
    let order = owned(&buyer, &order)?.to_owned();
    let bell = app.shop.orders.page(&order);
    let state = (app.shop.clone(), order, bell, String::new(), app.site.stream()?);
    let events = stream::unfold(state, |(shop, order, bell, last, permit)| async move {
        loop {
            // Listens before it looks, so that nothing falls in between.
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // While Redis is away the page keeps what it has.
            if let Ok(view) = shop.view(&order).await {
                let key = format!("{} {} {}", view.step, view.ahead, view.deadline_ms);
                if key != last {
                    let text = serde_json::to_string(&view).unwrap_or_default();
                    let state = (shop, order, bell.clone(), key, permit);
                    return Some((Ok::<_, Infallible>(Event::default().data(text)), state));
                }
            }
            let _ = tokio::time::timeout(LOOK, rung).await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Nothing more to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// POST /api/order/ID/DEED. Each can be repeated.
pub async fn deed(
    State(app): State<App>,
    Path((order, deed)): Path<(String, String)>,
    change: Change<Nothing>,
) -> Result<Response, Fault> {
    let order = owned(&change.buyer, &order)?;
    let done = match deed.as_str() {
        "pay" => app.shop.pay(order, false).await?,
        "late" => app.shop.pay(order, true).await?,
        "cancel" => app.shop.cancel(order).await?,
        "return" => app.shop.give_back(order).await?,
        _ => return Err(Fault::missing()),
    };
    Ok(answer(order, &done))
}

fn owned<'a>(buyer: &Buyer, order: &'a str) -> Result<&'a str, Fault> {
    if buyer.owns(order) {
        Ok(order)
    } else {
        Err(Fault::missing())
    }
}
