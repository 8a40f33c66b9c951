"""What the tests ask of every client library: python drive.py LIBRARY PORT [--cluster] [--resp3] MODE [ARGS]

LIBRARY is redis-py, redis-py-asyncio or glide. The modes are described in clients/README.md.
"""

import asyncio
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import redis  # noqa: E402
import redis.asyncio  # noqa: E402
import shop  # noqa: E402
import shop_async  # noqa: E402
from redis_stock import AsyncStock, Call, Stock, StockError, calls  # noqa: E402

FLAGS = [word for word in sys.argv if word.startswith("--")]
LIBRARY, PORT, MODE, *ARGS = [word for word in sys.argv[1:] if not word.startswith("--")]
CLUSTER, TIMEOUT = "--cluster" in FLAGS, float(os.environ.get("STOCK_TIMEOUT", "0.5"))
OPTIONS = dict(
    decode_responses=True, socket_timeout=TIMEOUT, protocol=3 if "--resp3" in FLAGS else 2,
    **({"read_from_replicas": True} if "--replicas" in FLAGS else {}),
)
URL = f"redis://127.0.0.1:{PORT}"


class Plain:
    """`Stock` with the manners of the asynchronous ones."""

    def __init__(self, stock):
        self._stock = stock

    async def do(self, call):
        return self._stock.do(call)

    async def pipeline(self, all_calls):
        return self._stock.pipeline(all_calls)


async def connect():
    """A shop, the same command without the library, and the end."""
    if LIBRARY == "redis-py":
        client = (redis.RedisCluster if CLUSTER else redis.Redis).from_url(URL, **OPTIONS)

        async def bare(key, words):
            return client.execute_command(*words)

        async def end():
            client.close()

        return Plain(Stock(client)), client, bare, end
    if LIBRARY == "redis-py-asyncio":
        client = (redis.asyncio.RedisCluster if CLUSTER else redis.asyncio.Redis).from_url(URL, **OPTIONS)

        async def bare(key, words):
            return await client.execute_command(*words)

        return AsyncStock(client), client, bare, client.aclose
    import glide
    from redis_stock.glide import GlideStock

    glide.Logger.set_logger_config(glide.LogLevel.OFF)
    kinds = (glide.GlideClusterClientConfiguration, glide.GlideClusterClient)
    config, kind = kinds if CLUSTER else (glide.GlideClientConfiguration, glide.GlideClient)
    client = await kind.create(
        config(
            [glide.NodeAddress("127.0.0.1", int(PORT))],
            request_timeout=int(TIMEOUT * 1000),
            protocol=glide.ProtocolVersion.RESP3 if "--resp3" in FLAGS else glide.ProtocolVersion.RESP2,
            **({"read_from": glide.ReadFrom.PREFER_REPLICA} if "--replicas" in FLAGS else {}),
        )
    )

    async def bare(key, words):
        words = [str(word) for word in words]
        return await client.custom_command(words, *([glide.SlotKeyRoute(glide.SlotType.PRIMARY, key)] if CLUSTER else []))

    return GlideStock(client, replicas="--replicas" in FLAGS), client, bare, client.close


async def lines(stock):
    """Sends what it reads, one JSON list a line: the key, and the words. MARK tells that the warm-up is over."""
    for line in sys.stdin:
        if line.strip() == "MARK":
            print("warm", flush=True)
            sys.stdin.readline()
            continue
        key, *words = json.loads(line)
        try:
            await stock.do(Call(words, key, lambda reply: reply, "--replicas" in FLAGS))
        except StockError:
            pass  # the arguments are of no interest here
    print("done", flush=True)


async def carts(stock, tag, count):
    """Reserves carts of two pools: the word of each answer."""
    for n in range(int(count)):
        answer = await stock.do(calls.reserve_cart(f"order-{n}", {f"{{{tag}}}a": 1, f"{{{tag}}}b": 1}))
        print(answer.word, flush=True)


async def bench(stock, client, bare, count):
    """What the library costs over its bare call: single calls in turn, and the lower quarter of each, since whatever else
    runs on the machine only adds."""
    await bare("bench", ["STOCK.SET", "bench", "UNLIMITED"])
    now, with_library, without = time.perf_counter, [], []
    plain = getattr(stock, "_stock", None)
    for n in range(int(count)):
        start = now()
        if plain:
            plain.do(calls.reserve("bench", f"a{n}", 1, ex=900, attributes={"user": n}))
            middle = now()
            client.execute_command("STOCK.RESERVE", "bench", f"b{n}", 1, "EX", 900, "FOR", "user", n)
        elif LIBRARY == "glide":
            await stock.do(calls.reserve("bench", f"a{n}", 1, ex=900, attributes={"user": n}))
            middle = now()
            await client.custom_command(["STOCK.RESERVE", "bench", f"b{n}", "1", "EX", "900", "FOR", "user", str(n)])
        else:
            await stock.do(calls.reserve("bench", f"a{n}", 1, ex=900, attributes={"user": n}))
            middle = now()
            await client.execute_command("STOCK.RESERVE", "bench", f"b{n}", 1, "EX", 900, "FOR", "user", n)
        end = now()
        with_library.append(middle - start)
        without.append(end - middle)
    library, call = (sorted(times)[len(times) // 4] for times in (with_library, without))
    print(f"{LIBRARY}: a bare call takes {call * 1e6:.0f} us, the library {100 * (library / call - 1):+.1f} %")


async def main():
    if MODE == "shop" and LIBRARY == "redis-py":
        return shop.main((redis.RedisCluster if CLUSTER else redis.Redis).from_url(URL, **OPTIONS))
    stock, client, bare, end = await connect()
    try:
        if MODE == "shop":
            await shop_async.main(stock)
        elif MODE == "lines":
            await lines(stock)
        elif MODE == "carts":
            await carts(stock, *ARGS)
        elif MODE == "bench":
            await bench(stock, client, bare, *(ARGS or ["10000"]))
    finally:
        await end()


asyncio.run(main())
