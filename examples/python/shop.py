"""A small shop: python shop.py redis://127.0.0.1:6379 [--cluster]"""

import sys
import time

import redis

from stock import Refused, cart, sale, stock

# One hash tag: the pools of a cart share a slot.
PEN, INK, CAP = "{618}pen", "{618}ink", "{618}cap"


def connect(url, cluster):
    kind = redis.RedisCluster if cluster else redis.Redis
    return kind.from_url(url, decode_responses=True, socket_timeout=0.5)


def preload(c):
    """Before the sale. NX: a second run does not put sold units back."""
    stock(c, "STOCK.SET", PEN, 10, "NX")
    stock(c, "STOCK.SET", INK, 5, "NX")
    stock(c, "STOCK.SET", CAP, "UNLIMITED", "NX")
    stock(c, "STOCK.LIMIT", PEN, "user", 2, "PER", "DAY")
    stock(c, "STOCK.LIMIT", CAP, "user", 4)
    print("preloaded")


def main(url, cluster):
    c = connect(url, cluster)
    preload(c)

    # One call per sale: it checks stock and limits, takes the units, and remembers the order.
    _, quantity, left, _ = sale(c, "STOCK.RESERVE", PEN, "order-1", 2, "EX", 900, "FOR", "user", 42)
    print(f"held: {quantity}, {left} left")
    # Where an answer gets lost the helper asks again, and EXISTS tells where the order stands.
    for order, user in (("order-lost", 43), ("order-slow", 44)):
        sale(c, "STOCK.RESERVE", PEN, order, 1, "EX", 900, "FOR", "user", user)
        print("held:", order)

    try:
        sale(c, "STOCK.RESERVE", PEN, "order-2", 1, "FOR", "user", 42)
    except Refused as no:
        limit, value, used, most, resets_ms = no.details
        print(f"refused: {no.word} {limit}, {used} of {most}")
    try:
        sale(c, "STOCK.RESERVE", INK, "order-3", 6, "FOR", "user", 45)
    except Refused as no:
        print(f"refused: {no.word}, {no.details[0]} left")

    # A cart: all of it, or nothing.
    cart(c, "MRESERVE", "order-cart", [PEN, INK, CAP], "QTY", 1, 1, 2, "EX", 900, "FOR", "user", 45)
    print("cart held")
    try:
        cart(c, "MRESERVE", "order-cart-2", [INK, CAP], "QTY", 3, 3, "FOR", "user", 45)
    except Refused as no:
        print("cart refused:", no.word, no.key)

    # Paid, cancelled, and the page that polls.
    print("paid:", *sale(c, "STOCK.CONFIRM", PEN, "order-1")[1:])
    cart(c, "MCONFIRM", "order-cart", [PEN, INK, CAP])
    print("cart paid")
    print("cancelled:", *sale(c, "STOCK.RELEASE", PEN, "order-lost")[1:])
    order = stock(c, "STOCK.ORDER", PEN, "order-1")
    order = order if isinstance(order, dict) else dict(zip(order[::2], order[1::2]))
    print("poll:", order["state"], order["qty"])

    # The payment comes when the hold is over.
    sale(c, "STOCK.RESERVE", INK, "order-late", 1, "PX", 1, "FOR", "user", 46)
    time.sleep(0.05)
    try:
        sale(c, "STOCK.CONFIRM", INK, "order-late")
    except Refused as no:
        print("too late:", no.word)
        print("honoured:", *sale(c, "STOCK.CONFIRM", INK, "order-late", "LATE")[:2])

    # One of the two pens comes back. The token makes the refund repeatable.
    print("refunded:", *sale(c, "STOCK.RETURN", PEN, "order-1", "QTY", 1, "TOKEN", "refund-1")[1:])

    # Errors are bugs of the caller, and not caught by a shop.
    for words in (("order-1", 1, "FOR", "user", 42), ("order-4", 1)):
        try:
            sale(c, "STOCK.RESERVE", PEN, *words)
        except redis.ResponseError as bug:
            print("bug:", str(bug).split()[0])

    print("left:", *stock(c, "STOCK.AVAILABLE", PEN, INK))
    c.close()


if __name__ == "__main__":
    main(sys.argv[1], "--cluster" in sys.argv)
