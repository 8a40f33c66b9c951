"""Sends what it reads, one JSON list a line, through RedisCluster: route.py EXAMPLES PORT with|without

`with` the helper of examples/python; `without`, as redis-py routes by itself. MARK tells that the warm-up is over.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])
import redis  # noqa: E402
from stock import stock  # noqa: E402

client = redis.RedisCluster.from_url(f"redis://127.0.0.1:{sys.argv[2]}", decode_responses=True, socket_timeout=20)
for line in sys.stdin:
    if line.strip() == "MARK":
        print("warm", flush=True)
        sys.stdin.readline()
        continue
    key, *words = json.loads(line)
    is_cart = words[1] != key
    try:
        if sys.argv[3] == "with":
            stock(client, *words, key=key if is_cart else None)
        else:
            client.execute_command(*words)
    except redis.ResponseError:
        pass  # the arguments are of no interest here
print("done", flush=True)
