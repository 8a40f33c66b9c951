//! TLS to Redis and to the databases.

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{run, RedisServer};
use crate::harness::shop::{open, sell};
use crate::harness::Shop;

#[test]
fn redis_is_reached_through_tls() {
    let keep = tempfile::tempdir().expect("a directory");
    let (certificate, key) = testkit::certificate(keep.path());
    let port = crate::harness::free_port();
    let words = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
    let port_text = port.to_string();
    let more = ["--tls-port", &port_text, "--tls-auth-clients", "no"];
    let shop = Shop::on(RedisServer::start(&[&words[..], &more[..]].concat()), Database::fresh(Kind::Sqlite));
    let mut c = shop.redis.connect();
    open(&shop, 2, 10);
    for host in ["127.0.0.1", "localhost"] {
        let order = format!("o-{host}");
        sell(&mut c, "sku:1", &order, "2");
        shop.write_config(&format!("rediss://{host}:{port}/0"));
        // Whom the system does not know is not talked to.
        shop.ledger(&["preload"]).with(4);
        let through = |words: &[&str]| {
            let out = shop.command(words).env("SSL_CERT_FILE", &certificate).output().expect("stock-ledger");
            assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        };
        through(&["preload"]);
        through(&["run", "--once"]);
        through(&["reconcile"]);
        through(&["audit"]);
    }
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 6);
    let info = run(&mut c, &["INFO", "clients"]);
    assert!(matches!(info, redis::Value::BulkString(_) | redis::Value::VerbatimString { .. }));
}

/// A database that speaks no TLS is refused at once where TLS is asked for.
#[test]
fn a_database_without_tls_is_refused_where_tls_is_asked_for() {
    for (kind, wish) in [(Kind::Postgres, "sslmode=require"), (Kind::MariaDb, "ssl-mode=REQUIRED")] {
        let shop = Shop::new(Database::fresh(kind));
        open(&shop, 1, 1);
        // Later versions of MariaDB make a certificate by themselves.
        if kind == Kind::MariaDb && shop.database.rows("SELECT @@have_ssl")[0][0] != "DISABLED" {
            continue;
        }
        let text = format!("{}[database]\nurl = \"{}?{wish}\"\n", shop.config, shop.database.url());
        std::fs::write(shop.config_path(), text).expect("a configuration");
        shop.ledger(&["run"]).with(2).err_has("database.url").err_has("TLS");
    }
}
