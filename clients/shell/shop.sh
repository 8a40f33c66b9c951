#!/bin/sh
# A small shop: STOCK_CLI="redis-cli -p 6379" sh shop.sh
set -u
. "$(dirname "$0")/stock.sh"

# One hash tag: the pools of a cart share a slot.
pen="{618}pen" ink="{618}ink" cap="{618}cap"

# Before the sale. NX: a second run does not put sold units back.
{
    stock STOCK.SET "$pen" 10 NX
    stock STOCK.SET "$ink" 5 NX
    stock STOCK.SET "$cap" UNLIMITED NX
    stock STOCK.LIMIT "$pen" user 2 PER DAY
    stock STOCK.LIMIT "$cap" user 4
} >/dev/null
echo preloaded

# One call per sale: it checks stock and limits, takes the units, and remembers the order.
if taken=$(stock STOCK.RESERVE "$pen" order-1 2 EX 900 FOR user 42); then
    echo "held: $(echo "$taken" | element 2), $(echo "$taken" | element 3) left"
fi
# Where an answer gets lost the helper asks again, and EXISTS tells where the order stands.
stock STOCK.RESERVE "$pen" order-lost 1 EX 900 FOR user 43 >/dev/null && echo "held: order-lost"
stock STOCK.RESERVE "$pen" order-slow 1 EX 900 FOR user 44 >/dev/null && echo "held: order-slow"

# What a buyer is told.
tell() {
    case $(echo "$1" | element 1) in
    LIMITED) echo "LIMITED $(echo "$1" | element 3), $(echo "$1" | element 5) of $(echo "$1" | element 6)" ;;
    SOLDOUT) echo "SOLDOUT, $(echo "$1" | element 3) left" ;;
    *) echo "$1" | element 1 ;;
    esac
}
no=$(stock STOCK.RESERVE "$pen" order-2 1 FOR user 42) || echo "refused: $(tell "$no")"
no=$(stock STOCK.RESERVE "$ink" order-3 6 FOR user 45) || echo "refused: $(tell "$no")"

# A cart: all of it, or nothing.
stock STOCK.MRESERVE order-cart 3 "$pen" "$ink" "$cap" QTY 1 1 2 EX 900 FOR user 45 >/dev/null && echo "cart held"
no=$(stock STOCK.MRESERVE order-cart-2 2 "$ink" "$cap" QTY 3 3 FOR user 45) ||
    echo "cart refused: $(echo "$no" | element 1) $(echo "$no" | element 2)"

# Paid, cancelled, and the page that polls.
paid=$(stock STOCK.CONFIRM "$pen" order-1) && echo "paid: $(echo "$paid" | element 2) $(echo "$paid" | element 3)"
stock STOCK.MCONFIRM order-cart 3 "$pen" "$ink" "$cap" >/dev/null && echo "cart paid"
back=$(stock STOCK.RELEASE "$pen" order-lost) && echo "cancelled: $(echo "$back" | element 2) $(echo "$back" | element 3)"
order=$(stock STOCK.ORDER "$pen" order-1)
echo "poll: $(echo "$order" | element 2) $(echo "$order" | element 4)"

# The payment comes when the hold is over.
stock STOCK.RESERVE "$ink" order-late 1 PX 1 FOR user 46 >/dev/null
sleep 0.05
if ! no=$(stock STOCK.CONFIRM "$ink" order-late); then
    echo "too late: $(echo "$no" | element 1)"
    late=$(stock STOCK.CONFIRM "$ink" order-late LATE) && echo "honoured: OK $(echo "$late" | element 2)"
fi

# One of the two pens comes back. The token makes the refund repeatable.
back=$(stock STOCK.RETURN "$pen" order-1 QTY 1 TOKEN refund-1) &&
    echo "refunded: $(echo "$back" | element 2) $(echo "$back" | element 3) $(echo "$back" | element 4)"

# Errors are bugs of the caller, and not caught by a shop.
bug=$(stock STOCK.RESERVE "$pen" order-1 1 FOR user 42 2>&1) || echo "bug: ${bug%% *}"
bug=$(stock STOCK.RESERVE "$pen" order-4 1 2>&1) || echo "bug: ${bug%% *}"

left=$(stock STOCK.AVAILABLE "$pen" "$ink")
echo "left: $(echo "$left" | element 1) $(echo "$left" | element 2)"
