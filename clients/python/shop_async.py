"""The shop for asyncio: python shop_async.py redis://127.0.0.1:6379 [--cluster]

The same lines sell through `AsyncStock` (redis.asyncio) and `GlideStock` (valkey-glide).
"""

import asyncio
import sys

import redis.asyncio

from redis_stock import AsyncStock, Refused, StockError, calls
from redis_stock.answers import text
from shop import CAP, INK, PEN, tell


async def main(shop):
    await shop.pipeline([
        calls.set_stock(PEN, 10, nx=True),
        calls.set_stock(INK, 5, nx=True),
        calls.set_stock(CAP, "UNLIMITED", nx=True),
        calls.limit(PEN, "user", 2, per="DAY"),
        calls.limit(CAP, "user", 4),
    ])
    print("preloaded")

    taken = await shop.do(calls.reserve(PEN, "order-1", 2, ex=900, attributes={"user": 42}))
    print(f"held: {taken.quantity}, {taken.available} left")
    for order, user in (("order-lost", 43), ("order-slow", 44)):
        if not isinstance(await shop.do(calls.reserve(PEN, order, 1, ex=900, attributes={"user": user})), Refused):
            print("held:", order)
    print("refused:", tell(await shop.do(calls.reserve(PEN, "order-2", 1, attributes={"user": 42}))))
    print("refused:", tell(await shop.do(calls.reserve(INK, "order-3", 6, attributes={"user": 45}))))

    await shop.do(calls.reserve_cart("order-cart", {PEN: 1, INK: 1, CAP: 2}, ex=900, attributes={"user": 45}))
    print("cart held")
    no = await shop.do(calls.reserve_cart("order-cart-2", {INK: 3, CAP: 3}, attributes={"user": 45}))
    print("cart refused:", no.word, text(no.key))

    paid = await shop.do(calls.confirm(PEN, "order-1"))
    print("paid:", paid.quantity, paid.sold)
    if not isinstance(await shop.do(calls.confirm_cart("order-cart", [PEN, INK, CAP])), Refused):
        print("cart paid")
    back = await shop.do(calls.release(PEN, "order-lost"))
    print("cancelled:", back.quantity, back.available)
    order = await shop.do(calls.order(PEN, "order-1"))
    print("poll:", order.state, order.quantity)

    await shop.do(calls.reserve(INK, "order-late", 1, px=1, attributes={"user": 46}))
    await asyncio.sleep(0.05)
    late = await shop.do(calls.confirm(INK, "order-late"))
    if isinstance(late, Refused):
        print("too late:", late.word)
        print("honoured: OK", (await shop.do(calls.confirm(INK, "order-late", late=True))).quantity)

    refund = await shop.do(calls.refund(PEN, "order-1", quantity=1, token="refund-1"))
    print("refunded:", refund.quantity, refund.available, refund.sold)

    for wrong in (calls.reserve(PEN, "order-1", 1, attributes={"user": 42}), calls.reserve(PEN, "order-4", 1)):
        try:
            await shop.do(wrong)
        except StockError as bug:
            print("bug:", bug.code)

    print("left:", *await shop.do(calls.available(PEN, INK)))


async def with_redis(url, cluster):
    kind = redis.asyncio.RedisCluster if cluster else redis.asyncio.Redis
    client = kind.from_url(url, decode_responses=True, socket_timeout=0.5)
    try:
        await main(AsyncStock(client))
    finally:
        await client.aclose()


if __name__ == "__main__":
    asyncio.run(with_redis(sys.argv[1], "--cluster" in sys.argv))
