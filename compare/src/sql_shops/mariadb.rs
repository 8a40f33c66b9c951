//! MariaDB, with InnoDB.

#[path = "shop.rs"]
#[allow(clippy::duplicate_mod, reason = "once for each driver")]
mod shop;

pub use shop::SqlShop;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{MySql, MySqlPool};

use super::texts::Texts;

type Driver = MySql;
type Pool = MySqlPool;
type Options = MySqlPoolOptions;

const TEXTS: Texts = Texts {
    tables: &[
        "CREATE TABLE stock (sku VARCHAR(32) PRIMARY KEY, available BIGINT NOT NULL) ENGINE = InnoDB",
        "CREATE TABLE orders (id VARCHAR(32) PRIMARY KEY, user_id BIGINT NOT NULL, qty BIGINT NOT NULL, \
         state SMALLINT NOT NULL, deadline_ms BIGINT NOT NULL, KEY due (state, deadline_ms)) ENGINE = InnoDB",
        "CREATE TABLE used (user_id BIGINT PRIMARY KEY, units BIGINT NOT NULL) ENGINE = InnoDB",
        "CREATE TABLE locks (name VARCHAR(32) PRIMARY KEY, owner BIGINT NOT NULL, taken_ms BIGINT NOT NULL) \
         ENGINE = InnoDB",
    ],
    put_stock: "INSERT INTO stock (sku, available) VALUES (?, ?)",
    insert_order: "INSERT IGNORE INTO orders (id, user_id, qty, state, deadline_ms) VALUES (?, ?, ?, 0, ?)",
    order_state: "SELECT state FROM orders WHERE id = ?",
    // The limit is at least what one order may have.
    use_first: "INSERT IGNORE INTO used (user_id, units) SELECT ?, q.units FROM (SELECT ? AS units) q \
                WHERE q.units <= ?",
    use_more: Some("UPDATE used SET units = units + ? WHERE user_id = ? AND units + ? <= ?"),
    take: "UPDATE stock SET available = available - ? WHERE sku = ? AND available >= ?",
    lock_stock: "SELECT available FROM stock WHERE sku = ? FOR UPDATE",
    stock: "SELECT available FROM stock WHERE sku = ?",
    change_stock: "UPDATE stock SET available = available + ? WHERE sku = ?",
    change_used: "UPDATE used SET units = units + ? WHERE user_id = ?",
    end_order: "UPDATE orders SET state = ? WHERE id = ? AND state = 0",
    due: "SELECT id, user_id, qty FROM orders WHERE state = 0 AND deadline_ms <= ? LIMIT 200",
    lock: "INSERT IGNORE INTO locks (name, owner, taken_ms) VALUES (?, ?, ?)",
    unlock: "DELETE FROM locks WHERE name = ? AND owner = ?",
    remove_old_locks: "DELETE FROM locks WHERE taken_ms < ?",
};
