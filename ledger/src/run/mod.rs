//! The feed: follows each event stream and writes what happened into the database, each event once.

mod ahead;
mod apply;
mod follow;
mod pass;
mod report;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::db::Db;

pub use apply::{apply, Applied, Batch, Feed};
pub use pass::Pass;

/// Up to so many streams have a thread each.
const MOST_THREADS: usize = 64;

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A signal that asks to stop: SIGTERM or SIGINT. What is in hand is finished.
pub fn stop_signal() -> Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{signal, SignalKind};
    let (tell, told) = watch::channel(false);
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("asked to stop: finishing the transaction in hand");
        let _ = tell.send(true);
        // A second signal ends it the hard way; the database rolls back, and nothing is lost.
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(told)
}

/// Follows all streams: until asked to stop, or with `once` until each has been read to its end.
pub async fn run(config: &Config, once: bool) -> Result<()> {
    let stop = stop_signal()?;
    // The first failure to connect to the database is told at once: a wrong address does not become right.
    let db = Arc::new(Db::open_prepared(config).await?);
    let result = follow_all(config, &db, once, &stop).await;
    db.close().await;
    result
}

/// Reads each stream to its end.
pub async fn drain(config: &Config, db: &Arc<Db>) -> Result<()> {
    let (_tell, told) = watch::channel(false);
    follow_all(config, db, true, &told).await
}

async fn follow_all(config: &Config, db: &Arc<Db>, once: bool, stop: &watch::Receiver<bool>) -> Result<()> {
    let config = Arc::new(config.clone());
    let runtime = tokio::runtime::Handle::current();
    let mut tasks = JoinSet::new();
    let streams = config.streams();
    let few = streams.len() <= MOST_THREADS;
    for stream in streams {
        let follower = follow::Follower::new(config.clone(), db.clone(), stream, once, stop.clone()).run();
        if few {
            // A row of the database is a message. A thread that waits for its own is woken for less than a task is.
            let runtime = runtime.clone();
            tasks.spawn_blocking(move || runtime.block_on(follower));
        } else {
            tasks.spawn(follower);
        }
    }
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|r| r);
        if result.is_ok() {
            result = ended;
        }
    }
    result
}
