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

    /**
     * RESERVE. Null or empty is left out. {@code partial} takes as many as stock and limits allow, at least 1; {@code replaces} names an
     * order whose hold is given up in the same step, and kept where this one is refused.
     */
    public record Reserve(Hold hold, boolean partial, String replaces, Map<String, String> attributes) {}

    /** MRESERVE. {@code replaces}: a cart whose holds in the named pools are given up in the same step. */
    public record Cart(Hold hold, String replaces, Map<String, String> attributes) {}

    /** One order of a batch; all orders of a batch have the same dimensions. */
    public record BatchOrder(String order, long quantity, Map<String, String> attributes) {
        public BatchOrder {
            attributes = attributes == null ? Map.of() : attributes;
        }
    }

    /** ORDERS. {@code state} and {@code count} may be null; {@code attributes} are those of a buyer. */
    public record Walk(OrderState state, boolean details, Long count, Map<String, String> attributes) {
        public static final Walk ALL = new Walk(null, false, null, Map.of());
    }

    /** CONFIRM. {@code quantity} and {@code sinceMs} may be null; {@code sinceMs} and {@code attributes} need {@code late}. */
    public record Confirm(Long quantity, boolean late, Long sinceMs, Map<String, String> attributes) {
        public static final Confirm NONE = new Confirm(null, false, null, Map.of());
        public static final Confirm LATE = new Confirm(null, true, null, Map.of());
    }

    /**
     * RETURN of a part: the token makes it repeatable. {@code late} vouches for an order that is forgotten; the limits of the buyer with
     * these {@code attributes} get the units back, too.
     */
    public record Part(long quantity, String token, boolean late, Map<String, String> attributes) {}

    /**
     * A limit: what is null is left out. {@code rolling}: the last {@code per} seconds, whenever one looks; {@code note}: who and why;
     * {@code values} name one override.
     */
    public record Limit(String per, boolean rolling, String tz, String count, String missing, String note, List<String> values) {
        public static final Limit NONE = per(null);

        public static Limit per(String window) {
            return new Limit(window, false, null, null, null, null, List.of());
        }
    }

    /** RECONCILE: the last event that the database has followed. */
    public record After(String epoch, long seq, long out) {}
}
