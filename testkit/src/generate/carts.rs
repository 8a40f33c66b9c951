//! Carts.

use super::{decimal, order_id, words, Cart, Generator, Rng, SliceRandom, CARTS, CROWDED, MAX_QTY, ORDERS, POOLS};

impl Generator {
    pub(super) fn cart(&mut self) -> Vec<Vec<u8>> {
        match self.rng.random_range(0..100) {
            _ if self.carts.is_empty() => self.reserve_cart(),
            0..40 => self.reserve_cart(),
            40..45 => self.split_cart(),
            45..65 => self.confirm_cart(),
            65..76 => self.cart_of("STOCK.MRELEASE", false).1,
            76..84 => {
                let mut argv = self.cart_of("STOCK.MEXTEND", false).1;
                argv.extend(self.deadline());
                argv
            }
            84..95 => {
                let mut argv = self.cart_of("STOCK.MRETURN", true).1;
                let mut options = Vec::new();
                for word in ["KEEPUSAGE", "NORESTOCK"] {
                    if self.chance(15) {
                        options.push(vec![self.word(word)]);
                    }
                }
                self.push_shuffled(&mut argv, options);
                argv
            }
            95..98 => {
                let key = self.pool().1;
                self.start("STOCK.RESUME", key)
            }
            _ => self.malformed_cart(),
        }
    }

    /// `order numkeys key [key ...]`
    pub(super) fn start_cart(&mut self, command: &str, order: usize, places: &[usize]) -> Vec<Vec<u8>> {
        let mut argv = vec![self.word(command), order_id(order), decimal(places.len() as i64)];
        for place in places {
            let key = match self.rng.random_range(0..600) {
                0 => "pool:none",
                1 => CROWDED,
                _ => POOLS[*place],
            };
            argv.push(key.into());
        }
        argv
    }

    pub(super) fn new_cart(&mut self) -> Cart {
        // Mostly the order that was not named for the longest time.
        let named = |order: &usize| self.carts.iter().any(|cart| cart.order == *order);
        let fresh: Vec<usize> = CARTS.filter(|order| !named(order)).collect();
        let order = match self.rng.random_range(0..100) {
            0..8 => self.rng.random_range(0..ORDERS),
            8..14 => self.rng.random_range(CARTS),
            _ => fresh[self.rng.random_range(0..fresh.len())],
        };
        let mut places: Vec<usize> = (0..POOLS.len()).collect();
        places.shuffle(&mut self.rng);
        places.truncate(self.rng.random_range(1..=POOLS.len()));
        if self.chance(15) {
            let again = places[self.rng.random_range(0..places.len())];
            let at = self.rng.random_range(0..=places.len());
            places.insert(at, again);
        }
        let mut parts = Vec::new();
        for place in places {
            let qty = match self.rng.random_range(0..400) {
                0..380 => 1 + (order + place) as i64 % 3,
                380..398 => self.rng.random_range(4..30),
                398 => MAX_QTY - 1,
                _ => MAX_QTY,
            };
            parts.push((place, qty));
        }
        let mut attributes = Vec::new();
        self.push_attributes(&mut attributes, order);
        let replaces = if self.chance(25) { self.replaced_by(order, &mut parts) } else { None };
        Cart { order, parts, attributes, replaces }
    }

    /// An order that a new cart replaces: mostly a cart of those named last, with its pools in
    /// which the new one takes nothing.
    fn replaced_by(&mut self, order: usize, parts: &mut Vec<(usize, i64)>) -> Option<usize> {
        if self.carts.is_empty() || self.chance(5) {
            return Some(self.rng.random_range(0..ORDERS));
        }
        let old = self.carts[self.rng.random_range(0..self.carts.len())].clone();
        if old.order == order && self.chance(90) {
            return None;
        }
        for (place, _) in old.parts {
            if self.chance(80) && !parts.iter().any(|part| part.0 == place) {
                let at = self.rng.random_range(0..=parts.len());
                parts.insert(at, (place, 0));
            }
        }
        if self.chance(20) {
            let at = self.rng.random_range(0..parts.len());
            parts[at].1 = 0;
        }
        Some(old.order)
    }

    /// A new cart, or one again: as it was, or with something changed.
    pub(super) fn reserve_cart(&mut self) -> Vec<Vec<u8>> {
        let mut cart = match self.carts.is_empty() || self.chance(75) {
            true => self.new_cart(),
            false => {
                let mut cart = self.carts[self.rng.random_range(0..self.carts.len())].clone();
                match self.rng.random_range(0..10) {
                    0 => cart.parts[0].1 = 4,
                    1 => {
                        cart.attributes.clear();
                        let order = cart.order + 1;
                        self.push_attributes(&mut cart.attributes, order);
                    }
                    2 => self.change_places(&mut cart),
                    3 => cart.parts.shuffle(&mut self.rng),
                    _ => {}
                }
                cart
            }
        };
        if cart.parts.is_empty() {
            cart.parts.push((0, 1));
        }
        self.carts.retain(|other| other.order != cart.order);
        self.carts.push_back(cart.clone());
        if self.carts.len() > 5 {
            self.carts.pop_front();
        }
        let (places, qty): (Vec<usize>, Vec<i64>) = cart.parts.iter().copied().unzip();
        let mut argv = self.start_cart("STOCK.MRESERVE", cart.order, &places);
        argv.push(self.word("QTY"));
        argv.extend(qty.into_iter().map(decimal));
        let mut options = Vec::new();
        if self.chance(75) {
            options.push(self.deadline());
        }
        if let Some(old) = cart.replaces {
            options.push(vec![self.word("REPLACES"), order_id(old)]);
        }
        self.push_shuffled(&mut argv, options);
        argv.extend(cart.attributes);
        argv
    }

    /// One pool more, or one less.
    pub(super) fn change_places(&mut self, cart: &mut Cart) {
        match cart.parts.len() > 1 && self.chance(50) {
            true => {
                let at = self.rng.random_range(0..cart.parts.len());
                cart.parts.remove(at);
            }
            false => cart.parts.push((self.rng.random_range(0..POOLS.len()), 1)),
        }
    }

    /// A cart of those named last, mostly in all its pools.
    pub(super) fn cart_of(&mut self, command: &str, paid: bool) -> (Cart, Vec<Vec<u8>>) {
        let among = if paid && !self.paid_carts.is_empty() { &self.paid_carts } else { &self.carts };
        let count = among.len();
        // Rather one of the last.
        let at = self.rng.random_range(0..count).max(self.rng.random_range(0..count));
        let mut cart = among[at].clone();
        if self.chance(6) {
            cart = self.new_cart();
        }
        if self.chance(10) {
            self.change_places(&mut cart);
        }
        if self.chance(12) {
            cart.parts.shuffle(&mut self.rng);
        }
        let places: Vec<usize> = cart.parts.iter().map(|part| part.0).collect();
        let argv = self.start_cart(command, cart.order, &places);
        (cart, argv)
    }

    pub(super) fn confirm_cart(&mut self) -> Vec<Vec<u8>> {
        let (cart, mut argv) = self.cart_of("STOCK.MCONFIRM", false);
        let mut options = Vec::new();
        if self.chance(40) {
            options.push(vec![self.word("LATE")]);
        }
        if self.chance(25) {
            options.push(self.quantities(&cart));
        }
        self.push_shuffled(&mut argv, options);
        self.paid_carts.retain(|other| other.order != cart.order);
        self.paid_carts.push_back(cart);
        if self.paid_carts.len() > 4 {
            self.paid_carts.pop_front();
        }
        argv
    }

    /// `QTY` and about as many as the cart was made of, or fewer.
    fn quantities(&mut self, cart: &Cart) -> Vec<Vec<u8>> {
        let mut words = vec![self.word("QTY")];
        for &(_, qty) in &cart.parts {
            let most = qty.clamp(1, 30);
            let qty = if self.chance(60) { self.rng.random_range(1..=most) } else { most };
            words.push(decimal(qty));
        }
        words
    }

    /// Part of a cart becomes one of its own, which later calls may name.
    fn split_cart(&mut self) -> Vec<Vec<u8>> {
        let (mut cart, mut argv) = self.cart_of("STOCK.MSPLIT", false);
        let part = match self.chance(70) {
            true => CARTS.start + (cart.order + 1) % CARTS.len(),
            false => self.rng.random_range(0..CARTS.end),
        };
        argv.insert(2, order_id(part));
        argv.extend(self.quantities(&cart));
        cart.order = part;
        cart.replaces = None;
        self.carts.retain(|other| other.order != part);
        self.carts.push_back(cart);
        if self.carts.len() > 5 {
            self.carts.pop_front();
        }
        argv
    }

    pub(super) fn malformed_cart(&mut self) -> Vec<Vec<u8>> {
        let (a, b) = (POOLS[0], POOLS[1]);
        let long = "x".repeat(129);
        let bad = self.one_of(&["0", "-1", "129", "01", "+1", "", "two", "3", "99999999999999999999", "2147483648"]);
        let most = "9007199254740991";
        let calls: [&[&str]; 34] = [
            &["STOCK.MSPLIT", "o13", "o14", "2", a, b, "QTY", "1"],
            &["STOCK.MSPLIT", "o13", "o14", "2", a, b, "QTY", "1", "0"],
            &["STOCK.MSPLIT", "o13", "o13", "2", a, b, "QTY", "1", "1"],
            &["STOCK.MSPLIT", "o13", "o14", bad, a, b],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "QTY", "1", "0"],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "QTY", "1", "1", "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "REPLACES", "o13"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "0", "0", "REPLACES", "o14"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "REPLACES", ""],
            &["STOCK.MRESERVE", "o13", "2", a, b, "REPLACES", "o14", "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", bad, a, b, "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "0"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "-1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, a, "QTY", most, "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "EX", "1", "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "EX", "1", "PX", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "PARTIAL"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "FOR", "user"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "FOR"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "PXAT", "0"],
            &["STOCK.MRESERVE", "", "2", a, b, "QTY", "1", "1"],
            &["STOCK.MRESERVE", &long, "2", a, b, "QTY", "1", "1"],
            &["STOCK.MCONFIRM", "o13", bad, a, b],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "LATE", "LATE"],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "QTY", "1"],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "LATE", "SINCE", "1"],
            &["STOCK.MRELEASE", "o13", "1", a, b],
            &["STOCK.MRELEASE", "o13", bad, a],
            &["STOCK.MEXTEND", "o13", "2", a, b],
            &["STOCK.MEXTEND", "o13", "2", a, b, "EX", "0"],
            &["STOCK.MRETURN", "o13", "2", a, b, "KEEPUSAGE", "KEEPUSAGE"],
            &["STOCK.MRETURN", "o13", "2", a, b, "QTY", "1", "TOKEN", "t"],
        ];
        words(self.one_of(&calls))
    }

    /// A cart over the crowded pool and another one.
    pub(super) fn cart_in_backlog(&mut self, which: usize) -> Vec<Vec<u8>> {
        let (id, user) = (format!("x{which}"), format!("u{}", which % 3));
        let other = self.pool().1;
        let (first, second) = if self.chance(50) { (CROWDED, other) } else { (other, CROWDED) };
        match self.rng.random_range(0..14) {
            12 => words(&["STOCK.MRESERVE", "swap", "2", first, second, "QTY", "0", "1", "REPLACES", &id]),
            13 => words(&["STOCK.MRESERVE", "swap", "1", CROWDED, "QTY", "2", "REPLACES", &id, "FOR", "user", &user]),
            0..2 => words(&["STOCK.MRESERVE", &id, "2", first, second, "QTY", "1", "1", "FOR", "user", &user]),
            2 => words(&["STOCK.MRESERVE", "fresh", "2", first, second, "QTY", "1", "1", "FOR", "user", &user]),
            3 => words(&["STOCK.MRESERVE", &id, "2", CROWDED, CROWDED, "QTY", "1", "1", "FOR", "user", &user]),
            4 => words(&["STOCK.MCONFIRM", &id, "1", CROWDED, "LATE"]),
            5 => words(&["STOCK.MCONFIRM", &id, "2", first, second, "LATE"]),
            6 => words(&["STOCK.MRELEASE", &id, "2", CROWDED, CROWDED]),
            7 => words(&["STOCK.MRELEASE", &id, "2", first, second]),
            8 => words(&["STOCK.MEXTEND", &id, "1", CROWDED, "EX", "2"]),
            9 => words(&["STOCK.MRETURN", &id, "1", CROWDED]),
            10 => words(&["STOCK.MRELEASE", "fresh", "2", first, second]),
            _ => words(&["STOCK.MCONFIRM", &id, "2", CROWDED, "pool:none"]),
        }
    }
}
