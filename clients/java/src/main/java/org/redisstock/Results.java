package org.redisstock;

import java.util.List;
import java.util.Map;

/** What the commands answer when they are done, and what the reads answer. -1 units is unlimited. */
public final class Results {
    private Results() {}

    public record Held(long quantity, long available, long deadlineMs) {}

    public record Confirmed(long quantity, long sold) {}

    /** RELEASE and AMEND. */
    public record Changed(long quantity, long available) {}

    public record Returned(long quantity, long available, long sold) {}

    /** EXTEND and MRESERVE. */
    public record Deadline(long deadlineMs) {}

    public record Added(long onHand, long available) {}

    /** What is in both pools now: the one that the units came from, and the one that they went to. */
    public record Transferred(long onHand, long available, long toOnHand, long toAvailable) {}

    public record Reconciled(long drift, long onHand, long available) {}

    /** {@code onHand} is null where the pool is unlimited, {@code events} where it has no stream of its own. */
    public record Pool(
            Long onHand, long reserved, long safety, long available, long shortfall, long sold, long out,
            Map<OrderState, Long> orders, boolean suspended, boolean unlimited, long nextDeadlineMs, String epoch, long seq,
            long limits, long alert, long fromMs, long untilMs, long holdSeconds, long retainSeconds, long retainPaidSeconds, String events) {}

    public record Order(OrderState state, long quantity, long returned, long deadlineMs, Map<String, String> attributes) {}

    /** One page of a walk; {@code cursor} is {@code 0} at the end. */
    public record Orders(String cursor, List<Listed> orders) {}

    public record Listed(String order, OrderState state) {}

    public record Limit(String limit, long max, String tz, String missing, List<Override> overrides) {}

    public record Override(List<String> value, long max) {}

    public record Usage(String limit, long used, long max, long remaining, long resetsMs) {}
}
