//! The feed: follows each event stream and writes what happened into the database, each event once.

mod apply;
mod batch;
mod end_check;
mod follow;
pub mod metrics;
mod phases;
mod prefetcher;
mod replay;
mod report;
mod session;
mod set_aside;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::db::Db;
use crate::exit_code::exit_code;
use crate::failure::error_chain;

pub use apply::{apply, Applied, Feed};
pub use batch::Batch;
pub use end_check::is_ahead;
pub use follow::MOST_READS;
pub use replay::Replay;
pub use set_aside::{settle, SetAside};

/// Up to so many streams have a thread each.
const MOST_THREADS: usize = 64;

/// A signal that asks to stop: SIGTERM or SIGINT. What is in hand is finished.
pub fn stop_signal() -> Result<watch::Sender<bool>> {
    use tokio::signal::unix::{signal, SignalKind};
    let (tell, _) = watch::channel(false);
    let stop = tell.clone();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("asked to stop: finishing the transaction in hand");
        tell.send_replace(true);
        // A second signal ends it the hard way; the database rolls back, and nothing is lost.
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(stop)
}

/// Follows all streams: until asked to stop, or with `once` until each has been read to its end.
/// With `metrics` its figures are served there.
pub async fn run(config: &Config, once: bool, metrics: Option<SocketAddr>) -> Result<()> {
    let stop = stop_signal()?;
    if let Some(listen) = metrics {
        metrics::serve(listen, config, stop.subscribe()).await?;
    }
    let Some(db) = open(config, once, &stop).await? else { return Ok(()) };
    let db = Arc::new(db);
    let result = follow_all(config, &db, once, &stop).await;
    db.close().await;
    result
}

/// Opens the database. A service that starts before its database waits for it; a command that must
/// end says at once what is wrong. None: asked to stop meanwhile.
async fn open(config: &Config, once: bool, stop: &watch::Sender<bool>) -> Result<Option<Db>> {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    let mut stopped = stop.subscribe();
    let mut wait = Duration::from_millis(200);
    while !*stopped.borrow_and_update() {
        match Db::open_prepared(config).await {
            Err(error) if !once && exit_code(&error) == 4 => {
                tracing::warn!(wait_ms = wait.as_millis() as u64, "trying again: {}", error_chain(&error));
            }
            other => return other.map(Some),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.changed() => {}
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    Ok(None)
}

/// Reads each stream to its end.
pub async fn drain(config: &Config, db: &Arc<Db>) -> Result<()> {
    let (stop, _) = watch::channel(false);
    follow_all(config, db, true, &stop).await
}

async fn follow_all(config: &Config, db: &Arc<Db>, once: bool, stop: &watch::Sender<bool>) -> Result<()> {
    let config = Arc::new(config.clone());
    let runtime = tokio::runtime::Handle::current();
    let mut tasks = JoinSet::new();
    let streams = config.streams();
    let few = streams.len() <= MOST_THREADS;
    for stream in streams {
        let follower = follow::Follower::new(config.clone(), db.clone(), stream, once, stop.subscribe()).run();
        if few {
            // A row of the database is a message. A thread that waits for its own is woken for less
            // than a task is.
            let runtime = runtime.clone();
            tasks.spawn_blocking(move || runtime.block_on(follower));
        } else {
            tasks.spawn(follower);
        }
    }
    ended(tasks, once, stop).await
}

/// Waits for all followers. The first failure counts.
async fn ended(mut tasks: JoinSet<Result<()>>, once: bool, stop: &watch::Sender<bool>) -> Result<()> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a defect of this program: a stream is not followed any more").and_then(|r| r);
        // A stream that nobody follows would not be noticed while the others go on: whoever started
        // this is to know.
        if ended.is_err() && !once {
            stop.send_replace(true);
        }
        if result.is_ok() {
            result = ended;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_dies_ends_them_all() {
        let (stop, mut stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while !*stopped.borrow_and_update() {
                stopped.changed().await?;
            }
            Ok(())
        });
        tasks.spawn(async { panic!("a defect") });
        let result = ended(tasks, false, &stop).await;
        assert!(result.expect_err("a failure").to_string().contains("not followed any more"));
    }
}
