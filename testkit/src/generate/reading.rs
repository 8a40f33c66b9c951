//! Reads.

use super::{order_id, Generator, Rng, ORDERS};

impl Generator {
    pub(super) fn order(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.ORDER");
        argv.push(order_id(self.rng.random_range(0..ORDERS)));
        argv
    }

    pub(super) fn orders(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.ORDERS");
        argv.push(b"0".to_vec());
        let mut options = vec![vec![self.word("COUNT"), b"10000".to_vec()]];
        if self.chance(40) {
            let states = ["reserved", "confirmed", "returned", "released", "expired"];
            options.push(vec![self.word("STATE"), self.one_of(&states).into()]);
        }
        self.push_shuffled(&mut argv, options);
        argv
    }

    pub(super) fn usage(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.USAGE");
        let like = self.rng.random_range(0..ORDERS);
        self.push_attributes(&mut argv, like);
        argv
    }

    pub(super) fn check(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.CHECK");
        let like = self.rng.random_range(0..ORDERS);
        argv.push(self.qty_of(like));
        self.push_attributes(&mut argv, like);
        argv
    }

    pub(super) fn explain(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.EXPLAIN");
        let like = self.rng.random_range(0..ORDERS);
        if self.chance(80) {
            argv.push(self.qty_of(like));
        }
        self.push_attributes(&mut argv, like);
        argv
    }

    pub(super) fn get(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.GET");
        if self.chance(30) {
            argv.push(self.word("RETURNING"));
        }
        argv
    }

    pub(super) fn available(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.AVAILABLE");
        for _ in 0..self.rng.random_range(0..3) {
            argv.push(self.any_pool().into());
        }
        argv
    }
}
