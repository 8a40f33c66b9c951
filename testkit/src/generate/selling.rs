//! Calls that sell.

use super::{decimal, order_id, remember, Generator, Rng, ORDERS};

impl Generator {
    pub(super) fn reserve(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        let order = match self.chance(70) {
            true => self.orders[place][self.rng.random_range(0..3)],
            false if !self.carts.is_empty() && self.chance(20) => self.carts[0].order,
            false => self.rng.random_range(0..ORDERS),
        };
        self.orders[place].retain(|other| *other != order);
        self.orders[place].push(order);
        remember(&mut self.reserved[place], order);
        let key = if self.chance(1) { "pool:none" } else { key };
        let mut argv = self.start("STOCK.RESERVE", key);
        argv.push(order_id(order));
        argv.push(self.qty_of(order));
        let mut options = Vec::new();
        if self.chance(75) {
            options.push(self.deadline());
        }
        if self.chance(if order % 5 == 0 { 80 } else { 6 }) {
            options.push(vec![self.word("PARTIAL")]);
        }
        if self.chance(12) {
            options.push(self.replaces(place, order));
        }
        self.push_shuffled(&mut argv, options);
        self.push_attributes(&mut argv, order);
        argv
    }

    /// `REPLACES` and one of the orders named last; rarely itself.
    fn replaces(&mut self, place: usize, order: usize) -> Vec<Vec<u8>> {
        let mut old = self.order_of(&self.reserved[place].clone());
        if old == order && self.chance(95) {
            old = (order + self.rng.random_range(1..ORDERS)) % ORDERS;
        }
        vec![self.word("REPLACES"), order_id(old)]
    }

    /// A pool and an order that is held there. Mostly None where none is.
    fn held(&mut self) -> Option<(usize, &'static str, usize)> {
        let (place, key) = self.pool();
        if self.reserved[place].is_empty() && self.chance(80) {
            return None;
        }
        Some((place, key, self.order_of(&self.reserved[place].clone())))
    }

    pub(super) fn confirm(&mut self) -> Vec<Vec<u8>> {
        let Some((place, key, order)) = self.held() else { return self.reserve() };
        remember(&mut self.confirmed[place], order);
        let mut argv = self.start("STOCK.CONFIRM", key);
        argv.push(order_id(order));
        let mut options = Vec::new();
        let late = self.chance(45);
        let since = late && self.chance(45);
        if since && self.chance(92) || self.chance(20) {
            options.push(vec![self.word("QTY"), self.qty_of(order)]);
        }
        if late {
            options.push(vec![self.word("LATE")]);
        }
        if since {
            let ahead_ms = match self.rng.random_range(0..10) {
                0..6 => self.rng.random_range(-300..50),
                6..9 => self.rng.random_range(-10_000..0),
                _ => -self.now_ms + 1,
            };
            options.push(vec![self.word("SINCE"), decimal(self.now_ms + ahead_ms)]);
        }
        self.push_shuffled(&mut argv, options);
        if since && self.chance(90) || late && self.chance(20) {
            self.push_attributes(&mut argv, order);
        }
        argv
    }

    pub(super) fn release(&mut self) -> Vec<Vec<u8>> {
        let Some((_, key, order)) = self.held() else { return self.reserve() };
        let mut argv = self.start("STOCK.RELEASE", key);
        argv.push(order_id(order));
        argv
    }

    pub(super) fn amend(&mut self) -> Vec<Vec<u8>> {
        let Some((_, key, order)) = self.held() else { return self.reserve() };
        let mut argv = self.start("STOCK.AMEND", key);
        argv.push(order_id(order));
        argv.push(match self.chance(85) {
            true => decimal(self.rng.random_range(1..8)),
            false => self.qty_of(order),
        });
        argv
    }

    pub(super) fn split(&mut self) -> Vec<Vec<u8>> {
        let Some((place, key, order)) = self.held() else { return self.reserve() };
        let part = match self.chance(60) {
            true => (order + 1) % ORDERS,
            false => self.rng.random_range(0..ORDERS),
        };
        remember(&mut self.reserved[place], part);
        let mut argv = self.start("STOCK.SPLIT", key);
        argv.push(order_id(order));
        argv.push(order_id(part));
        argv.push(match self.chance(85) {
            true => decimal(self.rng.random_range(1..4)),
            false => self.qty_of(order),
        });
        argv
    }

    pub(super) fn extend(&mut self) -> Vec<Vec<u8>> {
        let Some((_, key, order)) = self.held() else { return self.reserve() };
        let mut argv = self.start("STOCK.EXTEND", key);
        argv.push(order_id(order));
        argv.extend(self.deadline());
        argv
    }

    pub(super) fn return_units(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.confirmed[place].is_empty() && self.chance(80) {
            return self.confirm();
        }
        let order = self.order_of(&self.confirmed[place].clone());
        let mut argv = self.start("STOCK.RETURN", key);
        argv.push(order_id(order));
        let mut options = Vec::new();
        if self.chance(65) {
            let qty = if self.chance(70) { decimal(1) } else { self.qty_of(order) };
            options.push(vec![self.word("QTY"), qty]);
            let token = self.one_of(&["t1", "t2", "t3", "t4", "t5", "t6"]);
            options.push(vec![self.word("TOKEN"), token.into()]);
            if self.chance(35) {
                options.push(vec![self.word("LATE")]);
            }
        }
        if self.chance(15) {
            options.push(vec![self.word("KEEPUSAGE")]);
        }
        if self.chance(15) {
            options.push(vec![self.word("NORESTOCK")]);
        }
        self.push_shuffled(&mut argv, options);
        if self.chance(25) {
            self.push_attributes(&mut argv, order);
        }
        argv
    }
}
