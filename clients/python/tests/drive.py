"""What the tests ask of every client library: python drive.py LIBRARY PORT [--cluster] [--resp3] MODE [ARGS]

LIBRARY is redis-py, redis-py-asyncio or glide. The modes are described in clients/README.md.
"""

import asyncio
import dataclasses
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import redis  # noqa: E402
import redis.asyncio  # noqa: E402
from redis.cluster import LoadBalancingStrategy  # noqa: E402

import shop  # noqa: E402
import shop_async  # noqa: E402
from redis_stock import AsyncStock, Call, Stock, StockError, Unanswered, answers, ask_of, bucket_of, calls  # noqa: E402

FLAGS = [word for word in sys.argv if word.startswith("--")]
LIBRARY, PORT, MODE, *ARGS = [word for word in sys.argv[1:] if not word.startswith("--")]
CLUSTER, TIMEOUT = "--cluster" in FLAGS, float(os.environ.get("STOCK_TIMEOUT", "0.5"))
WITHIN = float(os.environ.get("STOCK_PATIENCE_MS", "10000")) / 1000
OPTIONS = dict(
    # The vectors have bytes that are no text.
    decode_responses=MODE != "driver", socket_timeout=TIMEOUT, protocol=3 if "--resp3" in FLAGS else 2,
    **({"load_balancing_strategy": LoadBalancingStrategy.RANDOM_REPLICA} if "--replicas" in FLAGS else {}),
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

        return Plain(Stock(client, within=WITHIN)), client, bare, end
    if LIBRARY == "redis-py-asyncio":
        client = (redis.asyncio.RedisCluster if CLUSTER else redis.asyncio.Redis).from_url(URL, **OPTIONS)

        async def bare(key, words):
            return await client.execute_command(*words)

        return AsyncStock(client, within=WITHIN), client, bare, client.aclose
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

    return GlideStock(client, within=WITHIN, replicas="--replicas" in FLAGS), client, bare, client.close


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

    async def ours(n):
        start = now()
        made = calls.reserve("bench", f"a{n}", 1, ex=900, attributes={"user": n})
        plain.do(made) if plain else await stock.do(made)
        with_library.append(now() - start)

    async def theirs(n):
        start = now()
        if plain:
            client.execute_command("STOCK.RESERVE", "bench", f"b{n}", 1, "EX", 900, "FOR", "user", n)
        elif LIBRARY == "glide":
            await client.custom_command(["STOCK.RESERVE", "bench", f"b{n}", "1", "EX", "900", "FOR", "user", str(n)])
        else:
            await client.execute_command("STOCK.RESERVE", "bench", f"b{n}", 1, "EX", 900, "FOR", "user", n)
        without.append(now() - start)

    for n in range(int(count)):
        # In turn, since who comes second finds the caches warm.
        for one in (ours, theirs) if n % 2 else (theirs, ours):
            await one(n)
    library, call = (sorted(times)[len(times) // 4] for times in (with_library, without))
    print(f"{LIBRARY}: a bare call takes {call * 1e6:.0f} us, the library {100 * (library / call - 1):+.1f} %")


def data(value):
    """A string of the vectors is bytes: a character each."""
    return value.encode("latin-1")


def attributes(pairs):
    return {pair[0]: data(pair[1]) for pair in pairs if isinstance(pair, list)}


def make(method, g):
    """The typed call of a vector."""
    key, order = data(g.get("key", "")), data(g.get("order", ""))
    hold, buyer = g.get("hold", {}), {"attributes": attributes(g["for"])} if "for" in g else {}
    keys = [data(name) for name in g.get("keys", [])]

    def some(*names, **renamed):
        """Those options that are given."""
        renamed.update({name: name for name in names})
        return {ours: g[theirs] for ours, theirs in renamed.items() if theirs in g}

    override = [data(value) for value in g.get("for", []) if isinstance(value, str)]
    refund = some("keep_usage", "no_restock")
    # Words that may be any bytes.
    note, replaces = ({name: data(g[name])} if name in g else {} for name in ("note", "replaces"))
    lines = {data(name): n for name, n in g.get("lines", [])}
    match method:
        case "reserve":
            return calls.reserve(key, order, g["quantity"], **hold, **some("partial"), **replaces, **buyer)
        case "check":
            return calls.check(key, g["quantity"], **buyer)
        case "confirm":
            return calls.confirm(key, order, **some("quantity", "late", "since_ms"), **buyer)
        case "release":
            return calls.release(key, order)
        case "amend":
            return calls.amend(key, order, g["quantity"])
        case "extend":
            return calls.extend(key, order, **hold)
        case "return":
            token = {"token": data(g["token"])} if "token" in g else {}
            return calls.refund(key, order, **some("quantity", "late"), **token, **refund, **buyer)
        case "split":
            return calls.split(key, order, data(g["part"]), g["quantity"])
        case "reservebatch":
            dims = g.get("dims", [])
            orders = [(data(id), n, {dim: data(v) for dim, v in zip(dims, values)}) for id, n, *values in g["orders"]]
            return calls.reserve_batch(key, orders, **hold)
        case "confirmbatch":
            return calls.confirm_batch(key, [data(id) for id in g["orders"]])
        case "mreserve":
            return calls.reserve_cart(order, lines, **hold, **replaces, **buyer)
        case "mconfirm":
            return calls.confirm_cart(order, lines or keys, **some("late"))
        case "msplit":
            return calls.split_cart(order, data(g["part"]), lines)
        case "mrelease":
            return calls.release_cart(order, keys)
        case "mextend":
            return calls.extend_cart(order, keys, **hold)
        case "mreturn":
            return calls.refund_cart(order, keys, **refund)
        case "set":
            only_if = {g["only_if"].lower(): True} if "only_if" in g else {}
            return calls.set_stock(key, g["on_hand"], **only_if, **some("policy"), **note)
        case "add":
            return calls.add(key, g["delta"], data(g["token"]), **note)
        case "transfer":
            return calls.transfer(key, data(g["to"]), g["quantity"], data(g["token"]), **note)
        case "reconcile":
            after = {"after": [g["after"][name] for name in ("epoch", "seq", "out")]} if "after" in g else {}
            return calls.reconcile(key, g["on_hand"], **after, **some("dry_run"), **note)
        case "suspend":
            return calls.suspend(key, **note)
        case "resume":
            return calls.resume(key, **note)
        case "schedule":
            return calls.schedule(key, **some("from_ms", "until_ms"), **note)
        case "sweep":
            return calls.sweep(key, g.get("count"))
        case "limit":
            options = some("per", "rolling", "tz", "count", "missing")
            return calls.limit(key, g["by"], g["max"], **options, **note, override=override)
        case "unlimit":
            return calls.unlimit(key, g["by"], **some("per", "rolling", "count"), **note, override=override)
        case "setpolicy":
            return calls.set_policy(key, data(g["policy"]), **some("merge"), **note)
        case "policy":
            return calls.policy(key)
        case "limits":
            return calls.limits(key)
        case "usage":
            return calls.usage(key, **some("top"), **buyer)
        case "explain":
            return calls.explain(key, g.get("quantity"), **buyer)
        case "get":
            return calls.get(key, **some("returning"))
        case "available":
            return calls.available(*keys)
        case "order":
            return calls.order(key, order)
        case "orders":
            return calls.orders(key, g["cursor"], **some("state", "details", "count"), **buyer)
        case "verify":
            return calls.verify(key)


TYPES = {
    answers.Reserved: "held",
    answers.CartReserved: "cart_held",
    answers.CartDone: "done",
    answers.OrderView: "order",
}
READS = {"policy": "policy", "limits": "limits", "usage": "usage", "available": "available", "verify": "differences"}


def plain(value):
    """As JSON of the vectors."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {plain(name): plain(inner) for name, inner in value.items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        if getattr(value, "values", ()) is None:
            names.remove("values")
        return {"for" if name == "attributes" else name: plain(getattr(value, name)) for name in names}
    return value


def result(method, answer):
    if isinstance(answer, Unanswered):
        return {"type": "error", "class": "unsure", "code": answer.code}
    if isinstance(answer, StockError):
        unavailable = answer.code in ("NOREPLICAS", "OOM", "MISCONF")
        return {"type": "error", "class": "unavailable" if unavailable else "bug", "code": answer.code}
    if isinstance(answer, answers.Refused):
        return {"type": "refused", "word": answer.word, **plain(answer)}
    if answer is None or answer is False:
        return {"type": "nothing"}
    if answer is True:
        return {"type": "done"}
    if method in READS:
        return {"type": {"verify": "verified"}.get(method, method), READS[method]: plain(answer)}
    if method == "get":
        return {"type": "pool", **plain(answer)}
    if method.endswith("batch"):
        return {"type": "batch", "answers": [result(method.removesuffix("batch"), one) for one in answer]}
    if method == "explain":
        return {"type": "explained", **plain(answer), "answer": result("reserve", answer["answer"])}
    if method == "orders":
        return {"type": "orders", "cursor": str(answer[0]), "orders": plain(answer[1])}
    if isinstance(answer, int):
        return {"type": "count", "count": answer}
    return {"type": TYPES.get(type(answer), type(answer).__name__.lower()), **plain(answer)}


async def driver(stock):
    """Makes the typed calls that it reads, one a line, and prints their results."""
    for line in sys.stdin:
        given = json.loads(line)
        if "bucket" in given:
            print(bucket_of(data(given["bucket"]), given["count"]), flush=True)
            continue
        if "ask" in given:
            refused, ask = given["refused"], given["ask"]
            if refused["word"] == "LIMITED":
                answer = answers.Limited("k", refused["limit"], tuple(refused["value"]), 1, 1, 0)
            else:
                answer = answers.SoldOut("k", 0) if refused["word"] == "SOLDOUT" else answers.Suspended("k")
            print(ask_of(answer, ask["order"], ask["bucket"], ask["quantity"], ask["by"]) or "null", flush=True)
            continue
        try:
            if isinstance(given, list):
                found = await stock.pipeline([make(call["method"], call["args"]) for call in given])
                shown = [result(call["method"], answer) for call, answer in zip(given, found)]
            else:
                shown = result(given["method"], await stock.do(make(given["method"], given["args"])))
        except (StockError, Unanswered) as error:
            shown = result("", error)
        print(json.dumps(shown), flush=True)


def half_a_part():
    """A quantity without its token, or the other way round, never leaves the client."""
    for half in ({"quantity": 1}, {"token": "refund-1"}):
        try:
            calls.refund("sku:1", "order-1", **half)
        except ValueError:
            continue
        raise AssertionError(f"a call was made of {half}")


async def main():
    if MODE == "shop" and LIBRARY == "redis-py":
        return shop.main((redis.RedisCluster if CLUSTER else redis.Redis).from_url(URL, **OPTIONS))
    stock, client, bare, end = await connect()
    try:
        if MODE == "shop":
            await shop_async.main(stock)
        elif MODE == "lines":
            await lines(stock)
        elif MODE == "driver":
            half_a_part()
            await driver(stock)
        elif MODE == "carts":
            await carts(stock, *ARGS)
        elif MODE == "bench":
            await bench(stock, client, bare, *(ARGS or ["10000"]))
    finally:
        await end()


asyncio.run(main())
