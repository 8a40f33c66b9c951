//! Readers of the event streams: a plain table that follows the pools, killed over and over,
//! through a failover and through entries that were never written; the database compared while
//! sales run; the examples of docs/guides/events.md.
//!
//! `cargo test` runs small numbers. `make feed` runs the full ones; FEED_SEED repeats a run.

mod entry;
mod examples;
mod failover;
mod following;
mod load;
mod reader;
mod reconcile;
mod sides;
mod table;

/// How much a test does: `full` where `make feed` asks for it.
fn amount(small: u64, full: u64) -> u64 {
    if std::env::var_os("FEED_FULL").is_some() {
        full
    } else {
        small
    }
}

/// The seed of this run; it is printed, and FEED_SEED repeats it.
fn seed(test: &str) -> u64 {
    let seed = std::env::var("FEED_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("{test}: FEED_SEED={seed}");
    seed
}
