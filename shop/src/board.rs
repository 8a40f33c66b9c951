//! What every product page shows: one value in memory, pushed to all of them.
//!
//! Three writers keep it true: the event stream says what is left (`feed`), keyspace events say
//! that it is sold out (`mark`), and a look each half second makes up for what either missed
//! (`look`).

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use crate::stock::Pool;

/// The state of the sale, as pages get it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// Units that can be bought now.
    pub available: i64,
    /// The mark: buyers are turned away without a call to Redis.
    pub sold_out: bool,
    /// STOCK.SUSPEND is in force.
    pub suspended: bool,
    /// When the sale starts and ends, Unix ms; 0 = open.
    pub opens_ms: i64,
    /// See `opens_ms`.
    pub ends_ms: i64,
    /// Orders that wait for a worker.
    pub queue: u64,
    /// Whether Redis answers.
    pub online: bool,
    #[serde(skip)]
    epoch: String,
    #[serde(skip)]
    seq: i64,
}

impl Default for Boards {
    fn default() -> Self {
        let board = Board::default();
        let text = json(&board);
        Self { sender: watch::Sender::new((board, text)) }
    }
}

/// The one board, and who watches it.
pub struct Boards {
    sender: watch::Sender<(Board, Arc<str>)>,
}

impl Boards {
    /// The board as it is.
    pub fn now(&self) -> Board {
        self.sender.borrow().0.clone()
    }

    /// The board as JSON, made once for all pages.
    pub fn text(&self) -> Arc<str> {
        self.sender.borrow().1.clone()
    }

    /// Wakes when the board changes.
    pub fn watch(&self) -> watch::Receiver<(Board, Arc<str>)> {
        self.sender.subscribe()
    }

    /// Changes the board, and tells all who watch it, if that makes a difference.
    pub fn change(&self, change: impl FnOnce(&mut Board)) {
        self.sender.send_if_modified(|(board, text)| {
            let before = board.clone();
            change(board);
            if *board == before {
                return false;
            }
            *text = json(board);
            true
        });
    }

    /// Takes over what a look at the pool, or an entry of its stream, says: the later one counts.
    pub fn take(&self, pool: &Pool) {
        self.change(|board| {
            if board.epoch == pool.epoch && board.seq > pool.seq {
                return;
            }
            (board.epoch, board.seq) = (pool.epoch.clone(), pool.seq);
            (board.available, board.suspended) = (pool.available, pool.suspended);
        });
    }
}

fn json(board: &Board) -> Arc<str> {
    serde_json::to_string(board).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(epoch: &str, seq: i64, available: i64) -> Pool {
        Pool { epoch: epoch.into(), seq, available, ..Pool::default() }
    }

    #[test]
    fn a_later_look_counts_and_an_earlier_one_does_not() {
        let boards = Boards::default();
        boards.take(&pool("a", 7, 3));
        boards.take(&pool("a", 6, 9));
        assert_eq!(boards.now().available, 3);
        boards.take(&pool("b", 1, 5));
        assert_eq!(boards.now().available, 5, "a new epoch counts anew");
    }

    #[test]
    fn pages_are_woken_by_a_difference_only() {
        let boards = Boards::default();
        let mut page = boards.watch();
        boards.take(&pool("a", 7, 3));
        assert!(page.has_changed().unwrap());
        page.mark_unchanged();
        boards.take(&pool("a", 7, 3));
        assert!(!page.has_changed().unwrap());
        assert!(boards.text().contains("\"available\":3"));
    }
}
