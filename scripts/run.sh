#!/bin/sh
# Starts Redis with the module in the foreground and says what to type next.
set -eu
module=$1
port=$2
case $module in /*) ;; *) module="$PWD/$module" ;; esac
mkdir -p run
cat <<TEXT

redis-stock is starting on port $port (data in ./run, Ctrl-C stops it). In another terminal:

  redis-cli -p $port
  > STOCK.SET sku:1 100
  > STOCK.LIMIT sku:1 user 2 PER DAY
  > STOCK.RESERVE sku:1 order-1 2 EX 900 FOR user alice
  > STOCK.CONFIRM sku:1 order-1
  > STOCK.GET sku:1

TEXT
exec "${REDIS_SERVER:-redis-server}" --port "$port" --dir "$PWD/run" --appendonly yes --loadmodule "$module"
