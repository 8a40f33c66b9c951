//! The pages. One file per page; `guard` has what all of them share to be safe.

mod guard;
mod office;
mod order;
mod product;
mod push;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::Router;

pub use guard::{App, Site};

/// All routes. Whatever changes something is a POST with a token.
pub fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(product::page))
        .route("/api/product", get(product::state))
        .route("/api/product/events", get(product::events))
        .route("/api/limits", get(product::limits))
        .route("/api/buy", post(product::buy))
        .route("/order/{id}", get(order::page))
        .route("/api/order/{id}", get(order::state))
        .route("/api/order/{id}/events", get(order::events))
        .route("/api/order/{id}/{deed}", post(order::deed))
        .route("/office", get(office::page))
        .route("/api/office/events", get(office::events))
        .route("/api/office/crowd", post(office::crowd))
        .route("/api/office/restock", post(office::restock))
        .route("/api/office/suspend", post(office::suspend))
        .route("/api/office/sale", post(office::sale))
        .route("/api/office/kill", post(office::kill))
        .route("/api/office/ledger", post(office::ledger))
        .route("/api/office/audit", post(office::audit))
        .route("/static/{file}", get(asset))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(2048))
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::check))
        .with_state(app)
}

async fn asset(axum::extract::Path(file): axum::extract::Path<String>) -> axum::response::Response {
    let (kind, text) = match file.as_str() {
        "shop.css" => ("text/css", include_str!("../../pages/shop.css")),
        "common.js" => ("text/javascript", include_str!("../../pages/common.js")),
        "product.js" => ("text/javascript", include_str!("../../pages/product.js")),
        "order.js" => ("text/javascript", include_str!("../../pages/order.js")),
        "office.js" => ("text/javascript", include_str!("../../pages/office.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../../pages/icon.svg")),
        _ => return guard::not_found().await.into_response(),
    };
    ([(CONTENT_TYPE, kind)], text).into_response()
}
