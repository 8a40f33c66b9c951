CREATE TABLE stock_tokens (
  pool TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  units BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id, token)
)
