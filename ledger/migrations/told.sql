CREATE INDEX stock_adjustments_told ON stock_adjustments (told, sku)
