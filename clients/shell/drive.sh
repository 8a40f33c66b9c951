#!/bin/sh
# What the tests ask of every client: sh drive.sh redis-cli PORT [--cluster] shop | carts TAG COUNT
set -u
here=$(dirname "$0")
port=$2
shift 2
cluster=""
[ "$1" != --cluster ] || { cluster="-c" && shift; }
STOCK_CLI="redis-cli $cluster -p $port"
export STOCK_CLI
if [ "$1" = shop ]; then
    exec sh "$here/shop.sh"
fi
. "$here/stock.sh"
n=0
while [ "$n" -lt "$3" ]; do
    stock STOCK.MRESERVE "order-$n" 2 "{$2}a" "{$2}b" QTY 1 1 | element 1
    n=$((n + 1))
done
