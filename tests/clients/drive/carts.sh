# Reserves COUNT carts of two pools, and prints the first word of each answer: STOCK_CLI=... sh carts.sh EXAMPLES TAG COUNT
set -u
. "$1/stock.sh"
n=0
while [ "$n" -lt "$3" ]; do
    stock STOCK.MRESERVE "order-$n" 2 "{$2}a" "{$2}b" QTY 1 1 | element 1
    n=$((n + 1))
done
