"""A cart whose pools cannot share a slot, sold with the same repeatable calls: python split_cart.py redis://127.0.0.1:7000

1. `reserve`: shard by shard, with a short hold. Where one refuses, everything is given back at once.
2. `extend`: before money moves, for as long as the payment may take.
3. The payment. Write down that it came before going on: from here on step 4 is repeated until it comes to its end.
4. `confirm`: shard by shard. A hold that ended meanwhile is taken again (`late`); where that is refused nothing stays sold,
   and the buyer gets the money back.

A crash in 1 or 2 needs no repair: the holds end by themselves. A crash in 4: call `confirm` again, as often as needed. Each
shard is whole in itself; in between another buyer may see one shard held and the next one not yet. One process at a time
works on an order. Each step answers None, or the refusal after which nothing is held.
"""

import sys

import redis
from redis.cluster import key_slot

from redis_stock import Refused, Stock, calls


def shards(lines):
    """The keys of each slot, in a fixed order."""
    groups = {}
    for key in sorted(lines):
        groups.setdefault(key_slot(key.encode()), []).append(key)
    return list(groups.values())


def each(shop, order, lines, call):
    """Makes a call for each shard; the first refusal ends it, and gives everything back."""
    for keys in shards(lines):
        answer = shop.do(call(keys))
        if isinstance(answer, Refused):
            give_back(shop, order, lines)
            return answer
    return None


def reserve(shop, order, lines, hold_ms, attributes):
    """Holds all lines, {key: quantity}, or none."""
    part = lambda keys: {key: lines[key] for key in keys}  # noqa: E731
    return each(
        shop, order, lines, lambda keys: calls.reserve_cart(order, part(keys), px=hold_ms, attributes=attributes)
    )


def extend(shop, order, lines, hold_ms):
    """Moves all deadlines, or gives everything back."""
    return each(shop, order, lines, lambda keys: calls.extend_cart(order, keys, px=hold_ms))


def confirm(shop, order, lines):
    """Sells all lines of an order that is paid. When it is refused, nothing stays sold: refund."""
    return each(shop, order, lines, lambda keys: calls.confirm_cart(order, keys, late=True))


def give_back(shop, order, lines):
    """Ends the order everywhere. First what is not sold, so that a repeated `confirm` sells no more; then what is. A refusal
    says that there is nothing of this kind."""
    for end in (calls.release_cart, calls.refund_cart):
        for keys in shards(lines):
            shop.do(end(order, keys))


def main(url):
    shop = Stock(redis.RedisCluster.from_url(url, decode_responses=True, socket_timeout=0.5))
    order, lines = "split-1", {"{paris}pen": 1, "{paris}ink": 2, "{tokyo}pen": 1}
    for key in lines:
        shop.do(calls.set_stock(key, 10, nx=True))
    refused = reserve(shop, order, lines, 30_000, {"user": 42}) or extend(shop, order, lines, 600_000)
    if refused is None:
        # ... the payment, and a note that it came ...
        refused = confirm(shop, order, lines)
    print(f"refused: {refused.word} {refused.key}" if refused else f"sold: {order}")


if __name__ == "__main__":
    main(sys.argv[1])
