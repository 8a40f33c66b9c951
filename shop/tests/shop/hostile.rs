//! Bad input to every route: a clear 4xx, and nothing has changed.

use reqwest::Method;
use serde_json::{json, Value};

use crate::visitor::Visitor;
use crate::world::World;

const ORDER: &str = "0123456789ab-0123456789abcdef";

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let world = World::open(&["--units", "5"]);
    let visitor = Visitor::come(&world).await;
    let mine = visitor.order(1).await;
    visitor.wait_for(&mine, "held").await;
    let another = Visitor::come(&world).await;
    let before: Vec<redis::Value> = world.redis("STOCK.GET sku:lamp");
    let board = visitor.board().await;

    let long = "0".repeat(3000);
    let checkout = "0123456789abcdef";
    let bodies: Vec<(&str, Value, u16)> = vec![
        ("/api/buy", json!({}), 422),
        ("/api/buy", json!({ "checkout": checkout, "qty": 0 }), 400),
        ("/api/buy", json!({ "checkout": checkout, "qty": 101 }), 400),
        ("/api/buy", json!({ "checkout": checkout, "qty": -1 }), 422),
        ("/api/buy", json!({ "checkout": checkout, "qty": 1.5 }), 422),
        ("/api/buy", json!({ "checkout": checkout, "qty": "1" }), 422),
        ("/api/buy", json!({ "checkout": checkout, "qty": 4294967296u64 }), 422),
        ("/api/buy", json!({ "checkout": checkout, "qty": 1, "price": 0 }), 422),
        ("/api/buy", json!({ "checkout": "x", "qty": 1 }), 400),
        ("/api/buy", json!({ "checkout": "0123456789ABCDEF", "qty": 1 }), 400),
        ("/api/buy", json!({ "checkout": "0123\r\n56789abcde", "qty": 1 }), 400),
        ("/api/buy", json!({ "checkout": long, "qty": 1 }), 413),
        ("/api/buy", json!([]), 422),
        ("/api/office/crowd", json!({ "number": 0 }), 400),
        ("/api/office/crowd", json!({ "number": 100_001 }), 400),
        ("/api/office/restock", json!({ "number": 0 }), 400),
        ("/api/office/restock", json!({ "number": 10_001 }), 400),
        ("/api/office/restock", json!({ "number": -5 }), 422),
        ("/api/office/suspend", json!({ "on": 1 }), 422),
        ("/api/office/sale", json!({ "opens_in": 90, "ends_in": 60 }), 400),
        ("/api/office/sale", json!({ "opens_in": 0, "ends_in": 86_401 }), 400),
        ("/api/office/sale", json!({ "ends_in": 60 }), 422),
        ("/api/office/kill", json!({ "what": "everything" }), 400),
        ("/api/office/kill", json!({ "what": "redis", "pid": 1 }), 422),
        ("/api/office/ledger", json!({ "on": null }), 422),
        ("/api/office/audit", json!({ "x": 1 }), 422),
    ];
    for (path, body, status) in &bodies {
        let (got, answer) = visitor.post(path, body.clone()).await;
        assert_eq!(got.as_u16(), *status, "{path} {body}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{path} {body}: {answer}");
    }

    // Orders that are not there, or another buyer's.
    for order in ["x", ORDER, &mine.to_uppercase(), "..%2f..%2fetc", "%00", &mine[..20], &format!("{mine}0")] {
        assert_eq!(visitor.get(&format!("/order/{order}")).await.status(), 404, "{order}");
        assert_eq!(visitor.get(&format!("/api/order/{order}")).await.status(), 404, "{order}");
        assert_eq!(visitor.get(&format!("/api/order/{order}/events")).await.status(), 404, "{order}");
        assert_eq!(visitor.post(&format!("/api/order/{order}/pay"), json!({})).await.0, 404, "{order}");
    }
    assert_eq!(visitor.post(&format!("/api/order/{mine}/steal"), json!({})).await.0, 404);
    assert_eq!(visitor.post(&format!("/api/order/{mine}/pay"), json!({ "late": true })).await.0, 422);
    assert_eq!(another.get(&format!("/api/order/{mine}")).await.status(), 404);
    assert_eq!(another.post(&format!("/api/order/{mine}/cancel"), json!({})).await.0, 404);

    for path in ["/nothing", "/static/..%2fCargo.toml", "/static/main.rs", "/api/order", "/.env"] {
        assert_eq!(visitor.get(path).await.status(), 404, "{path}");
    }
    for path in ["/", "/api/product", "/office", "/static/shop.css", &format!("/api/order/{mine}")] {
        let request = visitor.client.request(Method::DELETE, format!("{}{path}", visitor.base));
        assert_eq!(request.send().await.unwrap().status(), 405, "{path}");
    }
    assert_eq!(visitor.get("/api/buy").await.status(), 405);

    assert_eq!(visitor.step(&mine).await, "held");
    assert_eq!(world.redis::<Vec<redis::Value>>("STOCK.GET sku:lamp"), before);
    let after = visitor.board().await;
    assert_eq!((&after["opens_ms"], &after["ends_ms"]), (&board["opens_ms"], &board["ends_ms"]));
}

#[tokio::test]
async fn a_change_needs_the_cookie_the_token_and_json() {
    let world = World::open(&["--units", "5"]);
    let (visitor, other) = (Visitor::come(&world).await, Visitor::come(&world).await);
    let body = json!({ "checkout": visitor.checkout, "qty": 1 }).to_string();
    let send = |cookie: &str, token: &str, kind: &str, host: &str| {
        let request = visitor.client.post(format!("{}/api/buy", visitor.base)).body(body.clone());
        let request = request.header("cookie", cookie).header("x-token", token).header("content-type", kind);
        if host.is_empty() { request } else { request.header("host", host) }.send()
    };
    let (cookie, token, json) = (visitor.cookie.as_str(), visitor.token.as_str(), "application/json");
    let half = &token[..16];
    for (cookie, token, kind, host, status) in [
        (cookie, "", json, "", 403),
        (cookie, half, json, "", 403),
        (cookie, &other.token, json, "", 403),
        (&other.cookie, token, json, "", 403),
        ("", token, json, "", 403),
        ("buyer=", token, json, "", 403),
        ("buyer=../../../../../../../../../../../", token, json, "", 403),
        (cookie, token, "text/plain", "", 415),
        (cookie, token, "application/x-www-form-urlencoded", "", 415),
        (cookie, token, json, "shop.example", 421),
        (cookie, token, json, "127.0.0.1.example:80", 421),
    ] {
        let answer = send(cookie, token, kind, host).await.unwrap();
        assert_eq!(answer.status(), status, "{cookie} {token} {kind} {host}");
    }
    assert_eq!(world.reserve_calls(), 0);
    assert_eq!(send(cookie, token, json, "").await.unwrap().status(), 200, "with all of it, it is bought");
}

#[tokio::test]
async fn pages_carry_no_inline_script_and_a_strict_policy() {
    let world = World::open(&[]);
    let visitor = Visitor::come(&world).await;
    let order = visitor.order(1).await;
    for path in ["/", "/office", &format!("/order/{order}"), "/nothing", "/static/product.js"] {
        let page = visitor.get(path).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        let text = page.text().await.unwrap();
        assert!(!text.contains("innerHTML") && !text.contains(" onclick="), "{path}");
        assert!(!text.contains(visitor.cookie.trim_start_matches("buyer=")), "{path} shows the cookie");
        for script in text.split("<script").skip(1) {
            assert!(script.starts_with(" type=\"module\" src=\"/static/"), "{path}: {script}");
        }
        assert!(!text.contains('{') || path.starts_with("/static") || !text.contains("{title}"), "{path}");
    }
    let page = visitor.client.get(format!("{}/", visitor.base)).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    // Loopback only: on no other address of this machine does anybody listen.
    let port = world.base.rsplit(':').next().unwrap();
    let listens = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{:04X}", port.parse::<u16>().unwrap());
    let places: Vec<&str> = listens.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let places: Vec<&&str> = places.iter().filter(|place| place.ends_with(&here)).collect();
    assert!(!places.is_empty() && places.iter().all(|place| place.starts_with("0100007F")), "{places:?}");
}
