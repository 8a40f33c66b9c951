//! Server-sent events: a page listens, and gets each new state, but not more often than it can
//! show.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::IntoResponse;
use futures_util::stream;
use tokio::sync::{watch, OwnedSemaphorePermit};
use tokio::time::Instant;

/// Between two states that one page gets.
const PACE: Duration = Duration::from_millis(100);

/// Each new value of `watch`, as `text` reads it, until the page goes away.
pub fn latest<T: Send + Sync + 'static>(
    watch: watch::Receiver<T>,
    permit: OwnedSemaphorePermit,
    text: fn(&T) -> Arc<str>,
) -> impl IntoResponse {
    let state = (watch, None::<Instant>, permit);
    let events = stream::unfold(state, move |(mut watch, last, permit)| async move {
        if let Some(last) = last {
            tokio::time::sleep_until(last + PACE).await;
            watch.changed().await.ok()?;
        }
        let text = text(&watch.borrow_and_update());
        Some((Ok::<_, Infallible>(Event::default().data(text.as_ref())), (watch, Some(Instant::now()), permit)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
