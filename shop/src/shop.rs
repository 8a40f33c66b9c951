//! The shop: one struct with all that the pages, the crowd and the followers share, and what buyers
//! can do.

use serde::Serialize;

use crate::backstage::Backstage;
use crate::board::Boards;
use crate::clock::now_ms;
use crate::crowd::Crowd;
use crate::database::Database;
use crate::office::Office;
use crate::orders::{Orders, Queue, Told};
use crate::stock::{Answer, Error, OrderState, Refused, Stock, Why};

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
    /// While the mark says sold out, Redis is not asked; except for a call that is made `again`:
    /// the one before it, whose answer was lost, may have taken the last unit.
    pub async fn buy(&self, order: &str, qty: u32, buyer: &str, again: bool) -> Result<Answer, Error> {
        if self.board.now().sold_out && !again {
            self.office.asked_from_memory(buyer, "SOLDOUT");
            return Ok(Answer::Refused(Refused {
                word: "SOLDOUT".into(),
                key: Default::default(),
                why: Why::SoldOut { available: 0 },
            }));
        }
        let answer = self.stock.reserve(order, qty, buyer).await?;
        self.heard(order, buyer, qty, &answer);
        Ok(answer)
    }

    /// A buyer has this answer to a reservation.
    pub fn heard(&self, order: &str, buyer: &str, qty: u32, answer: &Answer) {
        self.office.asked(buyer, qty, answer);
        if answer.is_held() {
            self.orders.tell(order, Told::Held);
        }
    }

    /// The payment came; `late` honours one that came after the deadline, where there still are
    /// units.
    pub async fn pay(&self, order: &str, late: bool) -> Result<Answer, Error> {
        let answer = self.stock.confirm(order, late).await?;
        match &answer {
            Answer::Done(_) => self.orders.tell(order, Told::Paid),
            Answer::Exists(found) if found.state == OrderState::Confirmed => self.orders.tell(order, Told::Paid),
            Answer::Exists(_) => {}
            Answer::Refused(no) => self.office.refused(&no.word),
        }
        Ok(answer)
    }

    /// The buyer gives the order up.
    pub async fn cancel(&self, order: &str) -> Result<Answer, Error> {
        self.stock.release(order).await
    }

    /// All of a paid order comes back.
    pub async fn give_back(&self, order: &str) -> Result<Answer, Error> {
        let answer = self.stock.give_back(order).await?;
        if answer.is_done() {
            self.orders.tell(order, Told::Returned);
        }
        Ok(answer)
    }

    /// The order as it stands: Redis knows its state, the database whether a worker has made it.
    pub async fn view(&self, order: &str) -> Result<OrderView, Error> {
        let known = self.stock.order(order).await?;
        let mut ahead = 0;
        let step = match known.as_ref().map(|known| &known.state) {
            Some(OrderState::Reserved) => {
                let mut queue = self.orders.queue(order);
                // The database knows also where this process was started anew. While it is away:
                // wait.
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
            Some(OrderState::Confirmed) => "paid",
            Some(OrderState::Released) => "given_up",
            Some(OrderState::Expired) => "expired",
            Some(OrderState::Returned) => "returned",
            _ => "unknown",
        };
        let (qty, deadline_ms) = known.map(|known| (known.quantity, known.deadline_ms)).unwrap_or_default();
        Ok(OrderView { step, ahead, qty, deadline_ms, now_ms: now_ms() })
    }
}
