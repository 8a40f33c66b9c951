//! The words of the rules, and the pool itself as data. Nothing here decides or changes anything.
//!
//! Read in this order: `quantity`, `ids`, `tuple`, `time`, `window` and `attributes` (the words),
//! `order`, `limit`, `limits`, `usage`, `sale`, `remembered`, `shifts` and `shifted_quotas` (what
//! is kept), `pool`, `pool_attributes` and `pool_shifts` (the aggregate), `change` (what can happen
//! to it), `refusal` (why it does not), `event` (what is published of a change), `context` and
//! `view` (what a call sees), `returning` and `top_usage` (what operators ask for).

pub mod attributes;
pub mod change;
pub mod context;
pub mod event;
pub mod hash;
pub mod ids;
pub mod limit;
pub mod limits;
pub mod number;
pub mod order;
pub mod placement;
pub mod policy;
pub mod pool;
mod pool_attributes;
mod pool_shifts;
pub mod quantity;
pub mod refusal;
pub mod remembered;
pub mod returning;
pub mod sale;
pub mod shifted_quotas;
pub mod shifts;
pub mod time;
pub mod top_usage;
pub mod tuple;
pub mod usage;
pub mod view;
pub mod window;
pub mod zone;
