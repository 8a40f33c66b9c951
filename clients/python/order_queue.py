"""The asynchronous flash sale: the web tier answers with the reservation, workers make the orders.

    python order_queue.py redis://127.0.0.1:6379 orders.db worker NAME     as many as you like
    python order_queue.py redis://127.0.0.1:6379 orders.db web             reads its requests from stdin, line by line

The pools tell in one stream (policy `"events":"{sale}events"`), which is the queue: an entry is there if and only if the
units are held, since both happen in one step. Entries are delivered at least once, and not in order when several workers
share them. So the database keeps, per order and pool, which entry it has, and takes later ones only: by `seq`, and from one
epoch to another (a failover may have lost changes, and counts them anew) by `at`.
"""

import sqlite3
import sys
import time

import redis

from redis_stock import Exists, Refused, Stock, calls
from redis_stock.events import fields

STREAM, GROUP = "{sale}events", "orders"
# An entry that nobody has acknowledged for so long is taken from the worker that has it: longer than one order ever takes.
CLAIM_AFTER_MS = 500

# What a worker waits out, beside a read that ends with `UNBLOCKED`: no answer, a server that loads, and one that has become
# a replica (a failover), until it is the primary again or its address leads to another one.
WAIT_OUT = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)

# What each type means for the order; the others (extended, policy, ...) do not concern it.
STATES = {
    "reserved": "reserved",
    "amended": "reserved",
    "confirmed": "confirmed",
    "late": "confirmed",
    "returned": "refund",
    "released": "released",
    "expired": "expired",
}


def connect(url):
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, protocol=2)


def database(path):
    orders = sqlite3.connect(path, timeout=30, isolation_level=None)
    orders.execute(
        """CREATE TABLE IF NOT EXISTS orders
           (pool, id, state, buyer, epoch, seq INTEGER, at INTEGER, PRIMARY KEY (pool, id))"""
    )
    return orders


def record(orders, entry):
    """Idempotent: the same entry again, or an older one, changes nothing."""
    state = STATES.get(entry["type"])
    if state is None or "order" not in entry:
        return
    row = {**entry, "state": state, "seq": int(entry["seq"]), "at": int(entry["at"]), "for": entry.get("for")}
    # Who bought it stands in the first entry only, which may come late.
    orders.execute("INSERT OR IGNORE INTO orders VALUES (:pool, :order, :state, :for, :epoch, :seq, :at)", row)
    orders.execute("UPDATE orders SET buyer = COALESCE(buyer, :for) WHERE pool = :pool AND id = :order", row)
    orders.execute(
        """UPDATE orders SET state = :state, epoch = :epoch, seq = :seq, at = :at WHERE pool = :pool AND id = :order
           AND CASE WHEN epoch = :epoch THEN :seq > seq ELSE :at >= at END""",
        row,
    )


def worker(c, orders, name):
    try:
        c.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    claimed_at = 0
    while True:
        try:
            # Entries of a worker that died come first, looked for now and then.
            entries = []
            if time.monotonic() - claimed_at > CLAIM_AFTER_MS / 1000:
                claimed_at = time.monotonic()
                _, entries, gone = c.xautoclaim(STREAM, GROUP, name, CLAIM_AFTER_MS, count=100)
                if entries:
                    print(f"{name} claims {len(entries)}", flush=True)
                if gone:
                    # The server names them this once. The pool still knows the orders: STOCK.ORDERS.
                    print(f"{name} lost {len(gone)}, trimmed before they were acknowledged: {gone}", flush=True)
            if not entries:
                answer = c.xreadgroup(GROUP, name, {STREAM: ">"}, count=20, block=100)
                entries = answer[0][1] if answer else []
            for id, entry in entries:
                record(orders, fields(entry))
                # Only now: whoever dies before leaves the entry to the others. What is not acknowledged is claimed again.
                c.xack(STREAM, GROUP, id)
        except WAIT_OUT:
            time.sleep(0.1)
        except redis.ResponseError as error:
            # Of a read that waited while its server became a replica. redis-py has no class for it.
            if not str(error).startswith("UNBLOCKED"):
                raise
            time.sleep(0.1)


def web(c, orders):
    """buy POOL ORDER USER PX | page POOL ORDER | pay POOL ORDER | cancel POOL ORDER"""
    shop = Stock(c)
    for line in sys.stdin:
        verb, pool, order, *rest = line.split()
        if verb == "buy":
            # One call, and the page can be shown. No answer: the library asks again with the same order id.
            user, hold_ms = rest
            answer = shop.do(calls.reserve(pool, order, 1, px=hold_ms, attributes={"user": user}))
        elif verb == "pay":
            answer = shop.do(calls.confirm(pool, order))
        elif verb == "cancel":
            answer = shop.do(calls.release(pool, order))
        else:
            # The page polls: the pool knows the state at once, the database tells when the order has been made.
            known = shop.do(calls.order(pool, order))
            made = orders.execute("SELECT 1 FROM orders WHERE pool = ? AND id = ?", (pool, order)).fetchone()
            print(known.state if known else "unknown", "made" if made else "pending", flush=True)
            continue
        print(answer.word, answer.key if isinstance(answer, (Exists, Refused)) else answer.quantity, flush=True)


def main(url, path, role, *name):
    c, orders = connect(url), database(path)
    if role == "worker":
        worker(c, orders, *name)
    else:
        web(c, orders)


if __name__ == "__main__":
    main(*sys.argv[1:])
