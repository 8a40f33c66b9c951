"""Sharded pools, docs/guides/hot-sku.md: whose bucket is whose, and what to ask for where it is empty."""

import json

from .answers import Limited, SoldOut


def bucket_of(value: "str | bytes | int", count: int) -> int:
    """The bucket, 0 to `count` - 1, in which a value of the sharded pool's dimension buys."""
    data = value if isinstance(value, bytes) else str(value).encode()
    h = 0x811C9DC5
    for byte in data:
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    h ^= h >> 16
    h = h * 0x7FEB352D & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 0x846CA68B & 0xFFFFFFFF
    h ^= h >> 16
    return h * count >> 32


def ask_of(answer, order: str, bucket: int, quantity: int, by: str) -> "str | None":
    """What a buyer puts down in `{NAME}asks` after this answer of reserve, so that a balancer brings it from other buckets.

    None: no other bucket can help, and the answer is final. `by` is the dimension by which buckets are chosen: a limit that
    names it is whole in the bucket, and so is one on a single order. The order and the values must be text.
    """
    if isinstance(answer, SoldOut):
        return json.dumps([order, bucket, quantity])
    if not isinstance(answer, Limited):
        return None
    dims, window, counted = answer.limit.split("/")
    if by in dims.split("+") or window == "order":
        return None
    values = [value.decode() if isinstance(value, bytes) else value for value in answer.value]
    return json.dumps([order, bucket, quantity if counted == "units" else 1, answer.limit, values])
