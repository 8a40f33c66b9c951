//! A crowd of buyers, as a sale has them: connections break, fingers click twice, carts are
//! abandoned.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::look::audit;
use crate::shop::Shop;
use crate::stock::{Answer, Error};

/// Buyers at once.
const AT_ONCE: usize = 64;
/// Of 100 buyers so many lose their connection before the answer, click twice, abandon the cart,
/// cancel, and send the goods back.
const BROKEN: u32 = 3;
const TWICE: u32 = 5;
const ABANDON: u32 = 15;
const CANCEL: u32 = 5;
const SEND_BACK: u32 = 3;

/// Sends so many buyers. False: another crowd is still there.
pub fn send(shop: &Arc<Shop>, buyers: u32) -> bool {
    if !shop.crowd.begin(buyers) {
        return false;
    }
    let shop = shop.clone();
    tokio::spawn(async move {
        let (seed, start) = (rand::random(), Instant::now());
        let all = futures_util::stream::iter(0..buyers);
        all.for_each_concurrent(AT_ONCE, |number| one(&shop, seed, number, buyers)).await;
        let seconds = start.elapsed().as_secs_f64();
        let [held, paid, broken, twice, wrong] = {
            let crowd = &shop.crowd;
            [&crowd.held, &crowd.paid, &crowd.broken, &crowd.twice, &crowd.wrong].map(|count| count.load(Relaxed))
        };
        let found = audit(&shop).await.unwrap_or_else(|error| error.to_string());
        shop.office.say(format!(
            "a crowd of {buyers} in {seconds:.1} s: {held} held, {paid} paid, {broken} connections broke, {twice} clicked \
             twice, wrong answers: {wrong}. {found}"
        ));
        shop.crowd.end();
    });
    true
}

async fn one(shop: &Arc<Shop>, seed: u64, number: u32, buyers: u32) {
    if visit(shop, seed, number, buyers).await.is_err() {
        shop.crowd.unserved.fetch_add(1, Relaxed);
    }
    shop.crowd.done.fetch_add(1, Relaxed);
}

/// One buyer, from the click to the end.
async fn visit(shop: &Arc<Shop>, seed: u64, number: u32, buyers: u32) -> Result<(), Error> {
    let crowd = &shop.crowd;
    let mut rng = SmallRng::seed_from_u64(seed ^ u64::from(number));
    let mut of_100 = move |share: u32| rng.random_range(0..100) < share;
    let mut rng = SmallRng::seed_from_u64(!seed ^ u64::from(number));
    // Some come again and again: the limit is for them.
    let who = (f64::from(buyers) * rng.random::<f64>().powi(3)) as u32;
    let buyer = format!("crowd-{who}");
    let order = format!("{:012x}-{number:016x}", seed >> 16);
    let qty = rng.random_range(1..=2);
    let again = of_100(BROKEN) && !shop.board.now().sold_out;
    if again {
        crowd.broken.fetch_add(1, Relaxed);
        hang_up(shop, &order, qty, &buyer, rng.random_range(0..1500)).await;
    }
    let answer = if of_100(TWICE) {
        crowd.twice.fetch_add(1, Relaxed);
        let (first, second) = tokio::join!(shop.buy(&order, qty, &buyer, again), shop.buy(&order, qty, &buyer, again));
        let (first, second) = (first?, second?);
        // Whichever came first has the units; the other one must not have them again.
        if matches!((&first, &second), (Answer::Done(_), Answer::Done(_))) {
            crowd.wrong.fetch_add(1, Relaxed);
        }
        if first.is_done() {
            first
        } else {
            second
        }
    } else {
        shop.buy(&order, qty, &buyer, again).await?
    };
    if !answer.is_done() {
        crowd.refused.fetch_add(1, Relaxed);
        return Ok(());
    }
    crowd.held.fetch_add(1, Relaxed);
    if of_100(ABANDON) {
        crowd.abandoned.fetch_add(1, Relaxed);
    } else if of_100(CANCEL) {
        shop.cancel(&order).await?;
    } else {
        if shop.pay(&order, false).await?.is_done() {
            crowd.paid.fetch_add(1, Relaxed);
        }
        if of_100(SEND_BACK) {
            shop.give_back(&order).await?;
        }
    }
    Ok(())
}

/// Sends the order over a connection of its own, and breaks it before the answer can be read: the
/// buyer does not know whether it was taken.
async fn hang_up(shop: &Shop, order: &str, qty: u32, buyer: &str, after_us: u64) {
    let Ok(mut connection) = shop.stock.client().get_multiplexed_async_connection().await else { return };
    let mut command = redis::cmd("STOCK.RESERVE");
    command.arg(shop.stock.key()).arg(order).arg(qty).arg("FOR").arg("user").arg(buyer);
    let call = command.exec_async(&mut connection);
    let _ = tokio::time::timeout(Duration::from_micros(after_us), call).await;
}
