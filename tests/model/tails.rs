//! No call pays for the size of a pool: the slowest one, by the CPU time of the thread, while a
//! pool grows to five million orders, while a day with a million users ends, and while a million
//! holds fall due. Slow, so to be asked for:
//! `cargo test --release --test model tails -- --ignored --nocapture --test-threads 1`

use std::time::Duration;

use redis_stock::core::apply::apply;
use redis_stock::core::model::attributes::Attributes;
use redis_stock::core::model::change::{Change, LimitSet, OnHand, PoolChange};
use redis_stock::core::model::context::{CallContext, Defaults};
use redis_stock::core::model::ids::Bytes;
use redis_stock::core::model::limit::{Cap, Count, Identity, Missing};
use redis_stock::core::model::pool::{Pool, Stamp};
use redis_stock::core::model::time::Clock;
use redis_stock::core::model::view::View;
use redis_stock::core::model::window::Window;
use redis_stock::core::model::zone::Tz;
use redis_stock::core::ops::reserve::{decide, Hold, Reserve};
use redis_stock::core::ops::{expire, purge};

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 20_000 * DAY_MS;

/// The CPU time of this thread.
fn cpu() -> Duration {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanos: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const OF_THREAD: i32 = 3;
    let mut time = Time { seconds: 0, nanos: 0 };
    // SAFETY: the structure is that of 64-bit Linux, and lives through the call.
    assert_eq!(unsafe { clock_gettime(OF_THREAD, &mut time) }, 0);
    Duration::new(time.seconds as u64, time.nanos as u32)
}

/// How long calls took, the slowest ones kept with their numbers; and as many calls that do nothing
/// much, since a virtual machine that is shared charges a thread for what it did not do.
#[derive(Default)]
struct Slowest {
    calls: u64,
    took: Vec<(Duration, u64)>,
    control: Vec<(Duration, u64)>,
}

impl Slowest {
    fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let before = cpu();
        let result = call();
        self.took.push((cpu() - before, self.calls));
        let before = cpu();
        let idle = (0..1_000u64).fold(self.calls, |n, m| std::hint::black_box(n.rotate_left(5) ^ m));
        std::hint::black_box(idle);
        self.control.push((cpu() - before, self.calls));
        self.calls += 1;
        for times in [&mut self.took, &mut self.control] {
            if times.len() >= 4_096 {
                times.sort_unstable();
                times.drain(..times.len() - 8);
            }
        }
        result
    }

    /// Prints both, and says whether the slowest call was no slower than allowed, or than the
    /// slowest that did nothing.
    fn within(&mut self, allowed: Duration, what: &str) -> bool {
        for times in [&mut self.took, &mut self.control] {
            times.sort_unstable_by(|a, b| b.cmp(a));
            times.truncate(5);
        }
        println!("{what}: slowest calls (time, number) {:?}; of those that do nothing {:?}", self.took, self.control);
        self.took[0].0 <= allowed.max(self.control[0].0)
    }
}

fn context(now_ms: i64) -> CallContext {
    CallContext { clock: Clock::at(now_ms), defaults: Defaults::default() }
}

fn commit(pool: &mut Pool, now_ms: i64, change: &Change<'_>) {
    apply(pool, &Stamp { now_ms, promotion: 1, new_epoch: None }, change);
}

fn pool_with_limits() -> Pool {
    let mut pool = Pool::new(7);
    commit(
        &mut pool,
        START_MS,
        &Change::Pool(PoolChange::Created { salt: 0x1234_5678_9abc_def0, on_hand: OnHand::Unlimited }),
    );
    for dim in ["user", "region", "store"] {
        let identity = Identity {
            dims: std::iter::once(Bytes::new(dim.as_bytes())).collect(),
            window: Window::Day,
            count: Count::Units,
        };
        let set = LimitSet {
            identity,
            tz: Some(Tz::UTC),
            missing: Some(Missing::Refuse),
            pattern: None,
            cap: Cap::At(1_000_000_000),
        };
        commit(&mut pool, START_MS, &Change::Pool(PoolChange::LimitSet(Box::new(set))));
    }
    pool
}

/// One RESERVE as the command makes it, with what it frees beside.
fn reserve(pool: &mut Pool, n: u64, hold: Hold, now_ms: i64) {
    let order = format!("o{:019}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
    let user = format!("u{n:09}");
    let mut attributes = Attributes::default();
    for (name, value) in [("user", user.as_str()), ("region", "r1"), ("store", "s1")] {
        attributes.add(name.as_bytes(), value.as_bytes()).unwrap();
    }
    let call =
        Reserve { order: order.as_bytes(), qty: 1, hold, partial: false, attributes: &attributes, message: None };
    let change = decide(&View::of_write(pool, context(now_ms)), call).unwrap();
    commit(pool, now_ms, &change);
    tidy(pool, now_ms);
}

fn tidy(pool: &mut Pool, now_ms: i64) {
    let purged = purge::plan(pool, &context(now_ms), purge::PER_WRITE);
    if !purged.is_empty() {
        commit(pool, now_ms, &Change::Purged(purged));
    }
}

/// Returns up to so many due holds, as a write does first.
fn return_due(pool: &mut Pool, now_ms: i64, most: usize) -> usize {
    let context = context(now_ms);
    for returned in 0..most {
        let Some(slot) = expire::next_due(pool, context.clock) else { return returned };
        let id = Bytes::new(pool.order(slot).unwrap().id);
        let change = expire::change(pool, &context, slot, id.as_slice());
        commit(pool, now_ms, &change);
    }
    most
}

#[test]
#[ignore = "a minute and a gigabyte"]
fn a_pool_grows_without_a_stall_and_ends_without_one() {
    let mut pool = pool_with_limits();
    let mut slowest = Slowest::default();
    let mut most = 0.0f64;
    for n in 0..5_000_000u64 {
        let now_ms = START_MS + (n / 100) as i64;
        slowest.time(|| reserve(&mut pool, n, Hold::Default, now_ms));
        if (1_000_000..=4_000_000).contains(&n) && n % 10_000 == 0 {
            most = most.max(pool.memory_bytes() as f64 / n as f64);
        }
    }
    println!("worst point between one and four million: {most:.1} bytes an order");
    assert!(most < 120.0);
    assert!(slowest.within(Duration::from_millis(1), "growing to 5,000,000"));
    let mut ending = Slowest::default();
    ending.time(|| drop(pool));
    ending.within(Duration::ZERO, "ending it (off the main thread in a server)");
}

#[test]
#[ignore = "a minute"]
fn a_window_rolls_over_without_a_stall() {
    let mut pool = pool_with_limits();
    for n in 0..1_000_000 {
        reserve(&mut pool, n, Hold::Default, START_MS);
    }
    // The holds fall due; their usage stays until the orders are forgotten and the day is over.
    while return_due(&mut pool, START_MS + 1_000_000, 1_000) > 0 {}
    let mut slowest = Slowest::default();
    for n in 0..400_000 {
        let now_ms = START_MS + DAY_MS + 2_000_000 + n / 100;
        slowest.time(|| reserve(&mut pool, 10_000_000 + n as u64, Hold::Default, now_ms));
    }
    assert!(slowest.within(Duration::from_millis(1), "a day with 1,000,000 users rolls over"));
    assert!(pool.remembered() < 500_000, "{} orders are left", pool.remembered());
}

#[test]
#[ignore = "a minute"]
fn a_million_holds_fall_due_without_a_stall() {
    let mut pool = pool_with_limits();
    let deadline_ms = START_MS + 900_000;
    for n in 0..1_000_000 {
        reserve(&mut pool, n, Hold::Until(deadline_ms), START_MS);
    }
    let mut slowest = Slowest::default();
    let begin = cpu();
    while slowest.time(|| return_due(&mut pool, deadline_ms, 256)) > 0 {}
    println!("1,000,000 holds returned in {:?}", cpu() - begin);
    assert!(slowest.within(Duration::from_millis(2), "256 of 1,000,000 due holds"));
    assert_eq!(pool.open_holds(), 0);
}
