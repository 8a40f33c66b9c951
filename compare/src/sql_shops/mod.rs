//! The designs that keep the stock in a row of the database, each in PostgreSQL and MariaDB. The
//! two drivers have no common types: `shop.rs` is compiled once for each.

pub mod mariadb;
pub mod postgres;
pub mod texts;

/// How sales are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `UPDATE … SET available = available - n WHERE available >= n`.
    Conditional,
    /// `SELECT … FOR UPDATE`, then everything else.
    ForUpdate,
    /// A row in a table of locks, whose unique key one can have.
    LockTable,
    /// As `Conditional`, in a function of the database.
    Function,
}

/// What an order's state is in the database.
pub const HELD: i16 = 0;
pub const PAID: i16 = 1;
pub const OVER: i16 = 2;

/// The product.
pub const SKU: &str = "618";
