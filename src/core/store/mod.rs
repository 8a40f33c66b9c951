//! The tables that a pool is made of. Each grows and shrinks in small steps: no call ever pays for
//! all rows.
//!
//! `rows` and `slab` hold records at stable numbers, `list` and `timeline` put them in order,
//! `index` and `bulk` find them by a hash, `frequent` without one, `layout` names the fields of a
//! row. `orders` and `placed_orders`, `usage_entries` and `usage`, and `tokens` are what a pool
//! keeps in them; by `on_demand` these take nothing before their first use.

pub mod bulk;
pub mod frequent;
pub mod index;
pub mod layout;
pub mod list;
pub mod on_demand;
pub mod order_shares;
pub mod orders;
pub mod placed_orders;
pub mod rows;
pub mod slab;
pub mod timeline;
pub mod tokens;
pub mod usage;
pub mod usage_entries;
