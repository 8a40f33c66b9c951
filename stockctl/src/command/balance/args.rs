//! The arguments of `stockctl balance`.

/// Shifts units between the buckets of a sharded pool, so that none runs dry while others have some
///
/// Any number of them may run, on any machines, and any of them may die at any time: each shift is
/// two calls that can be repeated by anybody. One at a time fills buckets up; all of them serve the
/// buyers who ask. They are woken by these, and by keyspace events of the buckets where servers
/// publish them. It needs the rights to call STOCK.SHIFT, and to write the keys `{NAME}…`.
/// docs/guides/hot-sku.md
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The sharded pool's name: the value of {NAME}shards says what its buckets are
    pub name: String,
    /// Look at the buckets so often, in milliseconds, when nothing wakes it. Above 2000 the sum
    /// that clients read is gone between two looks
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub every: u64,
    /// Before units arrive, so many replicas must know that they have left (WAIT)
    #[arg(long, value_name = "REPLICAS", default_value_t = 0)]
    pub wait: u32,
    /// End what was begun, fill up what runs low, and exit
    #[arg(long)]
    pub once: bool,
}
