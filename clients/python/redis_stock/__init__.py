"""Selling limited stock with redis-stock, from Python.

    import redis
    from redis_stock import Stock, Limited, Reserved, SoldOut, calls

    shop = Stock(redis.Redis(decode_responses=True, socket_timeout=0.5))
    answer = shop.do(calls.reserve("sku:618", "order-6", 2, ex=900, attributes={"user": 43}))

`redis_stock.calls` has the commands, `redis_stock.answers` what they answer. `AsyncStock` is for redis.asyncio,
`redis_stock.glide.GlideStock` for valkey-glide.
"""

from . import answers, calls
from .answers import *  # noqa: F401,F403
from .buckets import ask_of, bucket_of
from .calls import Call
from .client import AsyncStock, Stock
from .collect import Collector

__all__ = [name for name, value in vars(answers).items() if isinstance(value, type) and value.__module__ == answers.__name__]
__all__ += ["AsyncStock", "Call", "Collector", "Stock", "answers", "ask_of", "bucket_of", "calls"]
