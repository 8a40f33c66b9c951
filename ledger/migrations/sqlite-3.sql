CREATE TABLE stock_pending (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool TEXT NOT NULL,
  order_id TEXT NOT NULL,
  units BIGINT NOT NULL,
  epoch TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX stock_pending_pool ON stock_pending (pool, id)
