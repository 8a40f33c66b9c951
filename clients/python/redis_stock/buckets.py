"""The bucket of a value in a sharded pool: docs/guides/hot-sku.md."""


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
