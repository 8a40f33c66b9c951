package org.redisstock;

import java.util.Locale;

/** Where an order stands. */
public enum OrderState {
    RESERVED, CONFIRMED, RETURNED, RELEASED, EXPIRED,
    /** Of a token of {@code add}: the units were added before. */
    ADDED,
    /** Of a token of {@code transfer}: the units were moved before. */
    TRANSFERRED;

    private static final OrderState[] ALL = values();
    private final String text = name().toLowerCase(Locale.ROOT);

    /** As the server writes it. */
    public String text() {
        return text;
    }

    static OrderState of(String text) {
        for (OrderState state : ALL) {
            if (state.text.equals(text)) {
                return state;
            }
        }
        throw new IllegalStateException("an unknown state: " + text);
    }
}
