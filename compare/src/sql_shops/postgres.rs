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
        // A lock need not survive the server: what it protects waits for no disk.
        "CREATE UNLOGGED TABLE locks (name VARCHAR(32) PRIMARY KEY, owner BIGINT NOT NULL, taken_ms BIGINT NOT NULL)",
        "CREATE FUNCTION reserve(o VARCHAR, u BIGINT, q BIGINT, due BIGINT, most BIGINT, s VARCHAR) RETURNS SMALLINT \
         LANGUAGE plpgsql AS $$ \
         BEGIN \
           INSERT INTO orders (id, user_id, qty, state, deadline_ms) \
             SELECT o, u, q, 0, due FROM stock WHERE sku = s AND available >= q ON CONFLICT DO NOTHING; \
           IF NOT FOUND THEN RETURN (SELECT state FROM orders WHERE id = o); END IF; \
           INSERT INTO used AS t (user_id, units) VALUES (u, q) ON CONFLICT (user_id) \
             DO UPDATE SET units = t.units + q WHERE t.units + q <= most; \
           IF NOT FOUND THEN DELETE FROM orders WHERE id = o; RETURN NULL; END IF; \
           UPDATE stock SET available = available - q WHERE sku = s AND available >= q; \
           IF FOUND THEN RETURN 0; END IF; \
           UPDATE used SET units = units - q WHERE user_id = u; \
           DELETE FROM orders WHERE id = o; \
           RETURN NULL; \
         END $$",
    ],
    put_stock: "INSERT INTO stock (sku, available) VALUES ($1, $2)",
    insert_order: "INSERT INTO orders (id, user_id, qty, state, deadline_ms) \
                   SELECT $1::varchar, $2::bigint, $3::bigint, 0, $4::bigint FROM stock \
                   WHERE sku = $5 AND available >= $6 ON CONFLICT DO NOTHING",
    reserve: "SELECT reserve($1, $2, $3, $4, $5, $6)",
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
