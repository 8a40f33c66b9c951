package org.redisstock;

import java.util.List;

/** The pool said no, and nothing has changed: an answer to tell the buyer, not a fault. */
public sealed interface Refusal {
    /** The status word, as the server sends it. */
    String word();

    /** The pool that refused. */
    String key();

    /** Not enough units; a smaller quantity may fit. */
    record SoldOut(String key, long available) implements Refusal {
        @Override
        public String word() {
            return "SOLDOUT";
        }
    }

    /** A purchase limit is reached: {@code limit} is a text such as {@code user/day/units}; {@code resetsMs} 0 is never. */
    record Limited(String key, String limit, List<String> value, long used, long max, long resetsMs) implements Refusal {
        @Override
        public String word() {
            return "LIMITED";
        }
    }

    /** The order is over: released, expired or returned. Buy again under a new order id. */
    record Closed(String key, OrderState state) implements Refusal {
        @Override
        public String word() {
            return "CLOSED";
        }
    }

    /** The sale has not begun: it does at {@code fromMs}. */
    record Early(String key, long fromMs) implements Refusal {
        @Override
        public String word() {
            return "EARLY";
        }
    }

    /** The sale is over, since {@code untilMs}. */
    record Ended(String key, long untilMs) implements Refusal {
        @Override
        public String word() {
            return "ENDED";
        }
    }

    /** EXPIRED, CONFIRMED, RESERVED, SUSPENDED, NOORDER, NOPOOL, UNKNOWN, and every word of a newer server. */
    record Other(String word, String key) implements Refusal {}
}
