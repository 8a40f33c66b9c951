//! TRANSFER: free units go from one pool to another.

use super::answers::{conflict, error, int, ok, syntax, words};
use super::arguments::{Args, Options};
use super::base::Answer;
use super::carts::settle;
use super::pools::Reference;
use super::records::AddToken;
use crate::reply::Reply;

impl Reference {
    pub(super) fn transfer(&mut self, now: i128, mut args: Args) -> Answer {
        let keys = [args.key()?, args.key()?];
        if keys.iter().any(|key| key.len() > 512) {
            return Err(error("the key is too long to be told"));
        }
        let qty = args.quantity()?;
        if args.rest.is_empty() {
            return Err(error("wrong number of arguments"));
        }
        let Options { token, note, .. } = args.options(now, &["TOKEN", "NOTE"])?;
        let token = token.ok_or_else(syntax)?;
        if keys[0] == keys[1] {
            return Err(error("this is one pool"));
        }
        let mut pools = self.views(now, &keys)?;
        // What each pool gets, and who the other one is.
        let sides = [(-qty, &keys[1]), (qty, &keys[0])];
        let known: Vec<_> = pools.iter().map(|pool| pool.add_tokens.get(&token)).collect();
        for (known, (delta, peer)) in known.iter().zip(sides) {
            if known.is_some_and(|known| known.delta != delta || known.peer.as_ref() != Some(peer)) {
                return Err(conflict("the token has other content"));
            }
        }
        if let Some(place) = known.iter().position(Option::is_some) {
            let key = Reply::bulk(&keys[place]);
            return Err(words(&[Reply::bulk("EXISTS"), key, Reply::bulk("transferred"), int(qty), int(0), int(0)]));
        }
        for ((pool, key), (delta, peer)) in pools.iter_mut().zip(&keys).zip(sides) {
            if pool.add_tokens.len() >= self.config.max_orders {
                return Err(error("the pool has too many tokens"));
            }
            let Some(on_hand) = pool.on_hand else {
                return Err(error("the pool is unlimited"));
            };
            // Neither held nor kept back; and what may be oversold does not exist.
            let free = on_hand - pool.reserved() - pool.policy.safety.max(0);
            if delta < 0 && -delta > free {
                return Err(words(&[Reply::bulk("SOLDOUT"), Reply::bulk(key), int(free.max(0))]));
            }
            let remembered = AddToken { delta, at_ms: now, forget_ms: None, peer: Some(peer.clone()) };
            pool.add_tokens.insert(token.clone(), remembered);
            pool.on_hand = Some(on_hand + delta);
            pool.out -= delta;
            pool.change();
            pool.tell_token("transferred", None, delta, Some(token.clone()));
            pool.note(note.as_ref());
            if let Some(told) = pool.told.last_mut() {
                told.peer = Some(peer.clone());
            }
            settle(pool, &self.config)?;
        }
        let answer = pools.iter().flat_map(|pool| [int(pool.on_hand.unwrap_or(-1)), pool.shown_available()]);
        let answer = ok(&answer.collect::<Vec<_>>());
        self.keep(&keys, pools);
        Ok(answer)
    }
}
