"""A small shop: python shop.py redis://127.0.0.1:6379 [--cluster]"""

import sys
import time

import redis

from redis_stock import Limited, Refused, SoldOut, Stock, StockError, calls

# One hash tag: the pools of a cart share a slot.
PEN, INK, CAP = "{618}pen", "{618}ink", "{618}cap"


def tell(refusal):
    """What a buyer is told."""
    match refusal:
        case Limited(limit=limit, used=used, max=most):
            return f"LIMITED {limit}, {used} of {most}"
        case SoldOut(available=left):
            return f"SOLDOUT, {left} left"
    return f"{refusal.word} {refusal.key}"


def main(client):
    shop = Stock(client)

    # Before the sale. NX: a second run does not put sold units back.
    shop.pipeline([
        calls.set_stock(PEN, 10, nx=True),
        calls.set_stock(INK, 5, nx=True),
        calls.set_stock(CAP, "UNLIMITED", nx=True),
        calls.limit(PEN, "user", 2, per="DAY"),
        calls.limit(CAP, "user", 4),
    ])
    print("preloaded")

    # One call per sale: it checks stock and limits, takes the units, and remembers the order.
    taken = shop.do(calls.reserve(PEN, "order-1", 2, ex=900, attributes={"user": 42}))
    print(f"held: {taken.quantity}, {taken.available} left")
    # Where an answer gets lost the call is made again, and `Exists` tells where the order stands.
    for order, user in (("order-lost", 43), ("order-slow", 44)):
        answer = shop.do(calls.reserve(PEN, order, 1, ex=900, attributes={"user": user}))
        if not isinstance(answer, Refused):
            print("held:", order)

    for no in (
        shop.do(calls.reserve(PEN, "order-2", 1, attributes={"user": 42})),
        shop.do(calls.reserve(INK, "order-3", 6, attributes={"user": 45})),
    ):
        print("refused:", tell(no))

    # A cart: all of it, or nothing.
    shop.do(calls.reserve_cart("order-cart", {PEN: 1, INK: 1, CAP: 2}, ex=900, attributes={"user": 45}))
    print("cart held")
    no = shop.do(calls.reserve_cart("order-cart-2", {INK: 3, CAP: 3}, attributes={"user": 45}))
    print("cart refused:", no.word, no.key)

    # Paid, cancelled, and the page that polls.
    paid = shop.do(calls.confirm(PEN, "order-1"))
    print("paid:", paid.quantity, paid.sold)
    if not isinstance(shop.do(calls.confirm_cart("order-cart", [PEN, INK, CAP])), Refused):
        print("cart paid")
    back = shop.do(calls.release(PEN, "order-lost"))
    print("cancelled:", back.quantity, back.available)
    order = shop.do(calls.order(PEN, "order-1"))
    print("poll:", order.state, order.quantity)

    # The payment comes when the hold is over.
    shop.do(calls.reserve(INK, "order-late", 1, px=1, attributes={"user": 46}))
    time.sleep(0.05)
    late = shop.do(calls.confirm(INK, "order-late"))
    if isinstance(late, Refused):
        print("too late:", late.word)
        print("honoured: OK", shop.do(calls.confirm(INK, "order-late", late=True)).quantity)

    # One of the two pens comes back. The token makes the refund repeatable.
    refund = shop.do(calls.refund(PEN, "order-1", quantity=1, token="refund-1"))
    print("refunded:", refund.quantity, refund.available, refund.sold)

    # Errors are bugs of the caller, and not caught by a shop.
    for wrong in (calls.reserve(PEN, "order-1", 1, attributes={"user": 42}), calls.reserve(PEN, "order-4", 1)):
        try:
            shop.do(wrong)
        except StockError as bug:
            print("bug:", bug.code)

    print("left:", *shop.do(calls.available(PEN, INK)))


if __name__ == "__main__":
    kind = redis.RedisCluster if "--cluster" in sys.argv else redis.Redis
    main(kind.from_url(sys.argv[1], decode_responses=True, socket_timeout=0.5))
