//! `run --metrics`: figures for Prometheus, in OpenMetrics.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::Router;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::{watch, Mutex};

use crate::command::status::{look, Status};
use crate::config::Config;
use crate::db::Db;
use crate::failure::{error_chain, Failure};
use crate::redis_client::RedisClient;

/// Transactions of this process that moved a stream's position.
static BATCHES: AtomicU64 = AtomicU64::new(0);
/// Transactions and connections that failed and were tried again.
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// Redis and the database together may take so long; Prometheus waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// So long Redis is asked by itself where the database does not answer.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);
/// Scrapes that come faster get the same answer.
const FRESH: Duration = Duration::from_millis(900);
const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Counts a batch that is in the database.
pub fn count_batch() {
    BATCHES.fetch_add(1, Ordering::Relaxed);
}

/// Counts something that failed and is tried again.
pub fn count_retry() {
    RETRIES.fetch_add(1, Ordering::Relaxed);
}

/// Serves the figures at `/metrics`, in a task of its own, until asked to stop.
///
/// # Errors
/// `Failure::Refused`: `cannot listen on …`.
pub async fn serve(listen: SocketAddr, config: &Config, mut stop: watch::Receiver<bool>) -> Result<()> {
    let refused = |error| Failure::Refused(format!("cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    tracing::info!("figures at http://{}/metrics", listener.local_addr().map_err(refused)?);
    // Its own connection: a feed that uses all of them must not make the figures wait.
    let mut config = config.clone();
    config.database.connections = 1;
    let shared = Arc::new(Mutex::new(Figures { config, db: None, redis: None, last: None }));
    let routes = Router::new().route("/metrics", get(answer)).with_state(shared);
    tokio::spawn(async move {
        let stopped = async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} };
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stopped).await {
            tracing::warn!("no figures any more: {error}");
        }
    });
    Ok(())
}

async fn answer(State(figures): State<Arc<Mutex<Figures>>>) -> impl IntoResponse {
    let mut figures = figures.lock().await;
    ([(CONTENT_TYPE, CONTENT)], figures.fresh().await)
}

struct Figures {
    config: Config,
    db: Option<Db>,
    redis: Option<RedisClient>,
    last: Option<(Instant, String)>,
}

impl Figures {
    /// The text of now, or of a moment ago.
    async fn fresh(&mut self) -> String {
        if let Some((at, text)) = &self.last {
            if at.elapsed() < FRESH {
                return text.clone();
            }
        }
        let status = tokio::time::timeout(PATIENCE, self.look()).await;
        let status = status.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())));
        let redis = match &status {
            Ok(status) => status.redis,
            Err(error) => {
                tracing::warn!("figures: {}", error_chain(error));
                // Whichever of them it was, both are opened anew.
                if let Some(db) = self.db.take() {
                    db.give_up_connections().await;
                }
                self.redis = None;
                let opened = tokio::time::timeout(REDIS_PATIENCE, RedisClient::open(&self.config.redis)).await;
                matches!(opened, Ok(Ok(_)))
            }
        };
        let text = text(status.as_ref().ok(), redis);
        self.last = Some((Instant::now(), text.clone()));
        text
    }

    async fn look(&mut self) -> Result<Status> {
        let db = match self.db.take() {
            Some(db) => db,
            None => Db::open_prepared(&self.config).await?,
        };
        let db = self.db.insert(db);
        if self.redis.is_none() {
            self.redis = RedisClient::open(&self.config.redis).await.ok();
        }
        match look(db, self.redis.as_mut(), 0).await {
            // The database is there all the same, and says what is not in Redis.
            Err(error) if self.redis.is_some() && is_of_redis(&error) => {
                self.redis = None;
                look(db, None, 0).await
            }
            other => other,
        }
    }
}

fn is_of_redis(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::Unreachable(_)))
}

/// The figures; without a status the database could not be asked. `redis`: it was reached.
fn text(status: Option<&Status>, redis: bool) -> String {
    let mut all = Registry::default();
    let up = [("database", status.is_some()), ("redis", redis)];
    let up = up.map(|(part, is_up)| (vec![("part", part.to_string())], f64::from(u8::from(is_up))));
    gauge(&mut all, "stock_ledger_up", "1 where the ledger reached it for this scrape", None, up);
    let process = |n: &AtomicU64| [(Vec::new(), n.load(Ordering::Relaxed))];
    counter(&mut all, "stock_ledger_batches", "Transactions that moved a stream's position", process(&BATCHES));
    counter(&mut all, "stock_ledger_retries", "Transactions and connections that were tried again", process(&RETRIES));
    if let Some(status) = status {
        of_status(&mut all, status);
    }
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = encode(&mut text, &all);
    text
}

fn of_status(all: &mut Registry, status: &Status) {
    let stream = |name: &String| vec![("stream", name.clone())];
    let streams = || status.streams.iter();
    let behind = streams().filter_map(|s| Some((stream(&s.stream), s.behind? as f64)));
    let help = "Entries that are not in the database yet, counted up to 10000";
    gauge(all, "stock_ledger_lag", help, Some("entries"), behind);
    let lag = streams().filter_map(|s| Some((stream(&s.stream), s.lag_ms?.max(0) as f64 / 1000.0)));
    let help = "Age of the last event that is in the database; 0 where nothing waits";
    gauge(all, "stock_ledger_lag", help, Some("seconds"), lag);
    let applied = streams().map(|s| (stream(&s.stream), s.applied.max(0) as u64));
    counter(all, "stock_ledger_events_applied", "Events that are in the database", applied);
    let incidents = status.incidents.iter().map(|i| (vec![("kind", i.kind.clone())], i.count.max(0) as u64));
    counter(all, "stock_ledger_incidents", "What a person should know of: stock_incidents, by kind", incidents);
    let lines = status.order_lines.iter();
    let lines = lines.map(|(state, n)| (vec![("state", state.clone())], n.as_f64().unwrap_or_default()));
    gauge(all, "stock_ledger_order_lines", "Order lines in the database, by state", None, lines);
    let one = |n: i64| [(Vec::new(), n as f64)];
    let pools = "Pools that wait for stock-ledger audit";
    gauge(all, "stock_ledger_pools_to_audit", pools, None, one(status.pools_to_audit));
    let uncovered = "Units that were sold and that the stock row could not give";
    gauge(all, "stock_ledger_uncovered", uncovered, Some("units"), one(status.uncovered_units));
    let movements = "Movements whose row of the stock table could not be written";
    gauge(all, "stock_ledger_pending_movements", movements, None, one(status.pending_movements));
    let units = "Units of these movements";
    gauge(all, "stock_ledger_pending", units, Some("units"), one(status.pending_units));
    let unsynced = "Adjustments that are in the database and not in Redis";
    gauge(all, "stock_ledger_unsynced_adjustments", unsynced, None, one(status.unsynced_adjustments));
    let waiting = "Rows of stock_outbox that nobody has fetched";
    gauge(all, "stock_ledger_outbox_notices", waiting, None, one(status.outbox_waiting));
}

/// A family of gauges; its samples are those of this scrape.
fn gauge(
    all: &mut Registry,
    name: &str,
    help: &str,
    unit: Option<&str>,
    samples: impl IntoIterator<Item = (Labels, f64)>,
) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in samples {
        family.get_or_create(&labels).set(value);
    }
    match unit {
        None => all.register(name, help, family),
        Some("seconds") => all.register_with_unit(name, help, Unit::Seconds, family),
        Some(unit) => all.register_with_unit(name, help, Unit::Other(unit.to_string()), family),
    }
}

/// A family of counters, likewise.
fn counter(all: &mut Registry, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels, u64)>) {
    let family = Family::<Labels, Counter>::default();
    for (labels, value) in samples {
        family.get_or_create(&labels).inc_by(value);
    }
    all.register(name, help, family);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_lost_is_a_figure() {
        let text = text(None, false);
        assert!(text.contains("stock_ledger_up{part=\"database\"} 0.0\n"), "{text}");
        assert!(text.contains("stock_ledger_up{part=\"redis\"} 0.0\n"), "{text}");
        assert!(text.contains("# TYPE stock_ledger_batches counter\nstock_ledger_batches_total 0\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
