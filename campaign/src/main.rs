//! Attacks redis-stock for as long as it is told: each subcommand is one campaign of
//! `docs/internals/testing.md`.
//!
//! Every campaign is bounded by a number, prints its seeds and counts, and names the command that
//! repeats a failure. With `--record FILE` it appends one row to the table there, and goes on
//! behind the last seed of its earlier rows.

mod clock;
mod crash;
mod durable;
mod expected_state;
mod full;
mod fuzz;
mod histories;
mod hot_sku;
mod payloads;
mod record;
mod rounds;
mod sequences;
mod shards;
mod simulate;
mod storms;
mod torn;
mod windows;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    campaign: Campaign,
    /// Append a row to the table in this file, and begin behind the seeds that it has.
    #[arg(long, global = true)]
    record: Option<std::path::PathBuf>,
}

#[derive(Subcommand)]
enum Campaign {
    /// A primary, two replicas and an append-only file in one process, against a naive auditor.
    Simulate(histories::Options),
    /// Every sequence of calls up to a length, in process.
    Sequences(sequences::Options),
    /// A sharded pool in process: movers that die, clocks apart, slots that move, failovers that
    /// lose a second.
    Shards(histories::Options),
    /// One hot SKU in buckets, in a real cluster: kill -9, failovers and slots that move during its
    /// sale.
    HotSku(rounds::Bounds),
    /// Random and damaged bytes against parsers and decoders, in process.
    Fuzz(rounds::Bounds),
    /// Damaged RESTORE payloads at a server.
    Payloads(rounds::Bounds),
    /// kill -9 under load.
    Crash(crash::Options),
    /// Pauses, failovers, terminations and broken resyncs while holds fall due.
    Windows(windows::Options),
    /// Everything that moves, replaces, copies or ends keys, between sales.
    Storms(rounds::Bounds),
    /// Confirms that were waited for, or not, and a failover.
    Durable(rounds::Bounds),
    /// The clocks of primary and replica step forward and back.
    Clock(rounds::Bounds),
    /// Memory or the disk runs out in the middle of a sale.
    Full(full::Options),
    /// The append-only file is cut off at every byte of its last calls.
    Torn(torn::Options),
}

fn main() -> std::process::ExitCode {
    let found = carry_out(Cli::parse());
    std::process::ExitCode::from(u8::from(found > 0))
}

/// Runs one campaign; how much was found.
fn carry_out(cli: Cli) -> u64 {
    let ledger = record::Ledger::open(cli.record);
    match cli.campaign {
        Campaign::Simulate(options) => histories::run(&simulate::SIMULATE, &options, &ledger),
        Campaign::Sequences(options) => sequences::run(&options, &ledger),
        Campaign::Shards(options) => histories::run(&shards::SHARDS, &options, &ledger),
        Campaign::HotSku(bounds) => hot_sku::run(&bounds, &ledger),
        Campaign::Fuzz(bounds) => fuzz::run(&bounds, &ledger),
        Campaign::Payloads(bounds) => payloads::run(&bounds, &ledger),
        Campaign::Crash(options) => crash::run(&options, &ledger),
        Campaign::Windows(options) => windows::run(&options, &ledger),
        Campaign::Storms(bounds) => storms::run(&bounds, &ledger),
        Campaign::Durable(bounds) => durable::run(&bounds, &ledger),
        Campaign::Clock(bounds) => clock::run(&bounds, &ledger),
        Campaign::Full(options) => full::run(&options, &ledger),
        Campaign::Torn(options) => torn::run(&options, &ledger),
    }
}

/// The short tier of the campaigns that need a server; those in process have theirs in
/// `tests/model`.
#[cfg(test)]
mod short {
    use super::*;

    #[track_caller]
    fn finds_nothing(line: &str) {
        let words = std::iter::once("campaign").chain(line.split(' '));
        let cli = Cli::try_parse_from(words).expect("a campaign");
        assert_eq!(carry_out(cli), 0, "{line}");
    }

    #[test]
    fn killed_servers_keep_what_they_acknowledged() {
        finds_nothing("crash --seed 1 --seeds 6");
    }

    #[test]
    fn a_file_without_its_end_is_a_beginning() {
        finds_nothing("crash --seed 1 --seeds 4 --mode cut");
    }

    #[test]
    fn what_everysec_loses_is_young() {
        finds_nothing("crash --seed 1 --seeds 3 --mode everysec");
    }

    #[test]
    fn a_file_may_end_at_any_byte() {
        finds_nothing("torn --seed 1 --seeds 2 --step 29");
    }

    #[test]
    fn damaged_payloads_are_refused_or_true() {
        finds_nothing("payloads --seed 1 --seeds 4");
    }

    #[test]
    fn nothing_is_written_in_a_pause() {
        finds_nothing("windows --seed 1 --seeds 3 --kind pause");
    }

    #[test]
    fn failovers_with_due_holds_end_well() {
        finds_nothing("windows --seed 1 --seeds 3 --kind failover");
    }

    #[test]
    fn terminations_with_a_stopped_replica_end_well() {
        finds_nothing("windows --seed 1 --seeds 1 --kind sigterm");
    }

    #[test]
    fn resyncs_that_break_off_end_well() {
        finds_nothing("windows --seed 18 --seeds 4 --kind resync");
    }

    #[test]
    fn storms_of_keys_lose_nothing() {
        finds_nothing("storms --seed 1 --seeds 16");
    }

    #[test]
    fn a_sale_goes_on_when_memory_is_short() {
        finds_nothing("full --seed 1 --seeds 2");
    }

    #[test]
    fn pools_are_evicted_whole_and_everywhere() {
        finds_nothing("full --seed 1 --seeds 3 --kind evict");
    }

    #[test]
    fn a_full_disk_loses_nothing_acknowledged() {
        finds_nothing("full --seed 1 --seeds 2 --kind disk");
        for seed in [3, 6] {
            finds_nothing(&format!("full --seed {seed} --seeds 1 --kind disk"));
        }
    }

    #[test]
    fn clocks_may_step() {
        finds_nothing("clock --seed 1 --seeds 10");
    }

    #[test]
    fn what_was_waited_for_survives_a_failover() {
        finds_nothing("durable --seed 1 --seeds 2");
    }

    #[test]
    fn a_hot_sku_is_sold_once() {
        finds_nothing("hot-sku --seed 1 --seeds 1");
    }

    #[test]
    fn random_bytes_do_no_harm() {
        finds_nothing("fuzz --seed 1 --seeds 1");
    }
}
