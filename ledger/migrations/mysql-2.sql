CREATE TABLE stock_tokens (
  pool VARCHAR(255) NOT NULL,
  order_id VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  units BIGINT NOT NULL,
  lost INTEGER NOT NULL,
  epoch VARCHAR(16) NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (pool, order_id, token)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
