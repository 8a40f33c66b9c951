"""Reserves COUNT carts of two pools, and prints the first word of each answer: carts.py EXAMPLES PORT TAG COUNT"""

import sys

sys.path.insert(0, sys.argv[1])
import redis  # noqa: E402
from stock import cart  # noqa: E402

client = redis.RedisCluster.from_url(f"redis://127.0.0.1:{sys.argv[2]}", decode_responses=True, socket_timeout=0.5)
keys = [f"{{{sys.argv[3]}}}{name}" for name in "ab"]
for n in range(int(sys.argv[4])):
    print(cart(client, "MRESERVE", f"order-{n}", keys, "QTY", 1, 1)[0], flush=True)
