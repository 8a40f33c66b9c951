"""Sells a sharded pool: docs/guides/hot-sku.md. The buyer's bucket follows from one attribute; where it is empty while others
still have units, a balancer (`stockctl balance`) is asked for them, and the same call is made again.

    pool = ShardedPool(redis.RedisCluster(...), "sku:618")
    answer = pool.reserve("order-1", 1, {"user": 42}, ex=900)
"""

import json
import time

from redis_stock import Stock, ask_of, bucket_of, calls

# For so long a buyer waits for units of other buckets, and for the next look at the own one.
WAIT_S, LOOK_S = 0.2, 0.004


class ShardedPool:
    def __init__(self, client, name: str):
        self.client, self.name, self.shop = client, name, Stock(client)
        config = json.loads(client.get(f"{{{name}}}shards"))
        self.by, self.buckets = config["by"], config["buckets"]

    def bucket(self, attributes: dict) -> int:
        return bucket_of(attributes[self.by], len(self.buckets))

    def key(self, attributes: dict) -> str:
        """The pool in which this buyer's orders are: keep it with the order, for payments and returns."""
        return self.buckets[self.bucket(attributes)]

    def left(self):
        """What all buckets have together, as a balancer says it; None where none is at work."""
        left = self.client.get(f"{{{self.name}}}left")
        return None if left is None else int(left)

    def reserve(self, order: str, quantity: int, attributes: dict, **options):
        """Reserves in the buyer's bucket. SOLDOUT is final where `left` says so; without a balancer it is of the bucket alone."""
        bucket, until = self.bucket(attributes), time.monotonic() + WAIT_S
        while True:
            call = calls.reserve(self.buckets[bucket], order, quantity, attributes=attributes, **options)
            answer = self.shop.do(call)
            ask = ask_of(answer, order, bucket, quantity, self.by)
            if ask is None:
                return answer
            left = self.left()
            if left is None or left < quantity or time.monotonic() > until:
                return answer
            self.client.rpush(f"{{{self.name}}}asks", ask)
            time.sleep(LOOK_S)
