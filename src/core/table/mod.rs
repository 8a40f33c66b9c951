//! The tables that a pool is made of. Each grows and shrinks in small steps: no call ever pays for all records.

pub mod bulk;
pub mod index;
pub mod list;
pub mod rows;
pub mod slab;

pub use bulk::Bulk;
pub use index::Index;
pub use list::{Linked, Links, List};
pub use rows::Rows;
pub use slab::{Slab, NONE};
