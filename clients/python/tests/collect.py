"""Sells through `Collector`: collect.py PORT COUNT

COUNT buyers ask at once, one unit each, two of them with what the server refuses. Prints a line for each: the order and its
answer; then pays what is held.
"""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import redis.asyncio  # noqa: E402
from redis_stock import AsyncStock, Collector, Reserved, StockError  # noqa: E402

PORT, COUNT = sys.argv[1], int(sys.argv[2])


async def buy(shop, n):
    order = f"o{n}"
    try:
        # The last but one has no dimension that the limit needs; the last one asks for nothing.
        attributes = {} if n == COUNT - 2 else {"user": n // 2}
        answer = await shop.reserve("k", order, 0 if n == COUNT - 1 else 1, ex=900, attributes=attributes)
        word = answer.word
    except StockError as error:
        answer, word = None, error.code
    print(order, word, flush=True)
    if isinstance(answer, Reserved):
        paid = await shop.confirm("k", order)
        print("paid", order, paid.word, flush=True)


async def main():
    client = redis.asyncio.Redis(port=int(PORT), decode_responses=True, socket_timeout=5)
    shop = Collector(AsyncStock(client), most=32)
    # One waiter that goes away does not take its batch with it.
    gone = asyncio.ensure_future(shop.reserve("k", "gone", 1, ex=900, attributes={"user": "gone"}))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(*(buy(shop, n) for n in range(COUNT)))
    await client.aclose()


asyncio.run(main())
