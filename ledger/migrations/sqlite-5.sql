CREATE INDEX stock_incidents_pool ON stock_incidents (pool, kind)
