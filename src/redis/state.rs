//! What the process keeps between calls.
//!
//! `with` borrows it, and is never called while the server does anything by which other modules may
//! run (opening keys, replicating, announcing): those may call commands of this module.

use std::time::{Duration, Instant};

use super::background::{Rescan, Sweep};
use super::event_streams::EventStreams;
use super::locked::Locked;
use super::log;
use super::parameters::Parameters;
use super::rates::Rates;
use super::scratch::Scratch;
use super::value::StoredValue;
use super::wake_queue::WakeQueue;
use crate::command::hot_keys::HotKeys;
use crate::command::journal::{Unread, Unreadable};
use crate::command::refusal::Outcome;
use crate::core::codec;
use crate::core::model::time::Clock;

/// A step back of the clock by more than this is counted for `INFO`.
const CLOCK_STEP_MS: i64 = 1_000;

/// The least time between two log lines about the same.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Totals since the start of the process.
pub struct Totals {
    /// By [`Outcome`].
    pub outcomes: [u64; Outcome::COUNT],
    /// Holds that expired.
    pub expired: u64,
    /// Effects that did not fit the pool that they were applied to.
    pub divergences: u64,
    /// Steps back of the clock.
    pub clock_steps: u64,
    /// Entries appended to event streams.
    pub published: u64,
    /// Entries that a stream did not take.
    pub dropped: u64,
}

/// The state.
pub struct State {
    /// The parameters.
    pub parameters: Parameters,
    /// Number of the current promotion: 1 from the start of the process, one more each time it
    /// becomes primary.
    pub promotion: u64,
    /// For `INFO`.
    pub totals: Totals,
    /// Calls a second, for `INFO`.
    pub rates: Rates,
    /// The keys that are called most.
    pub hot_keys: HotKeys,
    /// When which pool needs the background.
    pub wake_queue: WakeQueue,
    /// The background sweep.
    pub sweep: Sweep,
    /// The walk that finds pools which the wake-up queue does not know.
    pub rescan: Rescan,
    /// The event streams, for `INFO`.
    pub event_streams: EventStreams,
    /// The context flag that marks the client of a slot import; 0 on servers without one.
    pub import_flag: u32,
    /// This server is a node of a cluster.
    pub cluster: bool,
    /// A write has pools open (see `OpenKeys`).
    pub writing: bool,
    /// The write asks whether its caller is a user (see `stream::check`).
    pub asks_for_user: bool,
    /// The load that is under way reads the server's own files.
    pub loading_from_disk: bool,
    last_ms: i64,
    grace_since: Option<Instant>,
    divergence_logged: Option<Instant>,
    unread_logged: Option<Instant>,
    drop_logged: Option<Instant>,
    #[allow(clippy::vec_box, reason = "moving a box moves a pointer, not the buffers")]
    spare: Vec<Box<Scratch>>,
}

/// Logs what could not be read. `key`: the first one that it is for.
pub fn log_unread(unread: Unread, key: &[u8]) {
    let (what, why) = match unread {
        Unread::Effect(why) => ("an effect".to_string(), why),
        Unread::Piece(why) => {
            // Escaped, so that no key writes a line of its own.
            (format!("a piece of the pool {}", key.get(..128).unwrap_or(key).escape_ascii()), why)
        }
    };
    let known = codec::VERSION;
    log::warning(&match why {
        Unreadable::Version(version) => format!(
            "{what} has encoding version {version}; this module reads up to version {known}: load a newer module"
        ),
        Unreadable::Damage(damage) => {
            format!("{what} cannot be read: {damage}; a newer module may have written it, or it is damaged")
        }
    });
}

static STATE: Locked<State> = Locked::new(State::new());

/// Works on the state. `work` must not call anything that may call a command of this module.
pub fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(work)
}

impl State {
    const fn new() -> Self {
        Self {
            parameters: Parameters::new(),
            promotion: 1,
            totals: Totals {
                outcomes: [0; Outcome::COUNT],
                expired: 0,
                divergences: 0,
                clock_steps: 0,
                published: 0,
                dropped: 0,
            },
            rates: Rates::new(),
            hot_keys: HotKeys::new(),
            wake_queue: WakeQueue::new(),
            sweep: Sweep::new(),
            rescan: Rescan::new(),
            event_streams: EventStreams::new(),
            import_flag: 0,
            cluster: false,
            writing: false,
            asks_for_user: false,
            loading_from_disk: false,
            last_ms: 0,
            grace_since: None,
            divergence_logged: None,
            unread_logged: None,
            drop_logged: None,
            spare: Vec::new(),
        }
    }

    /// Notes where the pool in a value publishes its changes.
    pub fn note_stream(&mut self, db: i32, value: &StoredValue) {
        if let Some(pool) = value.stored.pool() {
            self.event_streams.note(db, pool);
        }
    }

    /// Forgets what is known of the keys of one database; of all without a number.
    pub fn discard_hints(&mut self, db: Option<i32>) {
        self.wake_queue.discard(db);
        self.event_streams.discard(db);
    }

    /// The clock of one call; counts steps back.
    pub fn clock(&mut self, now_ms: i64) -> Clock {
        if now_ms < self.last_ms.saturating_sub(CLOCK_STEP_MS) {
            self.totals.clock_steps = self.totals.clock_steps.saturating_add(1);
        }
        self.last_ms = now_ms;
        Clock { now_ms, grace: self.holds_wait(now_ms) }
    }

    /// From now on no hold expires for as long as `failover-grace-ms` says.
    pub fn begin_grace(&mut self) {
        self.grace_since = Some(Instant::now());
    }

    /// Whether the grace after a promotion or restart lasts. Measured by the monotonic clock: a
    /// step of the wall clock neither ends nor extends it.
    pub fn in_grace(&mut self) -> bool {
        let Some(since) = self.grace_since else {
            return false;
        };
        let lasts = since.elapsed() < self.parameters.grace();
        if !lasts {
            self.grace_since = None;
        }
        lasts
    }

    /// Whether no hold is due at this time: in the grace, or until the operator says so.
    pub fn holds_wait(&mut self, now_ms: i64) -> bool {
        self.in_grace() || now_ms < self.parameters.pause_expiry_until_ms()
    }

    /// Counts the outcome of one call of a client. Calls of the background do not count.
    pub fn count_outcome(&mut self, outcome: Outcome) {
        if self.sweep.call.is_some() {
            return;
        }
        if let Some(total) = self.totals.outcomes.get_mut(outcome as usize) {
            *total = total.wrapping_add(1);
        }
    }

    /// Logs what could not be read, at most every 10 s.
    pub fn log_unread(&mut self, unread: Unread, key: &[u8]) {
        if self.unread_logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.unread_logged = Some(Instant::now());
            log_unread(unread, key);
        }
    }

    /// Counts divergences, and logs them at most every 10 s.
    pub fn count_divergences(&mut self, count: u64) {
        self.totals.divergences = self.totals.divergences.wrapping_add(count);
        if self.divergence_logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.divergence_logged = Some(Instant::now());
            let total = self.totals.divergences;
            log::warning(&format!(
                "{total} replicated effects so far did not fit their pool: this data set differs from its source"
            ));
        }
    }

    /// Counts entries of event streams, and logs those that were dropped at most every 10 s.
    pub fn count_events(&mut self, published: u64, dropped: u64) {
        self.totals.published = self.totals.published.wrapping_add(published);
        self.totals.dropped = self.totals.dropped.wrapping_add(dropped);
        if dropped > 0 && self.drop_logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.drop_logged = Some(Instant::now());
            let total = self.totals.dropped;
            log::warning(&format!(
                "{total} events so far were dropped: the key of their stream holds another type, or its ids are used up"
            ));
        }
    }

    /// Buffers for one call. Calls nest (another module may run a command in the middle of one), so
    /// there may be several.
    pub fn take_scratch(&mut self) -> Box<Scratch> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps the buffers for the next call.
    pub fn return_scratch(&mut self, scratch: Box<Scratch>) {
        self.spare.push(scratch);
    }
}
