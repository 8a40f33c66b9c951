"""The sold-out flag in an application's memory: python soldout_flag.py redis://127.0.0.1:6379 KEY [KEY ...]

When stock is gone, nearly every buyer is told so without a call. The flag is set and cleared by push (keyspace notifications
`stock.soldout` and `stock.restock`), and read anew whenever the subscription begins again. It is a hint for the front door:
whom it lets pass is decided by STOCK.RESERVE as ever.

The server needs notify-keyspace-events with at least `Ed`. In a cluster notifications are told by the node that has the pool:
one SoldOutFlags per primary, for the pools that are there.
"""

import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_stock import Stock, calls


class SoldOutFlags:
    # So long a silence is asked after: a connection can be dead without a word.
    SILENCE_SECONDS = 1

    def __init__(self, url, pools, db=0):
        # No retry inside the library: between a break and the next subscription pushes are lost, so we must hear of it.
        self._client = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        self._pools = set(pools)
        self._soldout, self._restock = (f"__keyevent@{db}__:stock.{event}" for event in ("soldout", "restock"))
        self._gone = frozenset()
        threading.Thread(target=self._follow, daemon=True).start()

    def sold_out(self, pool):
        """True: nothing is left. False: something may be left (or the subscription is down): ask the pool."""
        return pool in self._gone

    def _follow(self):
        while True:
            try:
                self._listen()
            except redis.RedisError:
                pass
            # Without a subscription we know nothing, and turn nobody away.
            self._gone = frozenset()
            time.sleep(0.05)

    def _listen(self):
        with self._client.pubsub() as push:
            push.subscribe(self._soldout, self._restock)
            confirmed, asked = 0, False
            while True:
                message = push.get_message(timeout=self.SILENCE_SECONDS)
                if message is None:
                    if asked:
                        raise redis.ConnectionError("the server is silent")
                    push.ping()
                    asked = True
                    continue
                asked = False
                if message["type"] == "subscribe":
                    # Subscribe first, then read: what changes after the reading is pushed.
                    confirmed += 1
                    if confirmed == 2:
                        self._read()
                elif message["type"] == "message" and message["data"] in self._pools:
                    pool = {message["data"]}
                    self._gone = self._gone | pool if message["channel"] == self._soldout else self._gone - pool

    def _read(self):
        pools = sorted(self._pools)
        left = self._client.execute_command("STOCK.AVAILABLE", *pools)
        # nil: no such pool; -1: unlimited.
        self._gone = frozenset(pool for pool, units in zip(pools, left) if units == 0)


class Shop:
    """The front door. `calls` counts what reaches the server."""

    def __init__(self, url, pools):
        self.shop = Stock(redis.Redis.from_url(url, decode_responses=True, socket_timeout=5))
        self.flags = SoldOutFlags(url, pools)
        self.calls = 0

    def buy(self, pool, order):
        if self.flags.sold_out(pool):
            return "SOLDOUT"
        self.calls += 1
        return self.shop.do(calls.reserve(pool, order, 1)).word


def main(url, pools):
    """Reads `flag POOL` and `buy POOL PREFIX N` line by line, and answers each with a line."""
    shop = Shop(url, pools)
    for line in sys.stdin:
        verb, pool, *rest = line.split()
        if verb == "flag":
            print("gone" if shop.flags.sold_out(pool) else "open", flush=True)
        else:
            prefix, count = rest
            before = shop.calls
            answers = [shop.buy(pool, f"{prefix}-{n}") for n in range(int(count))]
            print(f"{count} buyers, {answers.count('OK')} served, {shop.calls - before} calls", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
