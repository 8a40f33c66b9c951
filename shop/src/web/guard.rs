//! Who may do what: a buyer is a cookie, a change needs a token that only the shop's own pages
//! have, and what comes in is bounded.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Json, Request, State};
use axum::http::header::{COOKIE, HOST, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use redis_stock_client::{Class, Error};
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::shop::Shop;

/// Pages that can be open at once.
const STREAMS: usize = 2_000;

/// What handlers get.
#[derive(Clone)]
pub struct App {
    /// The shop.
    pub shop: Arc<Shop>,
    /// Who may talk to it, and how.
    pub site: Arc<Site>,
}

/// The site's address and secret.
pub struct Site {
    port: u16,
    secret: [u8; 32],
    streams: Arc<Semaphore>,
}

impl Site {
    /// The site on this port of 127.0.0.1, with a new secret.
    pub fn new(port: u16) -> Self {
        Self { port, secret: rand::random(), streams: Arc::new(Semaphore::new(STREAMS)) }
    }

    fn sign(&self, purpose: &str, text: &str, digits: usize) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length is a key");
        mac.update(purpose.as_bytes());
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes()).split_at(digits).0.to_owned()
    }

    /// Room for one more page that listens.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let full = |_| Fault(StatusCode::SERVICE_UNAVAILABLE, "too many pages listen".into());
        self.streams.clone().try_acquire_owned().map_err(full)
    }
}

/// An error as every route answers it: a status and a sentence.
#[derive(Debug)]
pub struct Fault(pub StatusCode, pub String);

impl Fault {
    /// The caller's mistake.
    pub fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    /// There is no such thing, or it is another buyer's.
    pub fn missing() -> Self {
        Self(StatusCode::NOT_FOUND, "there is nothing here".into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Redis gave no answer for seconds, or an error that a page's mistake or this program's has
/// caused.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if error.code.as_deref() == Some("CONFLICT") {
            return Self(StatusCode::CONFLICT, "this order was made before, with other content".into());
        }
        eprintln!("redis: {error}");
        if error.class == Class::Unsure {
            Self(StatusCode::SERVICE_UNAVAILABLE, "no answer just now: the same again is safe".into())
        } else {
            Self(StatusCode::INTERNAL_SERVER_ERROR, "the shop has made a mistake".into())
        }
    }
}

/// A buyer: the cookie, and what follows from it.
pub struct Buyer {
    cookie: String,
    /// The name that limits count by. Orders begin with it; the cookie cannot be found from it.
    pub name: String,
    /// What this buyer's pages send with each change.
    pub token: String,
    /// Whether the cookie is new, and has to be set.
    fresh: bool,
}

impl Buyer {
    fn new(site: &Site, cookie: String, fresh: bool) -> Self {
        let (name, token) = (site.sign("name:", &cookie, 12), site.sign("token:", &cookie, 32));
        Self { cookie, name, token, fresh }
    }

    /// A page, with the cookie where it is new.
    pub fn page(&self, html: String) -> Response {
        let mut response = axum::response::Html(html).into_response();
        if self.fresh {
            let cookie = format!("buyer={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=86400", self.cookie);
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(SET_COOKIE, value);
            }
        }
        response
    }

    /// Whether the order is this buyer's.
    pub fn owns(&self, order: &str) -> bool {
        order.split_once('-').is_some_and(|(name, checkout)| name == self.name && is_hex(checkout, 16))
    }
}

impl FromRequestParts<App> for Buyer {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        Ok(match cookie(&parts.headers) {
            Some(cookie) => Self::new(&app.site, cookie, false),
            None => Self::new(&app.site, hex(&rand::random::<[u8; 16]>()), true),
        })
    }
}

/// A change that a buyer's page asks for: cookie, token and a JSON body that is read strictly.
pub struct Change<T> {
    /// Who.
    pub buyer: Buyer,
    /// What.
    pub body: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Change<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &App) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let buyer = Buyer::from_request_parts(&mut parts, app).await?;
        let token = parts.headers.get("x-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        if buyer.fresh || !same(token, &buyer.token) {
            return Err(Fault(StatusCode::FORBIDDEN, "cookie and token do not fit: load the page again".into()));
        }
        let body = Json::<T>::from_request(Request::from_parts(parts, body), app).await;
        let Json(body) = body.map_err(|fault: JsonRejection| Fault(fault.status(), fault.body_text()))?;
        Ok(Self { buyer, body })
    }
}

/// Before and after every route: the host must be this site's own (another one that leads here is a
/// forgery), and browsers are told to run nothing but the site's files.
pub async fn check(State(app): State<App>, request: Request<Body>, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = app.site.port;
    let mut response = if host == format!("127.0.0.1:{port}") || host == format!("localhost:{port}") {
        next.run(request).await
    } else {
        Fault(StatusCode::MISDIRECTED_REQUEST, "this shop is at 127.0.0.1 only".into()).into_response()
    };
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// No such route.
pub async fn not_found() -> Fault {
    Fault::missing()
}

/// A route, but not for this method.
pub async fn wrong_method() -> Fault {
    Fault(StatusCode::METHOD_NOT_ALLOWED, "not with this method".into())
}

/// The buyer's cookie, if it looks like one of ours.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == "buyer" && is_hex(value, 32)).map(|(_, value)| value.to_owned())
}

/// Exactly so many small hex digits.
pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Random hex digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares without telling by time where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
