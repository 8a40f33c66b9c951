//! Order lines: one order in one pool.

use crate::event::{Event, Kind};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Units are held.
    Reserved,
    /// Paid.
    Confirmed,
    /// All paid units came back.
    Returned,
    /// Given up.
    Released,
    /// Not paid in time.
    Expired,
    /// Redis forgot the hold in a failover, and nobody has paid.
    Lost,
}

impl State {
    /// As the database and STOCK.ORDER write it.
    pub fn word(self) -> &'static str {
        match self {
            State::Reserved => "reserved",
            State::Confirmed => "confirmed",
            State::Returned => "returned",
            State::Released => "released",
            State::Expired => "expired",
            State::Lost => "lost",
        }
    }

    /// The state of a word.
    pub fn of(word: &str) -> Option<State> {
        let all = [State::Reserved, State::Confirmed, State::Returned, State::Released, State::Expired, State::Lost];
        all.into_iter().find(|s| s.word() == word)
    }
}

/// One order in one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Where it stands.
    pub state: State,
    /// Units held or bought.
    pub qty: i64,
    /// Paid units that came back.
    pub returned: i64,
    /// Units that the stock row gave for this order, net.
    pub units_taken: i64,
    /// Its last event is in a history that Redis has lost.
    pub lost: bool,
    /// Attributes of the sale, JSON or empty.
    pub attributes: String,
    /// When it was placed.
    pub placed_ms: i64,
    /// Its last change.
    pub changed_ms: i64,
    /// The last event's epoch.
    pub epoch: String,
    /// The last event's number.
    pub seq: i64,
}

impl OrderLine {
    /// An order of which nothing is known before this event.
    pub(super) fn unknown(event: &Event) -> OrderLine {
        OrderLine {
            state: State::Reserved,
            qty: 0,
            returned: 0,
            units_taken: 0,
            lost: false,
            attributes: String::new(),
            placed_ms: event.at_ms,
            changed_ms: event.at_ms,
            epoch: String::new(),
            seq: 0,
        }
    }

    /// Follows the event, of which `gone` units left by `out`. Answers how many of them the
    /// database had counted already, in a history that Redis has lost since. `repeated`: what its
    /// token says about that. `is_new`: nothing was known of the order before.
    pub(super) fn follow(&mut self, event: &Event, gone: i64, is_new: bool, repeated: Option<i64>) -> i64 {
        let credit = self.change(event, gone, is_new, repeated);
        self.changed_ms = event.at_ms;
        self.epoch.clone_from(&event.epoch);
        self.seq = event.seq;
        credit
    }

    fn change(&mut self, event: &Event, gone: i64, is_new: bool, repeated: Option<i64>) -> i64 {
        match event.kind {
            Kind::Reserved if !event.attributes.is_empty() => self.attributes.clone_from(&event.attributes),
            // A late payment names only what limits count now: the sale had more.
            Kind::Late => self.attributes = merged(&self.attributes, &event.attributes),
            _ => {}
        }
        // A line that was paid in a lost history keeps what it took, until the payment comes again.
        let pays = matches!(event.kind, Kind::Confirmed | Kind::Late | Kind::Returned);
        self.lost = self.lost && (pays || self.units_taken > 0);
        match event.kind {
            Kind::Reserved => {
                if !self.lost {
                    self.units_taken = 0;
                }
                self.state = State::Reserved;
                self.qty = event.qty;
                self.returned = 0;
                self.placed_ms = event.at_ms;
                0
            }
            Kind::Amended => {
                self.state = State::Reserved;
                self.qty = event.qty;
                0
            }
            Kind::Extended => {
                self.state = State::Reserved;
                if is_new {
                    self.qty = event.qty;
                }
                0
            }
            Kind::Confirmed | Kind::Late => {
                let credit = if self.lost { self.units_taken } else { 0 };
                self.state = State::Confirmed;
                self.qty = event.qty;
                self.returned = 0;
                self.lost = false;
                self.units_taken = event.qty;
                credit
            }
            Kind::Returned => self.give_back(event, gone, is_new, repeated),
            Kind::Released | Kind::Cancelled | Kind::Expired => {
                let expired = event.kind == Kind::Expired;
                self.state = if expired { State::Expired } else { State::Released };
                if is_new {
                    self.qty = event.qty;
                }
                0
            }
            Kind::Added | Kind::Transferred | Kind::Other | Kind::State => 0,
        }
    }

    fn give_back(&mut self, event: &Event, gone: i64, is_new: bool, repeated: Option<i64>) -> i64 {
        // A return that restocked nothing moved nothing: `out` tells, where no entry is missing in
        // between.
        let back = if gone == 0 { 0 } else { event.qty };
        if is_new {
            self.state = State::Returned;
            self.qty = event.qty;
            self.returned = event.qty;
            return 0;
        }
        // Without a token the first return of a lost history is the repeated one. What the line has
        // no memory of (the payment was repeated, too) is given back now.
        let known = repeated.unwrap_or(if self.lost { event.qty } else { 0 });
        let repeated = known.min(event.qty).min(self.returned);
        self.lost = false;
        if repeated == 0 && self.returned + event.qty > self.qty {
            // Vouched for: the order was forgotten in between.
            self.qty = self.returned + event.qty;
        }
        self.returned += event.qty - repeated;
        let credit = repeated.min(back);
        self.units_taken -= back - credit;
        self.state = if self.returned >= self.qty { State::Returned } else { State::Confirmed };
        -credit
    }
}

/// The attributes of both, as JSON; where both have one of a name, that of `old`.
fn merged(old: &str, new: &str) -> String {
    type Map = serde_json::Map<String, serde_json::Value>;
    if old.is_empty() {
        return new.to_string();
    }
    let (Ok(mut both), Ok(new)) = (serde_json::from_str::<Map>(old), serde_json::from_str::<Map>(new)) else {
        return old.to_string();
    };
    for (name, value) in new {
        both.entry(name).or_insert(value);
    }
    serde_json::Value::Object(both).to_string()
}
