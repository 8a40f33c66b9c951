//! Buyers who wait: each has put down in `{NAME}asks` what it wants, and in which bucket.

use std::time::Duration;

use anyhow::Result;
use stock_balance::{Ask, Quota};
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, sleep_until, Instant};

use super::PAUSE;
use crate::connect::Servers;
use crate::reply::{bytes, list};

/// How many buyers are served at once.
const ASKS: usize = 1_000;
/// After an error the list is asked again so much later.
const AGAIN: Duration = Duration::from_millis(100);

/// A buyer who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub order: String,
    pub ask: Ask,
    pub quota: Option<Quota>,
}

impl Waiting {
    /// `["order", bucket, units]`, or with `"region/day/units", ["hk"]` behind it. Anything else is
    /// no buyer's.
    pub fn of(text: &[u8], buckets: usize) -> Option<Waiting> {
        let json: serde_json::Value = serde_json::from_slice(text).ok()?;
        let place = |at: usize| json.get(at);
        let bucket = usize::try_from(place(1)?.as_u64()?).ok().filter(|bucket| *bucket < buckets)?;
        let units = place(2)?.as_i64().filter(|units| *units > 0)?;
        let quota = match (place(3), place(4)) {
            (Some(limit), Some(values)) => {
                let values = values.as_array()?.iter().map(|value| Some(value.as_str()?.as_bytes().to_vec()));
                Some(Quota { limit: limit.as_str()?.to_string(), values: values.collect::<Option<_>>()? })
            }
            _ => None,
        };
        Some(Waiting { order: place(0)?.as_str()?.to_string(), ask: Ask { bucket, units }, quota })
    }
}

/// Hands on what buyers ask for, as soon as they do: the server holds the call back until then, for
/// `patience` at most. Where many ask, those who come within [`PAUSE`] are served together; they
/// wait in the list, where another balancer finds them. Ends when nobody wants to hear of it.
pub async fn hand_on(mut servers: Servers, key: String, patience: Duration, to: Sender<Vec<Vec<u8>>>) {
    while !to.is_closed() {
        match take(&mut servers, &key, patience).await {
            Ok(asks) if asks.is_empty() => {}
            Ok(asks) => {
                let next = Instant::now() + PAUSE;
                if to.send(asks).await.is_err() {
                    return;
                }
                sleep_until(next).await;
            }
            Err(_) => {
                sleep(AGAIN).await;
                // Slots have moved, or a replica has taken over.
                let _ = servers.discover().await;
            }
        }
    }
}

async fn take(servers: &mut Servers, key: &str, patience: Duration) -> Result<Vec<Vec<u8>>> {
    let mut pop = redis::cmd("BLMPOP");
    pop.arg(patience.as_secs_f64()).arg(1).arg(key).arg("LEFT").arg("COUNT").arg(ASKS);
    let (_, popped) = servers.ask_key(key.as_bytes(), &pop).await?;
    let asks = list(&popped).get(1).map(list).unwrap_or_default();
    Ok(asks.iter().map(|ask| bytes(ask).to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_libraries_write_is_understood() {
        let vectors = include_str!("../../../../clients/vectors/asks.txt");
        let asks = vectors.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit('\t').next());
        let asks: Vec<&str> = asks.filter(|ask| *ask != "null").collect();
        assert!(asks.len() > 5);
        for ask in asks {
            assert!(Waiting::of(ask.as_bytes(), 64).is_some(), "{ask}");
        }
    }

    #[test]
    fn buyers_ask_in_json() {
        let ask = |text: &str| Waiting::of(text.as_bytes(), 4);
        let units = Waiting { order: "o".into(), ask: Ask { bucket: 3, units: 2 }, quota: None };
        assert_eq!(ask(r#"["o", 3, 2]"#), Some(units.clone()));
        let quota = Quota { limit: "region/day/units".into(), values: vec![b"hk".to_vec()] };
        assert_eq!(ask(r#"["o", 3, 2, "region/day/units", ["hk"]]"#), Some(Waiting { quota: Some(quota), ..units }));
        for bad in ["", "{}", "[]", r#"["o", 4, 1]"#, r#"["o", -1, 1]"#, r#"["o", 0, 0]"#, r#"[1, 0, 1]"#, "\u{0}"] {
            assert_eq!(ask(bad), None, "{bad}");
        }
    }
}
