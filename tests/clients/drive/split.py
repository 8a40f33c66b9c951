"""Sells a cart of several shards with examples/python/split_cart.py, and dies on the way: split.py EXAMPLES PORT ARGUMENTS

ARGUMENTS is JSON: step ("buy", "finish"), order, lines, hold_ms, die_before (the nth call that changes stock; -1: never).
"""

import json
import os
import signal
import sys

sys.path.insert(0, sys.argv[1])
import redis  # noqa: E402
import split_cart  # noqa: E402
from stock import Refused  # noqa: E402

told = json.loads(sys.argv[3])
calls = 0


class Mortal(redis.RedisCluster):
    def execute_command(self, *words, **options):
        global calls
        if str(words[0]).startswith("STOCK."):
            if calls == told["die_before"]:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
        return super().execute_command(*words, **options)


client = Mortal.from_url(f"redis://127.0.0.1:{sys.argv[2]}", decode_responses=True, socket_timeout=2)
order, lines, hold_ms = told["order"], told["lines"], told["hold_ms"]
try:
    if told["step"] == "buy":
        split_cart.reserve(client, order, lines, hold_ms, "FOR", "user", 42)
        split_cart.extend(client, order, lines, hold_ms)
    split_cart.confirm(client, order, lines)
    print("sold", calls)
except Refused as no:
    print("refused", no.word, no.key)
