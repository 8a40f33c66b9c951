//! What the shop remembers about orders, besides what Redis and the database know: who waits for a
//! worker, which page wants to know, and what buyers were told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// So many orders are remembered, the newest.
const REMEMBERED: usize = 200_000;

/// Shared by the pages, the stream's reader and the crowd.
#[derive(Default)]
pub struct Orders {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: HashMap<String, Known>,
    age: VecDeque<String>,
    entered: u64,
    served: u64,
    pages: HashMap<String, Arc<Notify>>,
}

/// What is remembered about an order.
#[derive(Clone, Default)]
struct Known {
    /// Its number in the queue.
    number: Option<u64>,
    made: bool,
    told: Option<Told>,
}

/// What the shop answered a buyer, and must be true from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The units are held: the pool knows the order.
    Held,
    /// The order is paid.
    Paid,
    /// All came back after the payment.
    Returned,
}

/// Where an order stands on its way through the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// So many orders are before it.
    Waiting(u64),
    /// A worker has made it.
    Made,
    /// It was not seen.
    Unknown,
}

impl Orders {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Each change is whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An order has entered the queue.
    pub fn entered(&self, order: &str) {
        let mut inner = self.lock();
        let number = inner.entered;
        let known = inner.known(order);
        if known.number.is_none() {
            known.number = Some(number);
            inner.entered += 1;
        }
        inner.ring(order);
    }

    /// A worker has made the order.
    pub fn made(&self, order: &str) {
        let mut inner = self.lock();
        let known = inner.known(order);
        if !known.made {
            known.made = true;
            inner.served += 1;
        }
        inner.ring(order);
    }

    /// Where the order stands. Those that were made out of turn make the number a little too small.
    pub fn queue(&self, order: &str) -> Queue {
        let inner = self.lock();
        match inner.known.get(order) {
            Some(Known { made: true, .. }) => Queue::Made,
            Some(Known { number: Some(number), .. }) => Queue::Waiting(number.saturating_sub(inner.served)),
            _ => Queue::Unknown,
        }
    }

    /// Something has happened to the order: its page looks again.
    pub fn ring(&self, order: &str) {
        self.lock().ring(order);
    }

    /// What a page of the order waits for.
    pub fn page(&self, order: &str) -> Arc<Notify> {
        let mut inner = self.lock();
        // Pages that were closed.
        inner.pages.retain(|_, bell| Arc::strong_count(bell) > 1);
        inner.pages.entry(order.to_owned()).or_default().clone()
    }

    /// A buyer was told this.
    pub fn tell(&self, order: &str, told: Told) {
        self.lock().known(order).told = Some(told);
    }

    /// All that buyers were told, to be looked up.
    pub fn told(&self) -> Vec<(String, Told)> {
        let inner = self.lock();
        inner.known.iter().filter_map(|(order, known)| Some((order.clone(), known.told?))).collect()
    }
}

impl Inner {
    fn known(&mut self, order: &str) -> &mut Known {
        if !self.known.contains_key(order) {
            if self.age.len() >= REMEMBERED {
                let oldest = self.age.pop_front();
                oldest.map(|oldest| self.known.remove(&oldest));
            }
            self.age.push_back(order.to_owned());
        }
        self.known.entry(order.to_owned()).or_default()
    }

    fn ring(&self, order: &str) {
        if let Some(bell) = self.pages.get(order) {
            bell.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_moves_on_with_what_is_made() {
        let orders = Orders::default();
        for order in ["a", "b", "c"] {
            orders.entered(order);
        }
        assert_eq!(orders.queue("c"), Queue::Waiting(2));
        orders.made("a");
        orders.made("a");
        assert_eq!(orders.queue("a"), Queue::Made);
        assert_eq!(orders.queue("c"), Queue::Waiting(1), "an entry that comes twice counts once");
        assert_eq!(orders.queue("d"), Queue::Unknown);
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let orders = Orders::default();
        for number in 0..=REMEMBERED {
            orders.tell(&number.to_string(), Told::Held);
        }
        assert_eq!(orders.told().len(), REMEMBERED);
        assert_eq!(orders.queue("0"), Queue::Unknown);
    }
}
