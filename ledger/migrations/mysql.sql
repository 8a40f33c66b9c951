CREATE TABLE stock_streams (
  stream VARCHAR(255) NOT NULL PRIMARY KEY,
  entry VARCHAR(64) NOT NULL,
  history VARCHAR(128) NOT NULL,
  version BIGINT NOT NULL,
  applied BIGINT NOT NULL,
  event_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_positions (
  pool VARCHAR(255) NOT NULL PRIMARY KEY,
  epoch VARCHAR(16) NOT NULL,
  seq BIGINT NOT NULL,
  out_units BIGINT NOT NULL,
  uncovered BIGINT NOT NULL,
  needs_audit INTEGER NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_epochs (
  pool VARCHAR(255) NOT NULL,
  epoch VARCHAR(16) NOT NULL,
  PRIMARY KEY (pool, epoch)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_lines (
  pool VARCHAR(255) NOT NULL,
  order_id VARCHAR(512) NOT NULL,
  state VARCHAR(16) NOT NULL,
  qty BIGINT NOT NULL,
  returned BIGINT NOT NULL,
  units_taken BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  attributes VARCHAR(14000) NOT NULL,
  placed_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  epoch VARCHAR(16) NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id),
  INDEX stock_lines_lost (lost)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_incidents (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(32) NOT NULL,
  pool VARCHAR(255) NOT NULL,
  order_id VARCHAR(512) NOT NULL,
  epoch VARCHAR(16) NOT NULL,
  seq BIGINT NOT NULL,
  units BIGINT NOT NULL,
  detail VARCHAR(2000) NOT NULL,
  at_ms BIGINT NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_adjustments (
  token VARCHAR(255) NOT NULL PRIMARY KEY,
  sku VARCHAR(255) NOT NULL,
  delta BIGINT NOT NULL,
  reason VARCHAR(1000) NOT NULL,
  operator VARCHAR(255) NOT NULL,
  on_hand BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  synced INTEGER NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE stock_tokens (
  pool VARCHAR(255) NOT NULL,
  order_id VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  units BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  epoch VARCHAR(16) NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id, token)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX stock_adjustments_synced ON stock_adjustments (synced, sku)
