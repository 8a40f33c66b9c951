//! The calls. Each is a value that [`crate::Stock::call`] sends.

use std::fmt;

use redis::{Arg, Cmd, ToRedisArgs, Value};

use crate::answers::{
    Added, Changed, Confirmed, Deadline, Explanation, Held, Limit, Order, Outcome, Page, Pool, Reconciled, Returned,
    Split, Transferred, Usage,
};
use crate::decode;
use crate::error::Error;
use crate::text::Text;

type Decode<T> = Box<dyn Fn(&Value) -> Result<T, Error> + Send + Sync>;

/// Ready to be sent, alone or in a pipeline.
pub struct Call<T> {
    pub(crate) command: Cmd,
    /// Where the first key stands: it decides about the slot. A cart's first argument is the order.
    key_at: usize,
    /// A replica may answer.
    pub(crate) reads: bool,
    decode: Decode<T>,
}

impl<T: 'static> Call<T> {
    /// A call of your own: its command, where its first key stands, and what its answer means.
    pub fn new(
        command: Cmd,
        key_at: usize,
        decode: impl Fn(&Value) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Call<T> {
        Call { command, key_at, reads: false, decode: Box::new(decode) }
    }

    /// A replica may answer it.
    pub fn reading(self) -> Call<T> {
        Call { reads: true, ..self }
    }

    /// Who and why. It is published with the change, in the pool's event stream, and kept nowhere
    /// else. For `set`, `add`, `transfer`, `reconcile`, `suspend`, `resume`, `schedule` and the
    /// policy's calls; [`LimitOptions`] has its own. Others answer ERR.
    #[must_use]
    pub fn note(mut self, note: impl AsRef<[u8]>) -> Call<T> {
        self.command.arg("NOTE").arg(note.as_ref());
        self
    }

    /// The same call with another result; so calls of different types go into one pipeline.
    pub fn map<U>(self, then: impl Fn(T) -> U + Send + Sync + 'static) -> Call<U> {
        let Call { command, key_at, reads, decode } = self;
        Call { command, key_at, reads, decode: Box::new(move |answer| decode(answer).map(&then)) }
    }

    pub(crate) fn decode(&self, answer: &Value) -> Result<T, Error> {
        (self.decode)(answer)
    }
}

impl<T> Call<T> {
    pub(crate) fn key(&self) -> &[u8] {
        match self.command.args_iter().nth(self.key_at) {
            Some(Arg::Simple(key)) => key,
            _ => b"",
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(out)
    }
}

/// How long units are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hold {
    /// As long as the pool says.
    #[default]
    OfPool,
    /// From now.
    Seconds(i64),
    /// From now.
    Millis(i64),
    /// Milliseconds since 1970, UTC.
    UntilMs(i64),
}

/// When `set` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnlyIf {
    /// Also over a pool that sells: in a quiet moment only, since a repeat writes over what was
    /// sold in between.
    #[default]
    Always,
    /// Once, before the sale.
    Absent,
    /// Never makes a pool.
    Present,
}

/// What limits count a sale by, such as the user.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<Vec<u8>>);

/// Attributes that begin with this one.
pub fn by(name: impl ToRedisArgs, value: impl ToRedisArgs) -> Attributes {
    Attributes::none().and(name, value)
}

impl Attributes {
    /// No attributes.
    pub fn none() -> Attributes {
        Attributes::default()
    }

    /// Names and values, by name.
    pub(crate) fn sorted(self) -> Vec<(Text, Text)> {
        let mut words = self.0.into_iter().map(Text);
        let mut pairs = Vec::new();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            pairs.push((name, value));
        }
        pairs.sort();
        pairs
    }

    /// One more.
    #[must_use]
    pub fn and(mut self, name: impl ToRedisArgs, value: impl ToRedisArgs) -> Attributes {
        name.write_redis_args(&mut self.0);
        value.write_redis_args(&mut self.0);
        self
    }
}

/// Number of units that never ends, for `set` and limits.
pub const UNLIMITED: i64 = i64::MIN;

/// Options of [`confirm`].
#[derive(Clone, Debug, Default)]
pub struct Confirm {
    /// A part of the order; 0 is all of it.
    pub quantity: i64,
    /// Also after the hold, while stock lasts.
    pub late: bool,
    /// With `late`: when the order was made, where the pool may have forgotten it. 0 leaves it out.
    pub since_ms: i64,
    /// With `late`: of an order that is not known any more.
    pub attributes: Attributes,
}

/// Options of [`reserve_with`].
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    /// Takes the largest quantity, at least 1, that stock and limits allow.
    pub partial: bool,
    /// An order whose hold is given up in the same step; it is kept where this one is refused.
    pub replaces: Option<Text>,
}

/// Options of [`return_units`] and [`return_order`].
#[derive(Clone, Debug, Default)]
pub struct Return {
    /// Also of an order that is forgotten.
    pub late: bool,
    /// The buyer's limits do not get the units back.
    pub keep_usage: bool,
    /// The units do not go back into stock.
    pub no_restock: bool,
    /// With `late`: who had bought a forgotten order, and gets its usage back.
    pub attributes: Attributes,
}

/// Which limit, and its rules; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub struct LimitOptions {
    /// Its window: `DAY`, `HOUR`, seconds, ….
    pub per: String,
    /// The time zone of its days.
    pub tz: String,
    /// `UNITS` or `ORDERS`.
    pub count: String,
    /// `ALLOW` for orders without the attribute.
    pub missing: String,
    /// The last `per` seconds, whenever one looks.
    pub rolling: bool,
    /// Who and why.
    pub note: String,
    /// For these values only.
    pub values: Vec<Text>,
}

/// Options of [`orders`].
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Of this state only; empty is every one.
    pub state: String,
    /// Each order's view, as [`order`] gives it.
    pub details: bool,
    /// Orders of a page; 0 is the server's number.
    pub most: i64,
    /// Of this buyer, as far as limits or the policy's `remember` name the attributes.
    pub attributes: Attributes,
}

/// The last event that the database has followed.
#[derive(Clone, Debug)]
pub struct After {
    /// The pool's epoch.
    pub epoch: String,
    /// Its number.
    pub seq: i64,
    /// What had left by then.
    pub out: i64,
}

/// The words of a call.
struct Words(Cmd);

fn on(command: &'static str, key: impl AsRef<[u8]>) -> Words {
    let mut words = Cmd::with_capacity(12, 128);
    words.arg(command).arg(key.as_ref());
    Words(words)
}

fn on_cart<K: AsRef<[u8]>>(
    command: &'static str,
    order: impl AsRef<[u8]>,
    count: usize,
    keys: impl Iterator<Item = K>,
) -> Words {
    let mut words = Cmd::with_capacity(8 + 2 * count, 128 + 32 * count);
    words.arg(command).arg(order.as_ref()).arg(count);
    for key in keys {
        words.arg(key.as_ref());
    }
    Words(words)
}

/// Pools, and behind QTY the quantity of each.
fn lines<K: AsRef<[u8]>>(mut words: Cmd, lines: &[(K, i64)]) -> Words {
    words.arg(lines.len());
    for (key, _) in lines {
        words.arg(key.as_ref());
    }
    words.arg("QTY");
    for (_, quantity) in lines {
        words.arg(*quantity);
    }
    Words(words)
}

fn on_lines<K: AsRef<[u8]>>(command: &'static str, order: impl AsRef<[u8]>, all: &[(K, i64)]) -> Words {
    let mut words = Cmd::with_capacity(8 + 3 * all.len(), 128 + 40 * all.len());
    words.arg(command).arg(order.as_ref());
    lines(words, all)
}

fn all<K: AsRef<[u8]>>(command: &'static str, order: impl AsRef<[u8]>, keys: &[K]) -> Words {
    on_cart(command, order, keys.len(), keys.iter())
}

impl Words {
    fn arg(mut self, word: impl ToRedisArgs) -> Words {
        self.0.arg(word);
        self
    }

    fn id(self, id: impl AsRef<[u8]>) -> Words {
        self.arg(id.as_ref())
    }

    fn amount(self, amount: i64) -> Words {
        if amount == UNLIMITED {
            self.arg("UNLIMITED")
        } else {
            self.arg(amount)
        }
    }

    fn replaces(self, old: Option<&Text>) -> Words {
        match old {
            Some(old) => self.arg("REPLACES").id(old),
            None => self,
        }
    }

    fn flag(self, name: &str, set: bool) -> Words {
        if set {
            self.arg(name)
        } else {
            self
        }
    }

    fn optional(self, name: &str, value: i64) -> Words {
        if value == 0 {
            self
        } else {
            self.arg(name).arg(value)
        }
    }

    fn word(self, name: &str, value: &str) -> Words {
        if value.is_empty() {
            self
        } else {
            self.arg(name).arg(value)
        }
    }

    fn hold(self, hold: Hold) -> Words {
        match hold {
            Hold::OfPool => self,
            Hold::Seconds(seconds) => self.arg("EX").arg(seconds),
            Hold::Millis(millis) => self.arg("PX").arg(millis),
            Hold::UntilMs(time) => self.arg("PXAT").arg(time),
        }
    }

    fn by(self, attributes: &Attributes) -> Words {
        let begun = self.flag("FOR", !attributes.0.is_empty());
        attributes.0.iter().fold(begun, Words::id)
    }

    fn values(self, values: &[Text]) -> Words {
        let begun = self.flag("FOR", !values.is_empty());
        values.iter().fold(begun, Words::id)
    }

    /// Who and why; it is published with the change, and kept nowhere else.
    fn note(self, note: &str) -> Words {
        self.word("NOTE", note)
    }

    fn of<T: 'static>(self, decode: fn(&Value) -> Result<T, Error>) -> Call<T> {
        Call::new(self.0, 1, decode)
    }

    fn of_cart<T: 'static>(self, decode: fn(&Value) -> Result<T, Error>) -> Call<T> {
        Call::new(self.0, 3, decode)
    }
}

/// Holds units for an order until the deadline, if stock and every limit allow it.
pub fn reserve(
    key: impl AsRef<[u8]>,
    order: impl AsRef<[u8]>,
    quantity: i64,
    hold: Hold,
    attributes: Attributes,
) -> Call<Outcome<Held>> {
    on("STOCK.RESERVE", key).id(order).arg(quantity).hold(hold).by(&attributes).of(decode::held)
}

/// [`reserve`] with options.
pub fn reserve_with(
    options: &Reserve,
    key: impl AsRef<[u8]>,
    order: impl AsRef<[u8]>,
    quantity: i64,
    hold: Hold,
    attributes: Attributes,
) -> Call<Outcome<Held>> {
    let words = on("STOCK.RESERVE", key).id(order).arg(quantity).hold(hold).flag("PARTIAL", options.partial);
    words.replaces(options.replaces.as_ref()).by(&attributes).of(decode::held)
}

/// One order of [`reserve_batch`]: its id, its units, and a value for each dimension of the batch.
pub type BatchOrder = (Text, i64, Vec<Text>);

/// Holds units of one pool for up to 128 orders, each judged as by a [`reserve`] of its own. All
/// have the same dimensions and hold.
pub fn reserve_batch(
    key: impl AsRef<[u8]>,
    hold: Hold,
    dims: &[Text],
    orders: &[BatchOrder],
) -> Call<Vec<Result<Outcome<Held>, Error>>> {
    let mut words = on("STOCK.RESERVEBATCH", key).hold(hold);
    if !dims.is_empty() {
        words = dims.iter().fold(words.arg("DIMS").arg(dims.len()), Words::id);
    }
    words = words.arg("ORDERS").arg(orders.len());
    for (order, quantity, values) in orders {
        words = values.iter().fold(words.id(order).arg(*quantity), Words::id);
    }
    words.of(decode::held_batch)
}

/// Turns up to 128 holds of one pool into sales, each judged as by a [`confirm`] of its own.
pub fn confirm_batch<K: AsRef<[u8]>>(
    key: impl AsRef<[u8]>,
    orders: &[K],
) -> Call<Vec<Result<Outcome<Confirmed>, Error>>> {
    let words = on("STOCK.CONFIRMBATCH", key).arg("ORDERS").arg(orders.len());
    orders.iter().fold(words, Words::id).of(decode::confirmed_batch)
}

/// Turns a hold into a sale.
pub fn confirm(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>, options: Confirm) -> Call<Outcome<Confirmed>> {
    let words = on("STOCK.CONFIRM", key).id(order).optional("QTY", options.quantity).flag("LATE", options.late);
    words.optional("SINCE", options.since_ms).by(&options.attributes).of(decode::confirmed)
}

/// Gives a hold up; of an order that never arrived, too.
pub fn release(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>) -> Call<Outcome<Changed>> {
    on("STOCK.RELEASE", key).id(order).of(decode::changed)
}

/// Sets the hold's new total.
pub fn amend(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>, quantity: i64) -> Call<Outcome<Changed>> {
    on("STOCK.AMEND", key).id(order).arg(quantity).of(decode::changed)
}

/// Makes some units of a hold an order of their own, with the same deadline.
pub fn split(
    key: impl AsRef<[u8]>,
    order: impl AsRef<[u8]>,
    part: impl AsRef<[u8]>,
    quantity: i64,
) -> Call<Outcome<Split>> {
    on("STOCK.SPLIT", key).id(order).id(part).arg(quantity).of(decode::split)
}

/// Moves the deadline, never to an earlier time.
pub fn extend(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>, hold: Hold) -> Call<Outcome<Deadline>> {
    on("STOCK.EXTEND", key).id(order).hold(hold).of(decode::deadline)
}

/// Takes all that is left of a paid order back.
pub fn return_order(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>, options: &Return) -> Call<Outcome<Returned>> {
    let words = on("STOCK.RETURN", key).id(order).flag("KEEPUSAGE", options.keep_usage);
    words.flag("NORESTOCK", options.no_restock).of(decode::returned)
}

/// Takes a part of a paid order back. The token, such as the refund's number, makes it repeatable.
pub fn return_units(
    key: impl AsRef<[u8]>,
    order: impl AsRef<[u8]>,
    quantity: i64,
    token: impl AsRef<[u8]>,
    options: &Return,
) -> Call<Outcome<Returned>> {
    let words = on("STOCK.RETURN", key).id(order).arg("QTY").arg(quantity).arg("TOKEN").id(token);
    let words = words.flag("LATE", options.late).flag("KEEPUSAGE", options.keep_usage);
    words.flag("NORESTOCK", options.no_restock).by(&options.attributes).of(decode::returned)
}

/// Holds all lines, a pool and its units each, or none. In a cluster the pools share a hash tag.
pub fn reserve_cart<K: AsRef<[u8]>>(
    order: impl AsRef<[u8]>,
    lines: &[(K, i64)],
    hold: Hold,
    attributes: Attributes,
) -> Call<Outcome<Deadline>> {
    on_lines("STOCK.MRESERVE", order, lines).hold(hold).by(&attributes).of_cart(decode::deadline)
}

/// [`reserve_cart`], and gives up in the same step what the cart `old` holds in these pools. A pool
/// in which only `old` has units stands with 0.
pub fn replace_cart<K: AsRef<[u8]>>(
    old: impl AsRef<[u8]>,
    order: impl AsRef<[u8]>,
    lines: &[(K, i64)],
    hold: Hold,
    attributes: Attributes,
) -> Call<Outcome<Deadline>> {
    let words = on_lines("STOCK.MRESERVE", order, lines).hold(hold).replaces(Some(&Text(old.as_ref().to_vec())));
    words.by(&attributes).of_cart(decode::deadline)
}

/// Sells what stands in the lines, and releases the rest.
pub fn confirm_cart_in_part<K: AsRef<[u8]>>(
    order: impl AsRef<[u8]>,
    lines: &[(K, i64)],
    late: bool,
) -> Call<Outcome<()>> {
    on_lines("STOCK.MCONFIRM", order, lines).flag("LATE", late).of_cart(decode::done)
}

/// Makes the lines an order of their own, in all pools or in none.
pub fn split_cart<K: AsRef<[u8]>>(
    order: impl AsRef<[u8]>,
    part: impl AsRef<[u8]>,
    all: &[(K, i64)],
) -> Call<Outcome<()>> {
    let mut words = Cmd::with_capacity(8 + 3 * all.len(), 128 + 40 * all.len());
    words.arg("STOCK.MSPLIT").arg(order.as_ref()).arg(part.as_ref());
    Call::new(lines(words, all).0, 4, decode::done)
}

/// Turns all holds of a cart into sales.
pub fn confirm_cart<K: AsRef<[u8]>>(order: impl AsRef<[u8]>, keys: &[K], late: bool) -> Call<Outcome<()>> {
    all("STOCK.MCONFIRM", order, keys).flag("LATE", late).of_cart(decode::done)
}

/// Gives all holds of a cart up.
pub fn release_cart<K: AsRef<[u8]>>(order: impl AsRef<[u8]>, keys: &[K]) -> Call<Outcome<()>> {
    all("STOCK.MRELEASE", order, keys).of_cart(decode::done)
}

/// Moves the deadline of a cart.
pub fn extend_cart<K: AsRef<[u8]>>(order: impl AsRef<[u8]>, keys: &[K], hold: Hold) -> Call<Outcome<()>> {
    all("STOCK.MEXTEND", order, keys).hold(hold).of_cart(decode::done)
}

/// Takes a paid cart back.
pub fn return_cart<K: AsRef<[u8]>>(order: impl AsRef<[u8]>, keys: &[K], options: &Return) -> Call<Outcome<()>> {
    let words = all("STOCK.MRETURN", order, keys).flag("KEEPUSAGE", options.keep_usage);
    words.flag("NORESTOCK", options.no_restock).of_cart(decode::done)
}

/// Makes the pool, or corrects what is on hand. Whether it wrote.
pub fn set(key: impl AsRef<[u8]>, on_hand: i64, only_if: OnlyIf) -> Call<bool> {
    let words = on("STOCK.SET", key).amount(on_hand);
    words.flag("NX", only_if == OnlyIf::Absent).flag("XX", only_if == OnlyIf::Present).of(decode::written)
}

/// Makes the pool together with its policy (JSON), which is its own from its first moment on. A
/// pool that exists stays as it is:
/// `false`; after a lost answer that may have been the call's own doing.
pub fn create(key: impl AsRef<[u8]>, on_hand: i64, policy: &str) -> Call<bool> {
    on("STOCK.SET", key).amount(on_hand).arg("NX").arg("POLICY").arg(policy).of(decode::written)
}

/// A restock, or a write-off. The token, such as the delivery's number, makes it repeatable.
pub fn add(key: impl AsRef<[u8]>, delta: i64, token: impl AsRef<[u8]>) -> Call<Outcome<Added>> {
    on("STOCK.ADD", key).arg(delta).arg("TOKEN").id(token).of(decode::added)
}

/// Moves free units to another pool of the same slot. The token, such as the movement's number,
/// makes it repeatable.
pub fn transfer(
    from: impl AsRef<[u8]>,
    to: impl AsRef<[u8]>,
    quantity: i64,
    token: impl AsRef<[u8]>,
) -> Call<Outcome<Transferred>> {
    on("STOCK.TRANSFER", from).id(to).arg(quantity).arg("TOKEN").id(token).of(decode::transferred)
}

/// Corrects what is on hand by what the database says; without `after` in a quiet moment.
pub fn reconcile(
    key: impl AsRef<[u8]>,
    on_hand: i64,
    after: Option<&After>,
    dry_run: bool,
) -> Call<Outcome<Reconciled>> {
    let mut words = on("STOCK.RECONCILE", key).arg(on_hand);
    if let Some(after) = after {
        words = words.arg("AFTER").id(&after.epoch).arg(after.seq).arg(after.out);
    }
    words.flag("DRYRUN", dry_run).of(decode::reconciled)
}

/// The pool takes no new orders.
pub fn suspend(key: impl AsRef<[u8]>) -> Call<Outcome<()>> {
    on("STOCK.SUSPEND", key).of(decode::done)
}

/// It takes them again.
pub fn resume(key: impl AsRef<[u8]>) -> Call<Outcome<()>> {
    on("STOCK.RESUME", key).of(decode::done)
}

/// Writes the pool's rules anew, as JSON.
pub fn set_policy(key: impl AsRef<[u8]>, json: impl AsRef<[u8]>) -> Call<Outcome<()>> {
    on("STOCK.SETPOLICY", key).id(json).of(decode::done)
}

/// Changes what a JSON merge patch names of the pool's rules, and leaves the rest.
pub fn merge_policy(key: impl AsRef<[u8]>, patch: impl AsRef<[u8]>) -> Call<Outcome<()>> {
    on("STOCK.SETPOLICY", key).id(patch).arg("MERGE").of(decode::done)
}

/// Sets from when and until when the pool sells, in Unix ms; 0 leaves a bound, -1 removes it.
pub fn schedule(key: impl AsRef<[u8]>, from_ms: i64, until_ms: i64) -> Call<Outcome<()>> {
    let mut words = on("STOCK.SCHEDULE", key);
    for (name, at_ms) in [("FROM", from_ms), ("UNTIL", until_ms)] {
        words = if at_ms == -1 { words.arg(name).arg("NONE") } else { words.optional(name, at_ms) };
    }
    words.of(decode::done)
}

/// Expires due holds now; `most` 0 is 1,000.
pub fn sweep(key: impl AsRef<[u8]>, most: i64) -> Call<Outcome<i64>> {
    on("STOCK.SWEEP", key).optional("COUNT", most).of(decode::count)
}

/// Sets a limit, or an override of it.
pub fn limit(key: impl AsRef<[u8]>, by: impl AsRef<[u8]>, max: i64, options: &LimitOptions) -> Call<Outcome<()>> {
    let words = on("STOCK.LIMIT", key).id(by).amount(max).word("PER", &options.per);
    let words = words.flag("ROLLING", options.rolling).word("TZ", &options.tz).word("COUNT", &options.count);
    words.word("MISSING", &options.missing).note(&options.note).values(&options.values).of(decode::done)
}

/// Takes a limit away, or an override. How many.
pub fn unlimit(key: impl AsRef<[u8]>, by: impl AsRef<[u8]>, options: &LimitOptions) -> Call<Outcome<i64>> {
    let words = on("STOCK.UNLIMIT", key).id(by).word("PER", &options.per);
    let words = words.flag("ROLLING", options.rolling).word("COUNT", &options.count);
    words.note(&options.note).values(&options.values).of(decode::count)
}

/// All limits of a pool. Reads answer none for a pool, or an order, that is not there.
pub fn limits(key: impl AsRef<[u8]>) -> Call<Option<Vec<Limit>>> {
    on("STOCK.LIMITS", key).of(decode::limits).reading()
}

/// What each limit has counted for these attributes.
pub fn usage(key: impl AsRef<[u8]>, attributes: Attributes) -> Call<Option<Vec<Usage>>> {
    on("STOCK.USAGE", key).by(&attributes).of(decode::usage).reading()
}

/// What the so many values have counted that used most of each limit; the attributes are those that
/// must fit.
pub fn top_usage(key: impl AsRef<[u8]>, top: i64, attributes: Attributes) -> Call<Option<Vec<Usage>>> {
    on("STOCK.USAGE", key).arg("TOP").arg(top).by(&attributes).of(decode::usage).reading()
}

/// Everything about a pool.
pub fn get(key: impl AsRef<[u8]>) -> Call<Option<Pool>> {
    on("STOCK.GET", key).of(decode::pool).reading()
}

/// [`get`], and when held units come back if nobody pays.
pub fn get_returning(key: impl AsRef<[u8]>) -> Call<Option<Pool>> {
    on("STOCK.GET", key).arg("RETURNING").of(decode::pool).reading()
}

/// What is left in each pool; none where it is not there. In a cluster the pools share a hash tag.
pub fn available<K: AsRef<[u8]>>(keys: &[K]) -> Call<Vec<Option<i64>>> {
    let mut words = Cmd::with_capacity(1 + keys.len(), 32 * (1 + keys.len()));
    words.arg("STOCK.AVAILABLE");
    let words = keys.iter().fold(Words(words), Words::id);
    words.of(decode::available).reading()
}

/// What `reserve` would answer.
pub fn check(key: impl AsRef<[u8]>, quantity: i64, attributes: Attributes) -> Call<Outcome<Held>> {
    on("STOCK.CHECK", key).arg(quantity).by(&attributes).of(decode::held).reading()
}

/// Why `reserve` of a new order would be answered as it would, step by step; `quantity` 0 is one
/// unit.
pub fn explain(key: impl AsRef<[u8]>, quantity: i64, attributes: Attributes) -> Call<Explanation> {
    let words = on("STOCK.EXPLAIN", key);
    let words = if quantity == 0 { words } else { words.arg(quantity) };
    words.by(&attributes).of(decode::explained).reading()
}

/// Where an order stands.
pub fn order(key: impl AsRef<[u8]>, order: impl AsRef<[u8]>) -> Call<Option<Order>> {
    on("STOCK.ORDER", key).id(order).of(decode::order).reading()
}

/// One page of all orders, from the cursor on, which begins with `0`.
pub fn orders(key: impl AsRef<[u8]>, cursor: impl AsRef<[u8]>, options: &Walk) -> Call<Option<Page>> {
    let words = on("STOCK.ORDERS", key).id(cursor).word("STATE", &options.state).flag("DETAILS", options.details);
    words.optional("COUNT", options.most).by(&options.attributes).of(decode::orders).reading()
}

/// The pool's rules, as JSON.
pub fn policy(key: impl AsRef<[u8]>) -> Call<Option<Text>> {
    on("STOCK.POLICY", key).of(decode::policy).reading()
}

/// Checks the pool's sums: the differences, none where all is right.
pub fn verify(key: impl AsRef<[u8]>) -> Call<Option<Vec<Text>>> {
    on("STOCK.VERIFY", key).of(decode::verified).reading()
}
