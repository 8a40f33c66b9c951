//! What must shift between the buckets of a sharded pool. Pure: it is told what the buckets say,
//! and says which calls are to be made. docs/internals/sharded-pools.md
//!
//! Whoever makes these calls may die between any two of them, make them twice, or make them an hour
//! late: `STOCK.SHIFT` says totals, so a call that was made before changes nothing.

mod bucket;
mod level;
mod settle;
mod step;

pub use bucket::{bucket_of, Bucket, Lane, Quota};
pub use level::{gather, level, Ask};
pub use settle::{in_flight, settle};
pub use step::{Kind, Step};
