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
        if self.chance(50) {
            options.push(vec![self.word("DETAILS")]);
        }
        self.push_shuffled(&mut argv, options);
        if self.chance(40) {
            self.push_some_attributes(&mut argv);
        }
        argv
    }

    pub(super) fn usage(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.USAGE");
        if self.chance(40) {
            let count = self.one_of(&["1", "2", "3", "1000"]);
            argv.extend([self.word("TOP"), count.into()]);
            if self.chance(50) {
                self.push_some_attributes(&mut argv);
            }
            return argv;
        }
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

    /// `FOR` with one or two attributes that orders have.
    fn push_some_attributes(&mut self, argv: &mut Vec<Vec<u8>>) {
        let dims: &[&str] = self.one_of(&[&["user"][..], &["region"], &["store"], &["region", "user"]]);
        argv.push(self.word("FOR"));
        for dim in dims {
            let like = self.rng.random_range(0..3);
            argv.push(dim.as_bytes().to_vec());
            argv.push(self.value(dim, like));
        }
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
