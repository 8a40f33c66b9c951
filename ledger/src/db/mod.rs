//! The database: SQLite, PostgreSQL, or MySQL and MariaDB, through one code.

mod adjustments;
mod catalogue;
mod connection;
mod copy;
mod database;
mod faults;
mod feed;
mod incidents;
mod lender;
mod many;
mod migrate;
mod outbox;
mod pending;
mod query;
mod rows;
mod stock_rows;
mod table_shape;
mod tokens;
mod transaction;

pub use crate::dialect::Dialect;
pub use adjustments::Adjustment;
pub use connection::{Connection, Pool};
pub use database::Db;
pub use faults::{is_conflict, is_contention, is_read_only, is_unavailable, Conflict};
pub use feed::StreamRow;
pub use incidents::Listed;
pub use migrate::VERSION;
pub use pending::Waiting;
pub use query::{query, Query, Row, Value};
pub use stock_rows::ReadRow;
pub use table_shape::{Shape, Unfit};
pub use transaction::Tx;
