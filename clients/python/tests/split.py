"""Sells a cart of several shards with clients/python/split_cart.py, and dies on the way: split.py PORT ARGUMENTS

ARGUMENTS is JSON: step ("buy", "finish"), order, lines, hold_ms, die_before (the nth call that changes stock; -1: never).
"""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import redis  # noqa: E402
import split_cart  # noqa: E402
from redis_stock import Stock  # noqa: E402

told = json.loads(sys.argv[2])
calls = 0


class Mortal(redis.RedisCluster):
    def execute_command(self, *words, **options):
        global calls
        if str(words[0]).startswith("STOCK."):
            if calls == told["die_before"]:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
        return super().execute_command(*words, **options)


shop = Stock(Mortal.from_url(f"redis://127.0.0.1:{sys.argv[1]}", decode_responses=True, socket_timeout=2))
order, lines, hold_ms = told["order"], told["lines"], told["hold_ms"]
refused = None
if told["step"] == "buy":
    refused = split_cart.reserve(shop, order, lines, hold_ms, {"user": 42}) or split_cart.extend(
        shop, order, lines, hold_ms
    )
refused = refused or split_cart.confirm(shop, order, lines)
print("refused", refused.word, refused.key) if refused else print("sold", calls)
