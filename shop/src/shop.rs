//! The shop: one struct with all that the pages, the crowd and the followers share, and what buyers
//! can do.

use redis::RedisResult;
use serde::Serialize;

use crate::backstage::Backstage;
use crate::board::Boards;
use crate::crowd::Crowd;
use crate::database::Database;
use crate::now_ms;
use crate::office::Office;
use crate::orders::{Orders, Queue, Told};
use crate::stock::{Answer, Stock};

/// What is sold.
pub struct Product {
    /// Its row in the database.
    pub sku: String,
    /// Its name on the pages.
    pub title: String,
    /// Its price on the pages.
    pub price: String,
    /// Units for each buyer.
    pub limit: u32,
}

/// All of it. Shared by an `Arc`.
pub struct Shop {
    /// What is sold.
    pub product: Product,
    /// Its pool.
    pub stock: Stock,
    /// The stream of the pool's changes, which is the order queue.
    pub stream: String,
    /// What product pages show.
    pub board: Boards,
    /// What is remembered about orders.
    pub orders: Orders,
    /// Where workers and stock-ledger write.
    pub database: Database,
    /// What the back office counts.
    pub office: Office,
    /// Buyers that the back office sends.
    pub crowd: Crowd,
    /// The processes behind the shop.
    pub backstage: Backstage,
}

/// An order as its page shows it.
#[derive(Serialize)]
pub struct OrderView {
    /// queued, held, paid, given_up, expired, returned, or unknown.
    pub step: &'static str,
    /// Orders before it in the queue.
    pub ahead: u64,
    /// Units.
    pub qty: i64,
    /// When the hold ends, Unix ms.
    pub deadline_ms: i64,
    /// The shop's clock.
    pub now_ms: i64,
}

impl Shop {
    /// Buys: one command that checks stock and limits, takes the units and remembers the order.
    /// While the mark says sold out, Redis is not asked; except for a call that is made `again`: the
    /// one before it, whose answer was lost, may have taken the last unit.
    pub async fn buy(&self, order: &str, qty: u32, buyer: &str, again: bool) -> RedisResult<Answer> {
        if self.board.now().sold_out && !again {
            self.office.asked_from_memory(buyer, "SOLDOUT");
            return Ok(Answer::Refused("SOLDOUT".into(), vec!["0".into()]));
        }
        let answer = self.stock.reserve(order, qty, buyer).await?;
        self.heard(order, buyer, qty, &answer);
        Ok(answer)
    }

    /// A buyer has this answer to a reservation.
    pub fn heard(&self, order: &str, buyer: &str, qty: u32, answer: &Answer) {
        self.office.asked(buyer, qty, answer);
        if matches!(answer, Answer::Done(_)) || *answer == Answer::Exists("reserved".into()) {
            self.orders.tell(order, Told::Held);
        }
    }

    /// The payment came; `late` honours one that came after the deadline, where there still are units.
    pub async fn pay(&self, order: &str, late: bool) -> RedisResult<Answer> {
        let answer = self.stock.confirm(order, late).await?;
        match &answer {
            Answer::Done(_) => self.orders.tell(order, Told::Paid),
            Answer::Exists(state) if state == "confirmed" => self.orders.tell(order, Told::Paid),
            Answer::Exists(_) => {}
            Answer::Refused(word, _) => self.office.refused(word),
        }
        Ok(answer)
    }

    /// The buyer gives the order up.
    pub async fn cancel(&self, order: &str) -> RedisResult<Answer> {
        self.stock.release(order).await
    }

    /// All of a paid order comes back.
    pub async fn give_back(&self, order: &str) -> RedisResult<Answer> {
        let answer = self.stock.give_back(order).await?;
        if !matches!(answer, Answer::Refused(..)) {
            self.orders.tell(order, Told::Returned);
        }
        Ok(answer)
    }

    /// The order as it stands: Redis knows its state, the database whether a worker has made it.
    pub async fn view(&self, order: &str) -> RedisResult<OrderView> {
        let known = self.stock.order(order).await?;
        let mut ahead = 0;
        let step = match known.as_ref().map(|known| known.state.as_str()) {
            Some("reserved") => {
                let mut queue = self.orders.queue(order);
                // The database knows also where this process was started anew. While it is away: wait.
                if queue != Queue::Made && self.database.is_made(order).await.unwrap_or(false) {
                    self.orders.made(order);
                    queue = Queue::Made;
                }
                match queue {
                    Queue::Made => "held",
                    Queue::Waiting(number) => {
                        ahead = number;
                        "queued"
                    }
                    Queue::Unknown => "queued",
                }
            }
            Some("confirmed") => "paid",
            Some("released") => "given_up",
            Some("expired") => "expired",
            Some("returned") => "returned",
            _ => "unknown",
        };
        let (qty, deadline_ms) = known.map(|known| (known.qty, known.deadline_ms)).unwrap_or_default();
        Ok(OrderView { step, ahead, qty, deadline_ms, now_ms: now_ms() })
    }
}
