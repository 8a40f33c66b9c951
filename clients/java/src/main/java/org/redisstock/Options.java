package org.redisstock;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a call may say beyond its arguments. */
public final class Options {
    private Options() {}

    /** The attributes of a sale, in the order given: {@code attributes("user", "42", "region", "hk")}. */
    public static Map<String, String> attributes(String... pairs) {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            attributes.put(pairs[i], pairs[i + 1]);
        }
        return attributes;
    }

    /** RESERVE. Null or empty is left out. */
    public record Reserve(Hold hold, boolean partial, Map<String, String> attributes) {}

    /** CONFIRM. {@code quantity} and {@code sinceMs} may be null; {@code sinceMs} and {@code attributes} need {@code late}. */
    public record Confirm(Long quantity, boolean late, Long sinceMs, Map<String, String> attributes) {
        public static final Confirm NONE = new Confirm(null, false, null, Map.of());
        public static final Confirm LATE = new Confirm(null, true, null, Map.of());
    }

    /** RETURN of a part: the token makes it repeatable. {@code late} vouches for an order that is forgotten. */
    public record Part(long quantity, String token, boolean late) {}

    /** A limit: {@code count} and {@code missing} may be null; {@code values} name one override. */
    public record Limit(String per, String tz, String count, String missing, List<String> values) {
        public static final Limit NONE = new Limit(null, null, null, null, List.of());

        public static Limit per(String window) {
            return new Limit(window, null, null, null, List.of());
        }
    }

    /** RECONCILE: the last event that the database has followed. */
    public record After(String epoch, long seq, long out) {}
}
