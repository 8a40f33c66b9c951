//! The statements. Each is prepared once on each connection, by the driver.

/// In the order in which values are bound.
pub struct Texts {
    pub tables: &'static [&'static str],
    /// sku, available
    pub put_stock: &'static str,
    /// id, user, qty, deadline, sku, qty. No row: the id is known, or it is sold out.
    pub insert_order: &'static str,
    /// id, user, qty, deadline, max, sku: all of it. The state of the order; none: refused.
    pub reserve: &'static str,
    /// id
    pub order_state: &'static str,
    /// user, qty, max. No row: the limit, or look further.
    pub use_first: &'static str,
    /// qty, user, qty, max. No row: the limit.
    pub use_more: Option<&'static str>,
    /// qty, sku, qty. No row: sold out.
    pub take: &'static str,
    /// sku
    pub lock_stock: &'static str,
    /// sku
    pub stock: &'static str,
    /// delta, sku
    pub change_stock: &'static str,
    /// delta, user
    pub change_used: &'static str,
    /// state, id. No row: it is not held.
    pub end_order: &'static str,
    /// now
    pub due: &'static str,
    /// name, owner, now. No row: somebody has it.
    pub lock: &'static str,
    /// name, owner
    pub unlock: &'static str,
    /// older than
    pub remove_old_locks: &'static str,
}
