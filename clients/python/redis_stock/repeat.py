"""When the same call is sent again, and how long."""

import random

#: Seconds in which a call is repeated. Longer than a slot move by `redis-cli --cluster` keeps a cart waiting.
WITHIN = 10.0

# Codes of error replies that pass by themselves: the node could not serve the call just now, and has done nothing.
PASSES = frozenset(("TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "MOVED", "ASK", "BUSY"))


def pauses():
    """20 ms, then twice as long each time, up to half a second; shorter by chance, so that clients do not come back together."""
    pause = 0.02
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(2 * pause, 0.5)


def code_of(message: str) -> str:
    """The code of an error reply. redis-py takes `ERR ` off, so a message without a code is one of those."""
    word = message.split(" ", 1)[0].rstrip(":")
    return word if word.isupper() and word.isascii() else "ERR"
