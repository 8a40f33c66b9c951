package org.redisstock;

import java.nio.charset.StandardCharsets;

/** The bucket of a value in a sharded pool: docs/guides/hot-sku.md. */
public final class Buckets {
    private Buckets() {}

    /** The bucket, 0 to {@code count} - 1, in which a value of the sharded pool's dimension buys. */
    public static int of(String value, int count) {
        return of(value.getBytes(StandardCharsets.UTF_8), count);
    }

    /** The same of a value that is no text. */
    public static int of(byte[] value, int count) {
        int h = 0x811c9dc5;
        for (byte one : value) {
            h = (h ^ (one & 0xff)) * 0x01000193;
        }
        h ^= h >>> 16;
        h *= 0x7feb352d;
        h ^= h >>> 15;
        h *= 0x846ca68b;
        h ^= h >>> 16;
        return (int) ((h & 0xffffffffL) * count >>> 32);
    }
}
