//! What events mean for the database, pure: no database, no Redis, no clock. A batch of events is
//! applied to the rows that it touches; what comes out is written in one transaction.
//!
//! The stock row follows `out`. Between the last event applied and this one, `out` moved by so
//! much; so much leaves the stock_row. A missed entry is thereby made up for, and its number
//! becomes an incident.

mod apply;
mod branch;
mod by_pool;
mod gaps;
mod notice;
mod order_lines;
mod rows;
mod stock_row;
mod take;
mod tokens;

pub use branch::{LineageQuery, Past};
pub use by_pool::ByPool;
pub use notice::Notice;
pub use order_lines::{OrderLine, State};
pub use rows::{Fork, HeldLine, Incident, Mark, Position, Projection};
pub use stock_row::{split, Movement, StockRow, NO_ROW};
pub use take::first_of;
pub use tokens::{is_made_up, Token, TokenKey};

#[cfg(test)]
mod tests;
