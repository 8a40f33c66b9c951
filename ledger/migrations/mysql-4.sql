DROP INDEX stock_lines_lost ON stock_lines
