"""What every shop writes again around redis-py: copy it.

The client may be `redis.Redis` or `redis.RedisCluster`, with `decode_responses=True` and a `socket_timeout`. A RedisCluster
finds the slot of a single-pool command by itself: it asks the server once where the keys of each command stand. For a cart
it would ask with every call (COMMAND GETKEYS), so `cart` names the node.
"""

import time

import redis

# Nobody knows whether the call was done, or the node could not serve it just now. The same call again is safe: it carries
# an order id (STOCK.ADD and STOCK.RETURN QTY: a TOKEN).
UNSURE = (
    redis.ConnectionError,
    redis.TimeoutError,
    # "TTL exhausted": RedisCluster repeats TRYAGAIN by itself, and gives up after 0.4 s. ClusterDownError is one of these, too.
    redis.exceptions.ClusterError,
    redis.exceptions.SlotNotCoveredError,
    redis.exceptions.TryAgainError,
)


class Refused(Exception):
    """The pool said no. An answer to tell the buyer, not a fault."""

    def __init__(self, word, key=None, *details):
        super().__init__(word, key, *details)
        self.word, self.key, self.details = word, key, details


def stock(client, *words, key=None):
    """One command, repeated with the same order id until there is an answer. `key` names the node of a cart."""
    for pause in (0.02, 0.1, 0.5, 1, 2, None):
        try:
            # Looked up anew each time: the slot may have a new owner.
            cluster = key is not None and isinstance(client, redis.RedisCluster)
            target = {"target_nodes": client.get_node_from_key(key)} if cluster else {}
            return client.execute_command(*words, **target)
        except UNSURE:
            if pause is None:
                raise
            time.sleep(pause)


def decided(answer):
    """The answer of a command that decides something; a refusal becomes an exception."""
    if answer[0] not in ("OK", "EXISTS"):
        raise Refused(*answer)
    return answer


def sale(client, *words):
    """A command on one pool."""
    return decided(stock(client, *words))


def cart(client, verb, order, keys, *rest):
    """A command on several pools that share a hash tag: cart(c, "MRESERVE", "o1", ["{618}a", "{618}b"], "QTY", 1, 2)."""
    return decided(stock(client, f"STOCK.{verb}", order, len(keys), *keys, *rest, key=keys[0]))
