package org.redisstock;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Sharded pools, docs/guides/hot-sku.md: whose bucket is whose, and what to ask for where it is empty. */
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

    /**
     * What a buyer puts down in <code>{NAME}asks</code> after this refusal of a reservation, so that a balancer brings it from other
     * buckets; empty: no other bucket can help, and the refusal is final. {@code by} is the dimension by which buckets are chosen: a
     * limit that names it is whole in the bucket, and so is one on a single order.
     */
    public static Optional<String> ask(Refusal refusal, String order, int bucket, long quantity, String by) {
        String head = "[" + quoted(order) + "," + bucket + ",";
        if (refusal instanceof Refusal.SoldOut) {
            return Optional.of(head + quantity + "]");
        }
        if (!(refusal instanceof Refusal.Limited limited)) {
            return Optional.empty();
        }
        String[] parts = limited.limit().split("/");
        if (List.of(parts[0].split("\\+")).contains(by) || parts[1].equals("order")) {
            return Optional.empty();
        }
        String values = limited.value().stream().map(Buckets::quoted).collect(Collectors.joining(","));
        long wanted = parts[2].equals("units") ? quantity : 1;
        return Optional.of(head + wanted + "," + quoted(limited.limit()) + ",[" + values + "]]");
    }

    /** A text in JSON. */
    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }
}
