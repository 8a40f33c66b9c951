//! `stockctl balance`: keeps the buckets of a sharded pool filled.

mod args;
mod asks;
mod balancer;
mod calls;
mod events;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{mpsc, Notify};
use tokio::time::{sleep, sleep_until, Instant};

use crate::connect::{ConnectArgs, Servers};
use crate::failure::{error_chain, is_unreachable, Ended};
pub use args::Args;
use balancer::Balancer;

/// Events make it look no sooner than this after the last look: its own shifts are events, too. And
/// so long after some buyers the next ones are served: each look and each shift wakes servers.
const PAUSE: Duration = Duration::from_millis(10);
/// After an error the servers are looked for again, but no more often.
const DISCOVER: Duration = Duration::from_secs(1);

/// What a balancer waits for.
struct Wakes {
    asks: mpsc::Receiver<Vec<Vec<u8>>>,
    events: Arc<Notify>,
}

impl Wakes {
    fn none() -> Wakes {
        Wakes { asks: mpsc::channel(1).1, events: Arc::new(Notify::new()) }
    }

    /// Begins to listen, with connections of its own: one that waits cannot be used for anything
    /// else.
    fn listen(args: &Args, connect: &ConnectArgs, keys: Vec<String>) -> Wakes {
        let (to, asks) = mpsc::channel(1);
        let events = Arc::new(Notify::new());
        let list = balancer::own(&args.name, "asks");
        let (connect, heard) = (connect.clone(), events.clone());
        tokio::spawn({
            let connect = connect.clone();
            async move { asks::hand_on(reached(&connect).await, list, connect.patience() / 2, to).await }
        });
        tokio::spawn(async move { events::listen(reached(&connect).await, keys, heard).await });
        Wakes { asks, events }
    }

    /// Sleeps until buyers ask, until something has happened to a bucket, or until it is time to
    /// look.
    async fn next(&mut self, every: Duration) -> Vec<Vec<u8>> {
        let Wakes { asks, events } = self;
        let now = Instant::now();
        let event = async {
            sleep_until(now + PAUSE).await;
            events.notified().await;
        };
        tokio::select! {
            biased;
            Some(asks) = asks.recv() => asks,
            () = event => Vec::new(),
            () = sleep(every) => Vec::new(),
        }
    }
}

/// Connections to the servers, as soon as one of them answers.
async fn reached(connect: &ConnectArgs) -> Servers {
    loop {
        match Servers::open(connect).await {
            Ok(servers) => return servers,
            Err(_) => sleep(DISCOVER).await,
        }
    }
}

/// Balances until it is ended, or once.
///
/// # Errors
/// As [`Balancer::config`] at the start, where a server that is away is waited for; later ones are
/// written to stderr. With `--once` as [`Balancer::round`].
pub async fn run(args: &Args, servers: &mut Servers, connect: &ConnectArgs, as_json: bool) -> Result<Ended> {
    let every = Duration::from_millis(args.every);
    let mut balancer = Balancer::new(args, servers);
    let mut wakes = Wakes::none();
    if !args.once {
        let keys = first_config(&mut balancer, every).await?;
        wakes = Wakes::listen(args, connect, keys);
    }
    let (mut told, mut discovered) = (String::new(), Instant::now());
    loop {
        let asks = if args.once { Vec::new() } else { wakes.next(every).await };
        let done = balancer.round(asks).await;
        let shifts = balancer.take_shifts();
        if shifts > 0 {
            say(args, shifts, as_json);
        }
        match done {
            Ok(()) if args.once => return Ok(Ended::Well),
            Err(error) if args.once => return Err(error),
            Ok(()) => told.clear(),
            Err(error) => {
                tell(&args.name, &error, &mut told);
                if discovered.elapsed() > DISCOVER {
                    // Slots have moved, or a replica has taken over.
                    let _ = balancer.discover().await;
                    discovered = Instant::now();
                }
            }
        }
    }
}

/// The buckets' keys. A server that is not there yet is waited for; a pool that is not there is
/// not.
async fn first_config(balancer: &mut Balancer<'_>, every: Duration) -> Result<Vec<String>> {
    let mut told = String::new();
    loop {
        match balancer.config().await {
            Err(error) if is_unreachable(&error) => {
                tell(balancer.name(), &error, &mut told);
                sleep(every.max(PAUSE)).await;
                let _ = balancer.discover().await;
            }
            known => return known,
        }
    }
}

/// Says what is wrong, once.
fn tell(name: &str, error: &anyhow::Error, told: &mut String) {
    let text = error_chain(error);
    if *told != text {
        eprintln!("{name}: {text}");
        *told = text;
    }
}

fn say(args: &Args, shifts: u64, as_json: bool) {
    if as_json {
        println!("{}", serde_json::json!({"name": args.name, "shifts": shifts, "at": crate::text::now_ms()}));
    } else {
        println!("{}  {}: {shifts} shifts", crate::text::time(crate::text::now_ms()), args.name);
    }
}
