CREATE TABLE stock_tokens (
  pool TEXT NOT NULL,
  order_id TEXT NOT NULL,
  token TEXT NOT NULL,
  units BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id, token)
)
