"""A cart whose pools cannot share a slot, sold with the same repeatable commands: python split_cart.py redis://127.0.0.1:7000

1. `reserve`: shard by shard, with a short hold. Where one refuses, everything is given back at once.
2. `extend`: before money moves, for as long as the payment may take.
3. The payment. Write down that it came before going on: from here on step 4 is repeated until it comes to its end.
4. `confirm`: shard by shard. A hold that ended meanwhile is taken again (LATE); where that is refused nothing stays sold,
   and the buyer gets the money back.

A crash in 1 or 2 needs no repair: the holds end by themselves. A crash in 4: call `confirm` again, as often as needed. Each
shard is whole in itself; in between another buyer may see one shard held and the next one not yet. One process at a time
works on an order.
"""

import sys

import redis

from stock import Refused, cart


def shards(client, lines):
    """The keys of each slot, in a fixed order."""
    groups = {}
    for key in sorted(lines):
        groups.setdefault(client.keyslot(key), []).append(key)
    return list(groups.values())


def reserve(client, order, lines, hold_ms, *attributes):
    """Holds all lines, {key: quantity}, or none: then Refused says which pool said no."""
    for keys in shards(client, lines):
        try:
            quantities = [lines[key] for key in keys]
            cart(client, "MRESERVE", order, keys, "QTY", *quantities, "PX", hold_ms, *attributes)
        except Refused:
            give_back(client, order, lines)
            raise


def extend(client, order, lines, hold_ms):
    """Moves all deadlines, or gives everything back."""
    for keys in shards(client, lines):
        try:
            cart(client, "MEXTEND", order, keys, "PX", hold_ms)
        except Refused:
            give_back(client, order, lines)
            raise


def confirm(client, order, lines):
    """Sells all lines of an order that is paid. When it raises Refused, nothing stays sold: refund."""
    for keys in shards(client, lines):
        try:
            cart(client, "MCONFIRM", order, keys, "LATE")
        except Refused:
            give_back(client, order, lines)
            raise


def give_back(client, order, lines):
    """Ends the order everywhere. First what is not sold, so that a repeated `confirm` sells no more; then what is."""
    for verb in ("MRELEASE", "MRETURN"):
        for keys in shards(client, lines):
            try:
                cart(client, verb, order, keys)
            except Refused:
                pass  # nothing of this kind here


def main(url):
    client = redis.RedisCluster.from_url(url, decode_responses=True, socket_timeout=0.5)
    order, lines = "split-1", {"{paris}pen": 1, "{paris}ink": 2, "{tokyo}pen": 1}
    for key in lines:
        client.execute_command("STOCK.SET", key, 10, "NX")
    try:
        reserve(client, order, lines, 30_000, "FOR", "user", 42)
        extend(client, order, lines, 600_000)
        # ... the payment, and a note that it came ...
        confirm(client, order, lines)
        print("sold:", order)
    except Refused as no:
        print("refused:", no.word, no.key)


if __name__ == "__main__":
    main(sys.argv[1])
