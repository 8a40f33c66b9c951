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
        // A lock need not survive the server: what it protects waits for no disk.
        "CREATE TABLE locks (name VARCHAR(32) PRIMARY KEY, owner BIGINT NOT NULL, taken_ms BIGINT NOT NULL) \
         ENGINE = MEMORY",
        "CREATE PROCEDURE reserve(o VARCHAR(32), u BIGINT, q BIGINT, due BIGINT, most BIGINT, s VARCHAR(32)) \
         BEGIN \
           DECLARE done INT DEFAULT 0; \
           DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; \
           START TRANSACTION; \
           INSERT IGNORE INTO orders (id, user_id, qty, state, deadline_ms) \
             SELECT o, u, q, 0, due FROM stock WHERE sku = s AND available >= q; \
           IF ROW_COUNT() = 0 THEN ROLLBACK; SELECT state FROM orders WHERE id = o; \
           ELSE \
             INSERT IGNORE INTO used (user_id, units) SELECT u, t.units FROM (SELECT q AS units) t WHERE t.units <= most; \
             SET done = ROW_COUNT(); \
             IF done = 0 THEN \
               UPDATE used SET units = units + q WHERE user_id = u AND units + q <= most; \
               SET done = ROW_COUNT(); \
             END IF; \
             IF done > 0 THEN \
               UPDATE stock SET available = available - q WHERE sku = s AND available >= q; \
               SET done = ROW_COUNT(); \
             END IF; \
             IF done > 0 THEN COMMIT; SELECT 0 AS state; ELSE ROLLBACK; SELECT 2 AS state; END IF; \
           END IF; \
         END",
    ],
    put_stock: "INSERT INTO stock (sku, available) VALUES (?, ?)",
    insert_order: "INSERT IGNORE INTO orders (id, user_id, qty, state, deadline_ms) \
                   SELECT ?, ?, ?, 0, ? FROM stock WHERE sku = ? AND available >= ?",
    reserve: "CALL reserve(?, ?, ?, ?, ?, ?)",
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
