//! How far the database is behind, as `stock-ledger run --metrics` says it.

use anyhow::{bail, Context, Result};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer that is longer is none of a ledger's.
const MOST_BYTES: usize = 4 << 20;

/// Of all streams, the one that is most behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Age of the last event that is in the database; 0 where nothing waits.
    pub seconds: f64,
    /// Entries that wait, of all streams.
    pub entries: i64,
    /// Pools that wait for an audit.
    pub to_audit: i64,
}

/// Asks the ledger.
///
/// # Errors
/// `… cannot be reached`, `… answers 404 …`, `… ends the connection`, or `… has no figures of a
/// ledger`.
pub async fn lag(url: &str) -> Result<Lag> {
    let rest = url.strip_prefix("http://").context("the ledger's address begins with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    let socket = TcpStream::connect(host).await.with_context(|| format!("{host} cannot be reached"))?;
    let (mut ask, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let request = Request::get(format!("/{path}")).header("host", host).body(Empty::<Bytes>::new())?;
    let asked = async {
        let answer = ask.send_request(request).await?;
        if !answer.status().is_success() {
            bail!("{host} answers {}", answer.status());
        }
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!("{host}: {error}"))?.to_bytes())
    };
    let body = tokio::select! {
        body = asked => body?,
        _ = connection => bail!("{host} ends the connection"),
    };
    Lag::read(&String::from_utf8_lossy(&body)).with_context(|| format!("{url} has no figures of a ledger"))
}

impl Lag {
    fn read(text: &str) -> Option<Lag> {
        let of = |name: &str| {
            let samples = text
                .lines()
                .filter(move |line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).collect::<Vec<f64>>()
        };
        if of("stock_ledger_up").is_empty() {
            return None;
        }
        Some(Lag {
            seconds: of("stock_ledger_lag_seconds").into_iter().fold(0.0, f64::max),
            entries: of("stock_ledger_lag_entries").iter().sum::<f64>() as i64,
            to_audit: of("stock_ledger_pools_to_audit").iter().sum::<f64>() as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stream_counts() {
        let text = "# TYPE stock_ledger_lag_seconds gauge
stock_ledger_up{part=\"redis\"} 1.0
stock_ledger_lag_seconds{stream=\"a b\"} 0.5
stock_ledger_lag_seconds{stream=\"c\"} 2.25
stock_ledger_lag_entries{stream=\"a b\"} 5.0
stock_ledger_lag_entries{stream=\"c\"} 7.0
stock_ledger_pools_to_audit 1.0
# EOF
";
        assert_eq!(Lag::read(text), Some(Lag { seconds: 2.25, entries: 12, to_audit: 1 }));
        assert_eq!(Lag::read("up 1\n"), None);
    }
}
