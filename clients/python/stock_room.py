"""Why can nobody buy it, and what is in the stock room: python stock_room.py redis://127.0.0.1:6379

EXPLAIN says which step of a sale refuses; TRANSFER moves free units, once, however often it is sent.
"""

import sys

import redis

from redis_stock import Exists, Refused, Stock, calls

# One hash tag: both pools of a transfer share a slot.
SHOP, ROOM = "{8}tea:shop", "{8}tea:room"


def why_not(shop, key, quantity, attributes):
    """What keeps this buyer from buying, in words."""
    seen = shop.do(calls.explain(key, quantity, attributes=attributes))
    if not isinstance(seen["answer"], Refused):
        return ["nothing"]
    reasons = []
    if seen["suspended"]:
        reasons.append("it is suspended")
    if seen["stock"]["available"] < quantity:
        stock = seen["stock"]
        reasons.append(f"{stock['on_hand']} on hand, {stock['held']} held, {stock['safety']} kept back")
    for limit in seen["limits"]:
        if limit["verdict"] == "refuses":
            reasons.append(f"{limit['limit']}: {limit['used']} of {limit['max']} used")
    return reasons


def main(client):
    shop = Stock(client)
    shop.pipeline([
        calls.set_stock(SHOP, 3, nx=True),
        calls.set_stock(ROOM, 20, nx=True),
        calls.set_policy(SHOP, '{"safety":1,"limits":[{"by":["user"],"max":2}]}'),
    ])
    buyer = {"user": 42}
    shop.do(calls.reserve(SHOP, "order-1", 2, ex=900, attributes=buyer))
    print("why not:", *why_not(shop, SHOP, 1, buyer), sep="\n  ")

    moved = shop.do(calls.transfer(ROOM, SHOP, 10, "move-1"))
    print("moved:", moved.on_hand, "left,", moved.to_available, "to be had")
    again = shop.do(calls.transfer(ROOM, SHOP, 10, "move-1"))
    print("again:", isinstance(again, Exists), again.state, *shop.do(calls.available(ROOM, SHOP)))
    refused = shop.do(calls.transfer(SHOP, ROOM, 99, "move-2"))
    print("too many:", refused.word, refused.available, "free")

    print("why not:", *why_not(shop, SHOP, 1, buyer), sep="\n  ")
    print("why not:", *why_not(shop, SHOP, 1, {"user": 43}), sep="\n  ")


if __name__ == "__main__":
    main(redis.Redis.from_url(sys.argv[1], decode_responses=True))
