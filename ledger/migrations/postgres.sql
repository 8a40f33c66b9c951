CREATE TABLE stock_streams (
  stream TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  entry TEXT NOT NULL,
  history TEXT NOT NULL,
  version BIGINT NOT NULL,
  applied BIGINT NOT NULL,
  event_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL
);
CREATE TABLE stock_positions (
  pool TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  out_units BIGINT NOT NULL,
  uncovered BIGINT NOT NULL,
  needs_audit INTEGER NOT NULL
);
CREATE TABLE stock_epochs (
  pool TEXT COLLATE "C" NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (pool, epoch)
);
CREATE TABLE stock_lines (
  pool TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  state TEXT NOT NULL,
  qty BIGINT NOT NULL,
  returned BIGINT NOT NULL,
  units_taken BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  placed_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id)
);
CREATE TABLE stock_incidents (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind TEXT NOT NULL,
  pool TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  units BIGINT NOT NULL,
  detail TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE TABLE stock_adjustments (
  token TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  sku TEXT COLLATE "C" NOT NULL,
  delta BIGINT NOT NULL,
  reason TEXT NOT NULL,
  operator TEXT NOT NULL,
  on_hand BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  synced INTEGER NOT NULL
);
CREATE INDEX stock_lines_lost ON stock_lines (lost) WHERE lost = 1;
CREATE TABLE stock_tokens (
  pool TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  units BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  epoch TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id, token)
);
CREATE INDEX stock_adjustments_synced ON stock_adjustments (synced, sku)
