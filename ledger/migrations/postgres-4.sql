DROP INDEX IF EXISTS stock_lines_lost
