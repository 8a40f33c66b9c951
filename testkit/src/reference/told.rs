//! What the reference says that the outside world is told, and RECONCILE, which goes by it.

use std::collections::BTreeMap;

use super::answers::{error, int, ok, refusal, syntax};
use super::arguments::{number, within, Args};
use super::base::{Answer, Bytes, MAX_QTY};
use super::pool::Pool;
use super::pools::Reference;
use super::records::EventRef;

impl Pool {
    /// Tells of the change that was just made.
    pub(super) fn tell(&mut self, kind: &'static str, order: Option<&[u8]>, qty: i128) {
        let (before, after) = (self.could, self.available());
        self.could = after;
        let some = |available: Option<i128>| available.is_none_or(|units| units > 0);
        let above = |available: Option<i128>| available.is_none_or(|units| units > self.policy.alert);
        let edge = match (some(before), some(after)) {
            (true, false) => Some("soldout"),
            (false, true) => Some("restocked"),
            _ if self.policy.alert > 0 && above(before) && !above(after) => Some("low"),
            _ => None,
        };
        let told = EventRef {
            kind,
            order: order.map(<[u8]>::to_vec),
            qty,
            seq: self.seq,
            available: after.map(|units| units.max(0)),
            reserved: self.reserved(),
            on_hand: self.on_hand,
            sold: self.sold,
            out: self.out,
            edge,
            token: None,
            peer: None,
            changed: None,
            note: None,
            stream: self.policy.events.clone(),
            packed: self.policy.packed_events,
        };
        self.told.push(told);
    }

    /// The same of a call that brought a token.
    pub(super) fn tell_token(&mut self, kind: &'static str, order: Option<&[u8]>, qty: i128, token: Option<Bytes>) {
        self.tell(kind, order, qty);
        if let Some(told) = self.told.last_mut() {
            told.token = token;
        }
    }
}

impl Pool {
    /// Adds what the caller noted to what was told last.
    pub(super) fn note(&mut self, note: Option<&Bytes>) {
        if let Some(told) = self.told.last_mut() {
            told.note = note.cloned();
        }
    }

    /// Tells of a change of policy.
    pub(super) fn tell_policy(&mut self, changed: String, note: Option<&Bytes>) {
        self.tell("policy", None, 0);
        self.note(note);
        if let Some(told) = self.told.last_mut() {
            told.changed = Some(changed);
        }
    }

    /// The same of a shift.
    pub(super) fn tell_shifted(&mut self, units: i128, peer: &[u8]) {
        self.tell("shifted", None, units);
        if let Some(told) = self.told.last_mut() {
            told.peer = Some(peer.to_vec());
        }
    }
}

impl Reference {
    /// What was told of each pool since the last look.
    pub fn take_told(&mut self) -> BTreeMap<Bytes, Vec<EventRef>> {
        // Only those: what is touched is no longer shared with copies.
        let told = self.pools.iter_mut().filter(|(_, pool)| !pool.told.is_empty());
        told.map(|(key, pool)| (key.clone(), std::mem::take(&mut pool.told))).collect()
    }

    /// In which epoch the last change of a pool was: the model does not know chance.
    pub fn learn_epoch(&mut self, key: &[u8], epoch: &[u8]) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let end = (epoch.to_vec(), pool.seq, pool.out);
        match pool.epochs.last_mut() {
            Some(last) if last.0 == epoch => *last = end,
            _ => pool.epochs.push(end),
        }
        pool.epoch_ends = false;
    }

    /// Another primary, or the same after a start: each pool's next change is in a new epoch.
    pub fn begin_reign(&mut self) {
        self.pools.values_mut().for_each(|pool| pool.epoch_ends = true);
    }

    /// The epochs of a pool, with where each ended: the last one goes on.
    pub fn epochs(&self, key: &[u8]) -> &[(Bytes, i64, i128)] {
        self.pools.get(key).map_or(&[], |pool| &pool.epochs)
    }

    /// Puts the numbers of the pool into what the generator writes of RECONCILE.
    pub fn resolve(&self, argv: &mut [Bytes]) {
        if !argv[0].eq_ignore_ascii_case(b"STOCK.RECONCILE") || argv.len() < 7 {
            return;
        }
        let number = |text: &[u8]| String::from_utf8_lossy(&text[1..]).parse::<i64>().unwrap_or(0);
        let epochs = self.epochs(&argv[1]);
        let back = number(&argv[4]) as usize;
        let known = epochs.len().checked_sub(back + 1).and_then(|at| epochs.get(at)).cloned();
        let (epoch, seq, out) = known.unwrap_or_else(|| (b"00000000000000aB".to_vec(), 5, 0));
        let seq = (seq + number(&argv[5])).max(0);
        let out = out as i64 + number(&argv[6]);
        argv[4] = epoch;
        argv[5] = seq.to_string().into_bytes();
        argv[6] = out.to_string().into_bytes();
    }

    pub(super) fn reconcile(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let shelf = within(number(&args.next()?)?, -MAX_QTY, MAX_QTY)?;
        let (mut after, mut dry, mut note) = (None, false, None);
        while let Ok(word) = args.next() {
            if word.eq_ignore_ascii_case(b"AFTER") && after.is_none() {
                let epoch = args.next().map_err(|_| syntax())?;
                let digits = std::str::from_utf8(&epoch).ok().filter(|text| text.len() == 16);
                if digits.is_none_or(|text| text.bytes().any(|byte| !byte.is_ascii_hexdigit())) {
                    return Err(error("no epoch"));
                }
                let seq = within(number(&args.next().map_err(|_| syntax())?)?, 0, i128::from(i64::MAX))?;
                let out = within(number(&args.next().map_err(|_| syntax())?)?, -MAX_QTY, MAX_QTY)?;
                after = Some((epoch.to_ascii_lowercase(), seq, out));
            } else if word.eq_ignore_ascii_case(b"NOTE") && note.is_none() {
                note = Some(args.id()?);
            } else if word.eq_ignore_ascii_case(b"DRYRUN") && !dry {
                dry = true;
            } else {
                return Err(syntax());
            }
        }
        let decide = |pool: &mut Pool| {
            let mut moved = 0;
            if let Some((epoch, seq, out)) = &after {
                // This call may have returned holds before it came here: in the current epoch, or
                // in a new one.
                let moved_on = !dry && pool.epochs.last().is_some_and(|&(_, seq, _)| seq < pool.seq);
                let mut epochs = pool.epochs.clone();
                match epochs.last_mut() {
                    Some(last) if moved_on && !pool.epoch_ends => (last.1, last.2) = (pool.seq, pool.out),
                    _ => {}
                }
                // The current epoch and the 16 that ended last.
                let most = if moved_on && pool.epoch_ends { 16 } else { 17 };
                let known = epochs.iter().rev().take(most).find(|(known, _, _)| known == epoch);
                let Some(&(_, end_seq, end_out)) = known else {
                    return Err(refusal("UNKNOWN", &key));
                };
                moved = pool.out - if *seq > i128::from(end_seq) { end_out } else { *out };
            }
            let Some(on_hand) = pool.on_hand else {
                return Err(error("the pool is unlimited"));
            };
            let expected = shelf - moved + pool.shifted_units();
            let drift = expected - on_hand;
            if moved.abs() > MAX_QTY || drift.abs() > MAX_QTY {
                return Err(error("a sum would be out of range"));
            }
            pool.on_hand = Some(expected);
            if !pool.within_bounds() {
                return Err(error("a sum would be out of range"));
            }
            if drift != 0 {
                pool.change();
                pool.tell("reconciled", None, drift);
                pool.note(note.as_ref());
            }
            Ok(ok(&[int(drift), int(expected), pool.shown_available()]))
        };
        if dry {
            let Some(mut pool) = self.view(now, &key) else {
                return Err(refusal("NOPOOL", &key));
            };
            return decide(&mut pool);
        }
        self.write(now, &key, |pool, _| decide(pool))
    }
}
