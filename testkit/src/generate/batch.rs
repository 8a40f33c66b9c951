//! Calls with many orders of one pool.

use super::{decimal, order_id, remember, Generator, Rng, ORDERS};

impl Generator {
    pub(super) fn reserve_batch(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        let key = if self.chance(1) { "pool:none" } else { key };
        let mut argv = self.start("STOCK.RESERVEBATCH", key);
        let mut options = Vec::new();
        if self.chance(75) {
            options.push(self.deadline());
        }
        let mut dims = vec!["user", "region", "store"];
        match self.rng.random_range(0..20) {
            0 => dims.clear(),
            1 => dims.retain(|dim| *dim != "region"),
            2 => dims.push("group"),
            3..6 => dims.reverse(),
            _ => {}
        }
        if !dims.is_empty() {
            let mut words = vec![self.word("DIMS"), decimal(dims.len() as i64)];
            words.extend(dims.iter().map(|dim| dim.as_bytes().to_vec()));
            options.push(words);
        }
        self.push_shuffled(&mut argv, options);
        let count = self.how_many();
        argv.push(self.word("ORDERS"));
        argv.push(decimal(count));
        for _ in 0..count {
            // Often one that the call has named before.
            let order = match self.chance(45) {
                true => self.order_of(&self.reserved[place].clone()),
                false => self.rng.random_range(0..ORDERS),
            };
            remember(&mut self.reserved[place], order);
            argv.push(order_id(order));
            argv.push(self.qty_of(order));
            for dim in &dims {
                argv.push(self.value(dim, order));
            }
        }
        argv
    }

    pub(super) fn confirm_batch(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        let mut argv = self.start("STOCK.CONFIRMBATCH", key);
        let count = self.how_many();
        argv.push(self.word("ORDERS"));
        argv.push(decimal(count));
        for _ in 0..count {
            let order = self.order_of(&self.reserved[place].clone());
            remember(&mut self.confirmed[place], order);
            argv.push(order_id(order));
        }
        argv
    }

    /// How many orders a call has.
    fn how_many(&mut self) -> i64 {
        match self.rng.random_range(0..20) {
            0 => self.rng.random_range(8..24),
            _ => self.rng.random_range(1..6),
        }
    }
}
