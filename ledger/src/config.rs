//! The configuration: a TOML file, whose most used fields environment variables and flags can
//! replace.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use redis::{ConnectionAddr, IntoConnectionInfo};
use serde::Deserialize;

use crate::buckets::Buckets;
use crate::dialect::Dialect;
use crate::failure::{error_chain, redacted, Failure};
use crate::text::{escape, unescape};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the pools are.
    pub redis: Redis,
    /// Where the stock table is.
    pub database: Database,
    /// The stock table.
    pub stock: StockTable,
    /// How rows of the stock table and pools belong together.
    pub pools: Pools,
    /// Rows that are sold in several pools.
    pub buckets: Buckets,
    /// The feed.
    pub run: Run,
}

/// Where the pools are.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://[user:password@]host:port[/db]`; with a cluster any node, with Sentinel any
    /// sentinel.
    pub url: String,
    /// More nodes or sentinels, to be tried when the first does not answer.
    pub more: Vec<String>,
    /// The name of the primary that the sentinels watch; empty: no Sentinel.
    pub sentinel: String,
    /// User and password of the primary behind Sentinel: `user:password`.
    pub login: String,
    /// Whether it is a cluster.
    pub cluster: bool,
}

impl Default for Redis {
    fn default() -> Self {
        let url = "redis://127.0.0.1:6379/0".to_string();
        Redis { url, more: Vec::new(), sentinel: String::new(), login: String::new(), cluster: false }
    }
}

/// Where the stock table is.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE`, `postgres://…` or `mysql://…`.
    pub url: String,
    /// Connections at most.
    pub connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Database { url: "sqlite:stock-ledger.db".to_string(), connections: 8 }
    }
}

/// The stock table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StockTable {
    /// Its name. `stock` is made by `init`; any other is the shop's and must be there.
    pub table: String,
    /// The column that names the product.
    pub key: String,
    /// The column that says how much is in the stock row.
    pub quantity: String,
    /// The column that counts changes; empty: there is none, and the quantity itself is compared.
    pub version: Option<String>,
    /// Whether the quantity column can be negative.
    pub negative: bool,
    /// What one unit of a pool is in the quantity column: 1, 0.1, 0.01 … With 0.001 a row that says
    /// 4.5 is a pool of 4500 units. Anything but 1 needs a DECIMAL column.
    pub unit: String,
}

impl StockTable {
    /// The unit as digits behind the point, up to 9; none where it is no such unit.
    pub fn unit_digits(&self) -> Option<u32> {
        const MAX_DIGITS: usize = 9;
        if self.unit == "1" {
            return Some(0);
        }
        let digits = self.unit.strip_prefix("0.")?;
        let zeros = digits.strip_suffix('1')?;
        (digits.len() <= MAX_DIGITS && zeros.bytes().all(|b| b == b'0')).then_some(digits.len() as u32)
    }
}

impl Default for StockTable {
    fn default() -> Self {
        StockTable {
            table: "stock".to_string(),
            key: "sku".to_string(),
            quantity: "on_hand".to_string(),
            version: Some("version".to_string()),
            negative: false,
            unit: "1".to_string(),
        }
    }
}

/// How rows of the stock table and pools belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pools {
    /// The pool's key: `%` is the row's key, `#` its shard.
    pub key: String,
    /// The event stream's key: `#` is the shard.
    pub events: String,
    /// In how many shards the rows fall; more than 1 with a cluster.
    pub shards: u32,
    /// The policy of new pools, as JSON; `events` is added to it.
    pub policy: String,
}

impl Default for Pools {
    fn default() -> Self {
        Pools { key: "%".to_string(), events: "stock:events".to_string(), shards: 1, policy: "{}".to_string() }
    }
}

/// The feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Streams to follow; empty: those of `pools.events`.
    pub streams: Vec<String>,
    /// Entries in one read. While more wait, a transaction takes several reads (`run::MOST_READS`).
    pub batch: usize,
    /// Whether entries that are in the database are trimmed off the stream.
    pub trim: bool,
    /// Whether what became of orders is written into `stock_outbox`, for the program that keeps
    /// them.
    pub notify: bool,
    /// Seconds between lines about lag and rate.
    pub report_seconds: u64,
    /// `run --once` and `audit --repair` give up when nothing has worked for so many seconds.
    pub patience_seconds: u64,
}

impl Default for Run {
    fn default() -> Self {
        Run { streams: Vec::new(), batch: 1000, trim: false, notify: false, report_seconds: 10, patience_seconds: 60 }
    }
}

impl Config {
    /// Reads the file (none: all defaults).
    pub fn read(path: Option<&Path>) -> Result<Config> {
        let Some(path) = path else { return Ok(Config::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::Refused(format!("cannot read {}: {e}", path.display())))?;
        let mut config: Config = toml::from_str(&text).map_err(|error| {
            // The line itself stays unsynced: it may hold a password.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let (line, what) = (before.matches('\n').count() + 1, redacted(error.message()));
            Failure::Refused(format!("{} is not a configuration: line {line}: {what}", path.display()))
        })?;
        config.stock.version = config.stock.version.filter(|name| !name.is_empty());
        Ok(config)
    }

    /// Checks what the types do not.
    pub fn check(&self) -> Result<()> {
        self.looked_through().map_err(|error| Failure::Refused(redacted(&error_chain(&error))).into())
    }

    fn looked_through(&self) -> Result<()> {
        let stock = &self.stock;
        let names = [&stock.table, &stock.key, &stock.quantity].into_iter().chain(stock.version.as_ref());
        for name in names {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
            ensure!(
                !name.is_empty() && name.chars().all(plain),
                "stock: {name:?} is not a plain name of a table or column"
            );
        }
        ensure!(stock.unit_digits().is_some(), "stock.unit is 1, 0.1, 0.01 and so on, down to 0.000000001");
        ensure!(self.pools.key.matches('%').count() == 1, "pools.key needs one % for the row's key");
        ensure!(self.pools.shards >= 1 && self.pools.shards <= 16384, "pools.shards is between 1 and 16384");
        if self.pools.shards > 1 {
            let both = self.pools.key.contains('#') && self.pools.events.contains('#');
            ensure!(both, "with shards, pools.key and pools.events need a # for the shard");
        }
        self.buckets.check()?;
        ensure!((1..=100_000).contains(&self.run.batch), "run.batch is between 1 and 100000");
        let policy: serde_json::Value = serde_json::from_str(&self.pools.policy).context("pools.policy is not JSON")?;
        ensure!(policy.is_object(), "pools.policy is not a JSON object");
        ensure!((1..=1000).contains(&self.database.connections), "database.connections is between 1 and 1000");
        Dialect::of(&self.database.url).context("database.url")?;
        self.redis.check()
    }

    /// The streams to follow, as text.
    pub fn streams(&self) -> Vec<String> {
        if !self.run.streams.is_empty() {
            return self.run.streams.clone();
        }
        let mut streams = self.buckets.streams();
        streams.extend((0..self.pools.shards).map(|shard| self.pools.events.replace('#', &shard.to_string())));
        streams.into_iter().collect()
    }

    /// The row that a pool's units are taken from; none where its key stands for no row.
    pub fn sku(&self, pool: &str) -> Option<String> {
        match self.buckets.find(pool) {
            Some((sku, number)) if self.buckets.has(&sku, number) => Some(sku),
            // A bucket that the configuration does not know yet: its sales wait for a row.
            Some(_) => Some(pool.to_string()),
            None => self.pools.sku(pool).filter(|sku| !self.buckets.rows.contains_key(sku)),
        }
    }

    /// The pools of a row, as text: one, or its buckets in order.
    pub fn pools_of(&self, sku: &str) -> Vec<String> {
        self.buckets.of(sku).unwrap_or_else(|| vec![self.pools.pool(sku)])
    }

    /// Whether the entries of a pool can stand in a stream.
    pub fn is_in(&self, pool: &str, stream: &str) -> bool {
        self.pools.shards == 1
            || self.buckets.find(pool).is_some()
            || self.pools.sku(pool).is_none_or(|sku| self.pools.stream(&sku) == stream)
    }

    /// The stream that a row's pool writes to.
    pub fn stream_of(&self, sku: &str, pool: &str) -> String {
        match self.buckets.find(pool) {
            Some((_, number)) => self.buckets.stream(number),
            None => self.pools.stream(sku),
        }
    }

    /// The policy of a pool that writes to `stream`: what is configured, and that.
    ///
    /// # Errors
    /// That of `serde_json`: `pools.policy` is no JSON object.
    pub fn policy(&self, stream: &str) -> Result<String> {
        let mut policy: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&self.pools.policy)?;
        policy.insert("events".to_string(), stream.into());
        Ok(serde_json::Value::Object(policy).to_string())
    }
}

impl Redis {
    fn check(&self) -> Result<()> {
        for url in std::iter::once(&self.url).chain(&self.more) {
            let info = url.as_str().into_connection_info().context("redis.url or redis.more is not a Redis URL")?;
            ensure!(info.addr.is_supported(), "redis.url: this program cannot connect like that");
            if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr {
                bail!("redis.url: #insecure is not supported; let SSL_CERT_FILE name the certificates to trust");
            }
        }
        ensure!(!self.cluster || self.sentinel.is_empty(), "redis: a cluster has no Sentinel");
        if !self.login.is_empty() {
            ensure!(!self.sentinel.is_empty(), "redis.login is for a primary behind Sentinel: else the URL has it");
            ensure!(self.login.contains(':'), "redis.login is user:password, or :password without a user");
        }
        Ok(())
    }
}

impl Pools {
    fn shard(&self, sku: &str) -> u32 {
        // FNV-1a: simple, and the same forever.
        let hash = sku.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        hash.checked_rem(self.shards).unwrap_or(0)
    }

    /// The pool of a row, as text.
    pub fn pool(&self, sku: &str) -> String {
        let key = if self.shards > 1 { self.key.replace('#', &self.shard(sku).to_string()) } else { self.key.clone() };
        // The row's key is plain text; a pool's key stands escaped in the ledger's tables.
        escape(key.replacen('%', sku, 1).as_bytes())
    }

    /// The row of a pool; none where the pool's key does not look like one.
    pub fn sku(&self, pool: &str) -> Option<String> {
        let key = String::from_utf8(unescape(pool)).ok()?;
        let (before, after) = self.key.split_once('%')?;
        let fits = |before: &str, after: &str| -> Option<String> {
            let sku = key.strip_prefix(before)?.strip_suffix(after)?;
            (!sku.is_empty() && self.pool(sku) == pool).then(|| sku.to_string())
        };
        if self.shards == 1 {
            return fits(before, after);
        }
        // The digits at the place of the first or the last #. Where digits stand beside it there
        // are a few readings: the one that leads back to the same pool.
        shard_numbers(before, after, &key)
            .into_iter()
            .find_map(|shard| fits(&before.replace('#', shard), &after.replace('#', shard)))
    }

    /// The stream of a row's pool.
    pub fn stream(&self, sku: &str) -> String {
        if self.shards > 1 {
            self.events.replace('#', &self.shard(sku).to_string())
        } else {
            self.events.clone()
        }
    }
}

/// The numbers that may stand for # in a pool's key.
fn shard_numbers<'a>(before: &str, after: &str, key: &'a str) -> Vec<&'a str> {
    const MOST_DIGITS: usize = 5;
    let is_digit = |b: &u8| b.is_ascii_digit();
    if let Some((start, _)) = before.split_once('#') {
        let Some(rest) = key.strip_prefix(start) else { return Vec::new() };
        let digits = rest.bytes().take(MOST_DIGITS).take_while(|b| is_digit(b)).count();
        return (1..=digits).rev().filter_map(|count| rest.get(..count)).collect();
    }
    let Some(rest) = after.rsplit_once('#').and_then(|(_, end)| key.strip_suffix(end)) else { return Vec::new() };
    let digits = rest.bytes().rev().take(MOST_DIGITS).take_while(|b| is_digit(b)).count();
    (1..=digits).rev().filter_map(|count| rest.get(rest.len() - count..)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_pools_find_each_other() {
        for (key, shards) in [
            ("%", 1),
            ("sku:%", 1),
            ("{#}sku:%", 16),
            ("a#b%c", 1),
            ("{s#}%:pool", 128),
            ("#%", 200),
            ("%#", 200),
            ("1#%{#}", 16384),
            ("%:{x#}", 30),
        ] {
            let pools = Pools { key: key.to_string(), shards, ..Pools::default() };
            for sku in ["618", "0", "a b", "茶", "x\\y", "7:pool", " "] {
                let pool = pools.pool(sku);
                assert_eq!(pools.sku(&pool).as_deref(), Some(sku), "{key} {pool}");
            }
        }
        let pools = Pools { key: "sku:%".to_string(), ..Pools::default() };
        assert_eq!(pools.sku("cap:618"), None);
        assert_eq!(pools.sku("sku:"), None);
    }

    #[test]
    fn a_file_is_read_and_checked() {
        let read = |text: &str| {
            toml::from_str::<Config>(text).map_err(anyhow::Error::from).and_then(|c| c.check().map(|()| c))
        };
        let config =
            read("[pools]\nkey='{#}%'\nevents='{#}events'\nshards=3\n[stock]\ntable='shop.goods'").expect("valid");
        assert_eq!(config.streams(), ["{0}events", "{1}events", "{2}events"]);
        assert!(config.streams().contains(&config.stream_of("618", "{0}618")));
        assert_eq!(config.policy("{0}events").expect("a policy"), "{\"events\":\"{0}events\"}");
        assert_eq!(config.stock.version.as_deref(), Some("version"));
        let config = read("[pools]\nkey='sku:%'\n[buckets]\nkey='{b#}sku:%'\nrows={618=2}").expect("valid");
        assert_eq!(config.streams(), ["stock:events", "{b0}events", "{b1}events"]);
        let rows = ["{b1}sku:618", "{b2}sku:618", "sku:618", "sku:7", "{b0}sku:7"].map(|pool| config.sku(pool));
        assert_eq!(rows.map(Option::unwrap_or_default), ["618", "{b2}sku:618", "", "7", ""]);
        assert_eq!(config.pools_of("618"), ["{b0}sku:618", "{b1}sku:618"]);
        assert_eq!(config.pools_of("7"), ["sku:7"]);
        assert_eq!(config.stream_of("618", "{b1}sku:618"), "{b1}events");
        for wrong in [
            "[buckets]\nkey='{b#}x'",
            "[buckets]\nrows={618=0}",
            "[stock]\ntable='a;b'",
            "[stock]\nunit='0.5'",
            "[stock]\nunit='0.0000000001'",
            "[stock]\nunit='0.'",
            "[pools]\nkey='x'",
            "[pools]\nshards=2",
            "[run]\nbatch=0",
            "[pools]\npolicy='['",
            "[database]\nconnections=0",
            "[database]\nurl='oracle://u:p@h/x'",
            "[redis]\nurl='http://x'",
            "[redis]\nsentinel='shop'\nlogin='secret'",
            "[redis]\nlogin='u:p'",
            "nonsense=1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
