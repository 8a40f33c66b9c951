//! Typed calls of redis-stock, over the async connections of redis-rs 1.x.
//!
//! A call without an answer is sent again, the same, until there is one or the time limit is over:
//! that is safe, since each call carries an order id or a token. Refusals are values, errors are
//! [`Error`].
//!
//! ```no_run
//! use redis_stock_client::{by, reserve, set, Hold, OnlyIf, Outcome, Stock};
//!
//! # async fn sell() -> Result<(), Box<dyn std::error::Error>> {
//! let client = redis::Client::open("redis://127.0.0.1:6379")?;
//! let shop = Stock::new(redis::aio::ConnectionManager::new(client).await?);
//! shop.call(set("sku:618", 10, OnlyIf::Absent)).await?;
//! match shop.call(reserve("sku:618", "order-1", 2, Hold::Seconds(900), by("user", 42))).await? {
//!     Outcome::Done(held) => println!("pay before {}", held.deadline_ms),
//!     Outcome::Exists(order) => println!("the same call was made before: {}", order.state),
//!     Outcome::Refused(no) => println!("sorry: {}", no.word),
//! }
//! # Ok(()) }
//! ```

mod answers;
mod buckets;
mod calls;
mod collect;
mod decode;
mod error;
mod stock;
mod text;

pub use answers::*;
pub use buckets::{ask_of, bucket_of};
pub use calls::*;
pub use collect::Collector;
pub use error::{Class, Error};
pub use stock::Stock;
pub use text::Text;
