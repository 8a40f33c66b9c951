//! PostgreSQL.

#[path = "shop.rs"]
#[allow(clippy::duplicate_mod, reason = "once for each driver")]
mod shop;

pub use shop::SqlShop;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres};

use super::texts::Texts;

type Driver = Postgres;
type Pool = PgPool;
type Options = PgPoolOptions;

const TEXTS: Texts = Texts {
    tables: &[
        "CREATE TABLE stock (sku VARCHAR(32) PRIMARY KEY, available BIGINT NOT NULL) WITH (fillfactor = 50)",
        "CREATE TABLE orders (id VARCHAR(32) PRIMARY KEY, user_id BIGINT NOT NULL, qty BIGINT NOT NULL, \
         state SMALLINT NOT NULL, deadline_ms BIGINT NOT NULL)",
        "CREATE INDEX due ON orders (deadline_ms) WHERE state = 0",
        "CREATE TABLE used (user_id BIGINT PRIMARY KEY, units BIGINT NOT NULL)",
        "CREATE TABLE locks (name VARCHAR(32) PRIMARY KEY, owner BIGINT NOT NULL, taken_ms BIGINT NOT NULL)",
    ],
    put_stock: "INSERT INTO stock (sku, available) VALUES ($1, $2)",
    insert_order: "INSERT INTO orders (id, user_id, qty, state, deadline_ms) VALUES ($1, $2, $3, 0, $4) \
                   ON CONFLICT DO NOTHING",
    order_state: "SELECT state FROM orders WHERE id = $1",
    use_first: "INSERT INTO used AS u (user_id, units) VALUES ($1, $2) ON CONFLICT (user_id) \
                DO UPDATE SET units = u.units + excluded.units WHERE u.units + excluded.units <= $3",
    use_more: None,
    take: "UPDATE stock SET available = available - $1 WHERE sku = $2 AND available >= $3",
    lock_stock: "SELECT available FROM stock WHERE sku = $1 FOR UPDATE",
    stock: "SELECT available FROM stock WHERE sku = $1",
    change_stock: "UPDATE stock SET available = available + $1 WHERE sku = $2",
    change_used: "UPDATE used SET units = units + $1 WHERE user_id = $2",
    end_order: "UPDATE orders SET state = $1 WHERE id = $2 AND state = 0",
    due: "SELECT id, user_id, qty FROM orders WHERE state = 0 AND deadline_ms <= $1 LIMIT 200",
    lock: "INSERT INTO locks (name, owner, taken_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    unlock: "DELETE FROM locks WHERE name = $1 AND owner = $2",
    remove_old_locks: "DELETE FROM locks WHERE taken_ms < $1",
};
