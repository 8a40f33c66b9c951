//! A buyer with a browser's cookie, but without the browser.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{json, Value};

use crate::world::{until, World};

/// Somebody who has the product page open.
pub struct Visitor {
    pub client: Client,
    pub base: String,
    pub cookie: String,
    pub token: String,
    pub checkout: String,
}

impl Visitor {
    pub async fn come(world: &World) -> Self {
        let client = Client::new();
        let page = client.get(format!("{}/", world.base)).send().await.unwrap();
        let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let html = page.text().await.unwrap();
        let base = world.base.clone();
        Self { client, base, cookie, token: data(&html, "token"), checkout: data(&html, "checkout") }
    }

    /// The product page once more: another checkout.
    pub async fn look_again(&mut self) {
        let html = self.get("/").await.text().await.unwrap();
        self.checkout = data(&html, "checkout");
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        request.send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.client.request(Method::POST, format!("{}{path}", self.base));
        let request = request.header("cookie", &self.cookie).header("x-token", &self.token).json(&body);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub async fn buy(&self, qty: u32) -> (StatusCode, Value) {
        self.post("/api/buy", json!({ "checkout": self.checkout, "qty": qty })).await
    }

    /// Buys what is there, and answers the order.
    pub async fn order(&self, qty: u32) -> String {
        let (status, answer) = self.buy(qty).await;
        assert_eq!(status, 200, "{answer}");
        answer["order"].as_str().unwrap().to_owned()
    }

    pub async fn step(&self, order: &str) -> String {
        let view: Value = self.get(&format!("/api/order/{order}")).await.json().await.unwrap();
        view["step"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned()
    }

    pub async fn wait_for(&self, order: &str, step: &str) {
        until(&format!("{order} is {step}"), 15, || async { (self.step(order).await == step).then_some(()) }).await;
    }

    pub async fn board(&self) -> Value {
        self.get("/api/product").await.json().await.unwrap()
    }

    /// The back office's figures, as they are now.
    pub async fn figures(&self) -> Value {
        loop {
            let figures = crate::world::event(&mut self.get("/api/office/events").await).await;
            if figures.get("history").is_some() {
                return figures;
            }
        }
    }
}

/// An attribute of the page's body.
fn data(html: &str, name: &str) -> String {
    let value = html.split(&format!("data-{name}=\"")).nth(1).expect(name);
    value.split('"').next().unwrap().to_owned()
}
