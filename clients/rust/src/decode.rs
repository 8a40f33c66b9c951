//! Answers of either protocol as typed results. A map is flat in RESP2.

use std::collections::BTreeMap;

use redis::{RedisError, Value};

use crate::answers::{
    Added, Changed, Confirmed, Deadline, Exists, Explained, ExplainedLimit, Explanation, Held, Limit, Limited, Order,
    OrderState, Outcome, Page, Pool, Reconciled, Refused, Returned, Split, Transferred, Usage, Why,
};
use crate::error::Error;
use crate::text::Text;

type Read<T> = Result<T, Error>;

/// What follows the status word. More fields than we know are of a newer server.
pub(crate) struct Fields<'a> {
    all: &'a [Value],
    next: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self) -> Read<&'a Value> {
        let field = self.all.get(self.next).ok_or_else(|| Error::unknown_answer(self.all))?;
        self.next += 1;
        Ok(field)
    }

    pub(crate) fn number(&mut self) -> Read<i64> {
        number(self.take()?)
    }

    fn text(&mut self) -> Read<Text> {
        text(self.take()?)
    }

    fn state(&mut self) -> Read<OrderState> {
        Ok(OrderState::of(&self.text()?))
    }
}

fn number(value: &Value) -> Read<i64> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(Error::unknown_answer(other)),
    }
}

fn bytes(value: &Value) -> Read<&[u8]> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.as_bytes()),
        Value::Okay => Ok(b"OK"),
        other => Err(Error::unknown_answer(other)),
    }
}

fn text(value: &Value) -> Read<Text> {
    bytes(value).map(|bytes| Text(bytes.to_vec()))
}

fn word(value: &Value) -> Read<String> {
    bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn items(value: &Value) -> Read<&[Value]> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(Error::unknown_answer(other)),
    }
}

fn texts(value: &Value) -> Read<Vec<Text>> {
    items(value)?.iter().map(text).collect()
}

fn pairs(value: &Value) -> Read<Vec<(&Value, &Value)>> {
    Ok(match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (name, value)).collect(),
        flat => items(flat)?.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect(),
    })
}

/// The fields of GET, ORDER and their like, by name.
struct Named<'a>(Vec<(&'a [u8], &'a Value)>);

impl<'a> Named<'a> {
    fn of(value: &'a Value) -> Read<Named<'a>> {
        let named = pairs(value)?.into_iter().map(|(name, value)| Ok((bytes(name)?, value)));
        named.collect::<Read<_>>().map(Named)
    }

    fn get(&self, name: &str) -> Read<&'a Value> {
        let found = self.0.iter().find(|(found, _)| *found == name.as_bytes());
        found.map(|(_, value)| *value).ok_or_else(|| Error::unknown_answer(format!("{name} is missing")))
    }

    fn number(&self, name: &str) -> Read<i64> {
        number(self.get(name)?)
    }

    fn text(&self, name: &str) -> Read<Text> {
        text(self.get(name)?)
    }
}

/// None where the pool, or the order, is not there.
fn unless_nil<T>(value: &Value, read: impl FnOnce(&Value) -> Read<T>) -> Read<Option<T>> {
    match value {
        Value::Nil => Ok(None),
        value => read(value).map(Some),
    }
}

/// An answer that decides something. A first word that we do not know is a refusal, too.
fn outcome<T>(answer: &Value, done: impl FnOnce(&mut Fields) -> Read<T>) -> Read<Outcome<T>> {
    let Value::Array(all) = answer else {
        return done(&mut Fields { all: std::slice::from_ref(answer), next: 0 }).map(Outcome::Done);
    };
    let mut fields = Fields { all, next: 0 };
    let word = bytes(fields.take()?)?;
    if word == b"OK" {
        return done(&mut fields).map(Outcome::Done);
    }
    let key = fields.text()?;
    if word == b"EXISTS" {
        return Ok(Outcome::Exists(Exists {
            key,
            state: fields.state()?,
            quantity: fields.number()?,
            returned: fields.number()?,
            deadline_ms: fields.number()?,
        }));
    }
    let why = match word {
        b"SOLDOUT" => Why::SoldOut { available: fields.number()? },
        b"CLOSED" => Why::Closed { state: fields.state()? },
        b"EARLY" => Why::Early { from_ms: fields.number()? },
        b"ENDED" => Why::Ended { until_ms: fields.number()? },
        b"LIMITED" => Why::Limited(Limited {
            limit: fields.text()?,
            value: texts(fields.take()?)?,
            used: fields.number()?,
            max: fields.number()?,
            resets_ms: fields.number()?,
        }),
        _ => Why::Plain,
    };
    Ok(Outcome::Refused(Refused { word: String::from_utf8_lossy(word).into_owned(), key, why }))
}

pub(crate) fn held(answer: &Value) -> Read<Outcome<Held>> {
    outcome(answer, |f| Ok(Held { quantity: f.number()?, available: f.number()?, deadline_ms: f.number()? }))
}

pub(crate) fn confirmed(answer: &Value) -> Read<Outcome<Confirmed>> {
    outcome(answer, |f| Ok(Confirmed { quantity: f.number()?, sold: f.number()? }))
}

/// An error reply among the answers concerns its order alone.
fn batch<T>(answer: &Value, one: fn(&Value) -> Read<Outcome<T>>) -> Read<Vec<Read<Outcome<T>>>> {
    let one = |answer: &Value| match answer {
        Value::ServerError(error) => Err(RedisError::from(error.clone()).into()),
        answer => one(answer),
    };
    Ok(items(answer)?.iter().map(one).collect())
}

pub(crate) fn held_batch(answer: &Value) -> Read<Vec<Read<Outcome<Held>>>> {
    batch(answer, held)
}

pub(crate) fn confirmed_batch(answer: &Value) -> Read<Vec<Read<Outcome<Confirmed>>>> {
    batch(answer, confirmed)
}

pub(crate) fn split(answer: &Value) -> Read<Outcome<Split>> {
    outcome(answer, |f| Ok(Split { quantity: f.number()?, left: f.number()?, deadline_ms: f.number()? }))
}

pub(crate) fn changed(answer: &Value) -> Read<Outcome<Changed>> {
    outcome(answer, |f| Ok(Changed { quantity: f.number()?, available: f.number()? }))
}

pub(crate) fn returned(answer: &Value) -> Read<Outcome<Returned>> {
    outcome(answer, |f| Ok(Returned { quantity: f.number()?, available: f.number()?, sold: f.number()? }))
}

pub(crate) fn deadline(answer: &Value) -> Read<Outcome<Deadline>> {
    outcome(answer, |f| Ok(Deadline { deadline_ms: f.number()? }))
}

pub(crate) fn added(answer: &Value) -> Read<Outcome<Added>> {
    outcome(answer, |f| Ok(Added { on_hand: f.number()?, available: f.number()? }))
}

pub(crate) fn transferred(answer: &Value) -> Read<Outcome<Transferred>> {
    outcome(answer, |f| {
        let (on_hand, available) = (f.number()?, f.number()?);
        Ok(Transferred { on_hand, available, to_on_hand: f.number()?, to_available: f.number()? })
    })
}

pub(crate) fn reconciled(answer: &Value) -> Read<Outcome<Reconciled>> {
    outcome(answer, |f| Ok(Reconciled { drift: f.number()?, on_hand: f.number()?, available: f.number()? }))
}

pub(crate) fn count(answer: &Value) -> Read<Outcome<i64>> {
    outcome(answer, |f| f.number())
}

pub(crate) fn done(answer: &Value) -> Read<Outcome<()>> {
    outcome(answer, |_| Ok(()))
}

/// SET with NX or XX: whether it wrote.
pub(crate) fn written(answer: &Value) -> Read<bool> {
    Ok(*answer != Value::Nil)
}

pub(crate) fn policy(answer: &Value) -> Read<Option<Text>> {
    unless_nil(answer, text)
}

pub(crate) fn available(answer: &Value) -> Read<Vec<Option<i64>>> {
    items(answer)?.iter().map(|one| unless_nil(one, number)).collect()
}

pub(crate) fn pool(answer: &Value) -> Read<Option<Pool>> {
    unless_nil(answer, |answer| {
        let f = Named::of(answer)?;
        let orders = pairs(f.get("orders")?)?.into_iter().map(|(state, count)| Ok((word(state)?, number(count)?)));
        Ok(Pool {
            on_hand: unless_nil(f.get("on_hand")?, number)?,
            reserved: f.number("reserved")?,
            safety: f.number("safety")?,
            available: f.number("available")?,
            shortfall: f.number("shortfall")?,
            sold: f.number("sold")?,
            out: f.number("out")?,
            orders: orders.collect::<Read<_>>()?,
            suspended: f.number("suspended")? == 1,
            unlimited: f.number("unlimited")? == 1,
            next_deadline_ms: f.number("next_deadline_ms")?,
            epoch: word(f.get("epoch")?)?,
            seq: f.number("seq")?,
            limits: f.number("limits")?,
            alert: f.number("alert")?,
            from_ms: f.number("from_ms")?,
            until_ms: f.number("until_ms")?,
            hold_seconds: f.number("hold_seconds")?,
            retain_seconds: f.number("retain_seconds")?,
            retain_paid_seconds: f.number("retain_paid_seconds")?,
            events: unless_nil(f.get("events")?, text)?,
            returning: f.get("returning").ok().map(spans).transpose()?.unwrap_or_default(),
        })
    })
}

pub(crate) fn order(answer: &Value) -> Read<Option<Order>> {
    unless_nil(answer, view)
}

fn view(answer: &Value) -> Read<Order> {
    let f = Named::of(answer)?;
    let attributes = pairs(f.get("for")?)?.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
    Ok(Order {
        state: OrderState::of(&f.text("state")?),
        quantity: f.number("qty")?,
        returned: f.number("returned")?,
        deadline_ms: f.number("deadline_ms")?,
        attributes: attributes.collect::<Read<BTreeMap<_, _>>>()?,
    })
}

pub(crate) fn explained(answer: &Value) -> Read<Explanation> {
    let f = Named::of(answer)?;
    let said = f.get("answer")?;
    let answer = match items(said)? {
        // An error is shown as its code and its text.
        [code, line] if matches!(bytes(code)?, b"CONFLICT" | b"NODIM" | b"ERR") => {
            let (code, line) = (word(code)?, word(line)?);
            Err(redis::make_extension_error(code, Some(line)).into())
        }
        _ => held(said),
    };
    if f.number("exists")? == 0 {
        return Ok(Explanation { pool: None, answer });
    }
    let stock = Named::of(f.get("stock")?)?;
    let limit = |one: &Value| {
        let f = Named::of(one)?;
        let number = |name| unless_nil(f.get(name)?, number);
        Ok(ExplainedLimit {
            limit: f.text("limit")?,
            verdict: word(f.get("verdict")?)?,
            missing: texts(f.get("missing")?)?,
            values: unless_nil(f.get("values")?, texts)?,
            used: number("used")?,
            max: number("max")?,
            remaining: number("remaining")?,
            resets_ms: number("resets_ms")?,
        })
    };
    let pool = Explained {
        suspended: f.number("suspended")? == 1,
        from_ms: f.number("from_ms")?,
        until_ms: f.number("until_ms")?,
        orders: f.number("orders")?,
        max_orders: f.number("max_orders")?,
        missing: texts(f.get("missing")?)?,
        on_hand: unless_nil(stock.get("on_hand")?, number)?,
        held: stock.number("held")?,
        safety: stock.number("safety")?,
        available: stock.number("available")?,
        limits: items(f.get("limits")?)?.iter().map(limit).collect::<Read<_>>()?,
        returning: spans(f.get("returning")?)?,
    };
    Ok(Explanation { pool: Some(pool), answer })
}

fn spans(answer: &Value) -> Read<BTreeMap<String, Option<i64>>> {
    pairs(answer)?.into_iter().map(|(span, units)| Ok((word(span)?, unless_nil(units, number)?))).collect()
}

pub(crate) fn orders(answer: &Value) -> Read<Option<Page>> {
    unless_nil(answer, |answer| {
        let [cursor, orders] = items(answer)? else { return Err(Error::unknown_answer(answer)) };
        let mut page = Page { cursor: text(cursor)?, orders: Vec::new(), details: Vec::new() };
        for (order, state) in pairs(orders)? {
            let order = text(order)?;
            if let Value::Map(_) | Value::Array(_) = state {
                let view = view(state)?;
                page.orders.push((order, view.state.clone()));
                page.details.push(view);
            } else {
                page.orders.push((order, OrderState::of(bytes(state)?)));
            }
        }
        Ok(page)
    })
}

pub(crate) fn limits(answer: &Value) -> Read<Option<Vec<Limit>>> {
    unless_nil(answer, |answer| {
        let limit = |one: &Value| {
            let f = Named::of(one)?;
            let overrides = items(f.get("overrides")?)?.iter().map(|pair| match items(pair)? {
                [value, max, ..] => Ok((texts(value)?, number(max)?)),
                other => Err(Error::unknown_answer(other)),
            });
            Ok(Limit {
                limit: f.text("limit")?,
                max: f.number("max")?,
                tz: f.text("tz")?,
                missing: f.text("missing")?,
                overrides: overrides.collect::<Read<_>>()?,
            })
        };
        items(answer)?.iter().map(limit).collect()
    })
}

pub(crate) fn usage(answer: &Value) -> Read<Option<Vec<Usage>>> {
    unless_nil(answer, |answer| {
        let usage = |one: &Value| {
            let f = Named::of(one)?;
            Ok(Usage {
                limit: f.text("limit")?,
                values: f.get("values").ok().map(texts).transpose()?,
                used: f.number("used")?,
                max: f.number("max")?,
                remaining: f.number("remaining")?,
                resets_ms: f.number("resets_ms")?,
            })
        };
        items(answer)?.iter().map(usage).collect()
    })
}

/// The differences; none where all is right.
pub(crate) fn verified(answer: &Value) -> Read<Option<Vec<Text>>> {
    unless_nil(answer, |answer| match answer {
        Value::Array(_) => texts(answer),
        _ => Ok(Vec::new()),
    })
}
