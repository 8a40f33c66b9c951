CREATE TABLE stock_pending (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  units BIGINT NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX stock_pending_pool ON stock_pending (pool, id)
