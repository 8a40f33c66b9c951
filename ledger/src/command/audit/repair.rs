//! What the audit does about a finding.

use anyhow::Result;

use super::classify::{Finding, Remedy};
use crate::clock::now_ms;
use crate::db::Db;
use crate::projection::{Incident, Notice, OrderLine, State};
use crate::redis_client::pools::Order;
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// What `audit` without `--repair` says.
pub fn advice(remedy: &Remedy) -> &'static str {
    match remedy {
        Remedy::Confirm => "--repair confirms it again",
        Remedy::ConfirmLate => "--repair confirms it LATE",
        Remedy::ConfirmUnknown => "--repair confirms it LATE SINCE it was placed",
        Remedy::Release => "--repair releases it again",
        Remedy::Return => "--repair returns it again",
        Remedy::Close => "--repair closes the line as lost",
        Remedy::Adopt => "--repair writes what the pool says",
        Remedy::Unmark => "",
        Remedy::Keep => "nothing is owed; --repair takes note",
        Remedy::Person => "for a person to decide",
    }
}

/// Repairs one order. Answers what was done, and whether that settled it. It is written down as an
/// incident.
pub async fn repair(
    db: &Db,
    redis: &mut RedisClient,
    pool: &str,
    order: &str,
    line: Option<&OrderLine>,
    there: Option<&Order>,
    finding: &Finding,
) -> Result<(String, bool)> {
    let id = unescape(order);
    let qty = line.map_or(0, |l| l.qty);
    let confirm = |more: &[&[u8]]| {
        let mut words = vec![id.clone(), b"QTY".to_vec(), qty.to_string().into_bytes()];
        words.extend(more.iter().map(|w| w.to_vec()));
        words
    };
    let (name, arguments) = match finding.remedy {
        Remedy::Confirm => ("STOCK.CONFIRM", confirm(&[])),
        Remedy::ConfirmLate => ("STOCK.CONFIRM", confirm(&[b"LATE"])),
        Remedy::ConfirmUnknown => {
            let since = line.map_or(0, |l| l.placed_ms).max(1).to_string();
            let mut words = confirm(&[b"LATE", b"SINCE", since.as_bytes()]);
            words.extend(attributes(line.map_or("", |l| l.attributes.as_str())));
            ("STOCK.CONFIRM", words)
        }
        Remedy::Release => ("STOCK.RELEASE", vec![id]),
        Remedy::Return => ("STOCK.RETURN", vec![id]),
        _ => return write(db, pool, order, line, there, finding).await,
    };
    let (word, rest) = redis.decide(name, pool, &arguments).await?;
    let settled = word == "OK" || word == "EXISTS";
    let verb = name.trim_start_matches("STOCK.");
    let done = if settled {
        format!("{verb}: {word}")
    } else {
        format!("{verb} answers {word} {rest}: for a person to decide")
    };
    let mut tx = db.begin().await?;
    note(db, &mut tx, pool, order, qty, finding, &done).await?;
    tx.commit().await?;
    Ok((done, settled))
}

/// Repairs of the database alone.
async fn write(
    db: &Db,
    pool: &str,
    order: &str,
    line: Option<&OrderLine>,
    there: Option<&Order>,
    finding: &Finding,
) -> Result<(String, bool)> {
    let now_ms = now_ms();
    let next = match (&finding.remedy, line, there) {
        (Remedy::Close, Some(line), _) => {
            OrderLine { state: State::Lost, lost: false, changed_ms: now_ms, ..line.clone() }
        }
        (Remedy::Unmark | Remedy::Keep, Some(line), _) => OrderLine { lost: false, ..line.clone() },
        (Remedy::Adopt, _, Some(there)) => {
            let new = OrderLine {
                state: there.state,
                qty: 0,
                returned: 0,
                units_taken: 0,
                lost: false,
                attributes: there.attributes.clone(),
                placed_ms: now_ms,
                changed_ms: now_ms,
                epoch: String::new(),
                seq: 0,
            };
            let paid = matches!(there.state, State::Confirmed | State::Returned);
            OrderLine {
                state: there.state,
                qty: there.qty,
                returned: there.returned,
                units_taken: if paid { there.qty - there.returned } else { 0 },
                lost: false,
                ..line.cloned().unwrap_or(new)
            }
        }
        _ => return Ok((advice(&Remedy::Person).to_string(), false)),
    };
    let done = match finding.remedy {
        Remedy::Keep => format!("the line stays {}; nothing is owed", next.state.word()),
        _ => format!("the line is {} now", next.state.word()),
    };
    let key = (pool.to_string(), order.to_string());
    let mut tx = db.begin().await?;
    // Only if nothing happened to it meanwhile: an event is always newer than what was looked at.
    db.lock_positions(&mut tx, &std::collections::BTreeSet::from([pool])).await?;
    let present = db.lines(&mut tx, &[(pool, order)]).await?.remove(&key);
    let same = present.as_ref().map(|l| (l.state, l.qty, l.seq)) == line.map(|l| (l.state, l.qty, l.seq));
    if !same {
        return Ok(("it moved meanwhile".to_string(), false));
    }
    db.write_lines(&mut tx, &[(&key, &next)]).await?;
    let was = line.map_or(State::Reserved, |line| line.state);
    if db.notify && finding.remedy == Remedy::Adopt && next.state != was && next.state != State::Reserved {
        let qty = if next.state == State::Returned { next.returned } else { next.qty };
        let (pool, order) = key.clone();
        let notice = Notice { pool, order, state: next.state, qty, epoch: String::new(), seq: 0, at_ms: now_ms };
        db.write_notices(&mut tx, &[notice]).await?;
    }
    if finding.remedy != Remedy::Unmark {
        note(db, &mut tx, pool, order, next.qty, finding, &done).await?;
    }
    tx.commit().await?;
    Ok((done, true))
}

async fn note(
    db: &Db,
    tx: &mut crate::db::Tx,
    pool: &str,
    order: &str,
    units: i64,
    finding: &Finding,
    done: &str,
) -> Result<()> {
    let incident = Incident {
        kind: "audit",
        pool: pool.to_string(),
        order: order.to_string(),
        epoch: String::new(),
        seq: 0,
        units,
        detail: format!("{}: {done}", finding.what),
    };
    db.write_incidents(tx, &[incident], now_ms()).await
}

/// The attributes of a line as the words behind FOR.
fn attributes(json: &str) -> Vec<Vec<u8>> {
    let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let mut words = Vec::new();
    for (name, value) in map {
        let value = match &value {
            serde_json::Value::String(text) => Some(text.clone().into_bytes()),
            serde_json::Value::Object(inner) => inner.get("base64").and_then(|b| b.as_str()).and_then(base64),
            _ => None,
        };
        if let Some(value) = value {
            words.extend([name.into_bytes(), value]);
        }
    }
    if !words.is_empty() {
        words.insert(0, b"FOR".to_vec());
    }
    words
}

/// Bytes of a base64 text; none where it is not one.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for c in text.trim_end_matches('=').bytes() {
        let digit = u32::try_from(DIGITS.iter().position(|d| *d == c)?).ok()?;
        bits = (bits << 6 | digit) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_words() {
        let words = attributes("{\"region\":\"bj\",\"user\":{\"base64\":\"/wBh\"}}");
        let expected: Vec<Vec<u8>> =
            vec![b"FOR".to_vec(), b"region".to_vec(), b"bj".to_vec(), b"user".to_vec(), vec![0xff, 0, b'a']];
        assert_eq!(words, expected);
        assert!(attributes("").is_empty());
        assert_eq!(base64("YQ=="), Some(b"a".to_vec()));
        assert_eq!(base64("YWI="), Some(b"ab".to_vec()));
        assert_eq!(base64("*"), None);
    }
}
