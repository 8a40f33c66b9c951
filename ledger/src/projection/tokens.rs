//! Tokens of STOCK.ADD, STOCK.TRANSFER and STOCK.RETURN: by them a call is known again that Redis
//! lost and its caller repeats.

use crate::event::{Event, Kind};
use crate::text::{ascii, unescape};

/// A pool, an order (empty: an ADD or a TRANSFER) and a token.
pub type TokenKey = (String, String, String);

/// A call that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its units.
    pub units: i64,
    /// Redis has lost it, and it has not come again.
    pub lost: bool,
    /// The event's epoch.
    pub epoch: String,
    /// The event's number.
    pub seq: i64,
}

/// What stands in place of a token that an ADD did not have: no token is written like this (see
/// `text::ascii`).
const NONE: &str = "\\e";

/// Whether the caller of this ADD gave no token.
pub fn is_made_up(token: &str) -> bool {
    token.starts_with(NONE)
}

impl Event {
    /// The name under which this call is remembered; none for what nobody repeats by a token.
    pub fn token_key(&self) -> Option<TokenKey> {
        let token = match (&self.token, self.kind) {
            (Some(token), _) => token.clone(),
            (None, Kind::Added) => format!("{NONE}{}.{}", self.epoch, self.seq),
            _ => return None,
        };
        let order = self.order.as_deref().map(|o| ascii(&unescape(o))).unwrap_or_default();
        Some((self.pool.clone(), order, token))
    }
}
