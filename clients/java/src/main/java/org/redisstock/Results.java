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

    /** SPLIT: what went over, and what stays with the order. */
    public record Split(long quantity, long left, long deadlineMs) {}

    /** EXTEND and MRESERVE. */
    public record Deadline(long deadlineMs) {}

    public record Added(long onHand, long available) {}

    /** What is in both pools now: the one that the units came from, and the one that they went to. */
    public record Transferred(long onHand, long available, long toOnHand, long toAvailable) {}

    public record Reconciled(long drift, long onHand, long available) {}

    /**
     * {@code onHand} is null where the pool is unlimited, {@code events} where it has no stream of its own, {@code returning} where it was
     * not asked for; see {@link Explanation}.
     */
    public record Pool(
            Long onHand, long reserved, long safety, long available, long shortfall, long sold, long out,
            Map<OrderState, Long> orders, boolean suspended, boolean unlimited, long nextDeadlineMs, String epoch, long seq,
            long limits, long alert, long fromMs, long untilMs, long holdSeconds, long retainSeconds, long retainPaidSeconds, String events,
            Map<String, Long> returning) {}

    public record Order(OrderState state, long quantity, long returned, long deadlineMs, Map<String, String> attributes) {}

    /** One page of a walk; {@code cursor} is {@code 0} at the end. */
    public record Orders(String cursor, List<Listed> orders) {}

    /** {@code details} where the walk asked for them, or null. */
    public record Listed(String order, OrderState state, Order details) {}

    public record Limit(String limit, long max, String tz, String missing, List<Override> overrides) {}

    public record Override(List<String> value, long max) {}

    /** {@code values}, of those that used most: by whom; else null. */
    public record Usage(String limit, List<String> values, long used, long max, long remaining, long resetsMs) {}

    /** The answer to one order of a batch, or its error: one of them is null. */
    public record Each<T>(Outcome<T> outcome, StockException error) {}

    /**
     * EXPLAIN: the steps of a decision. {@code answer} is what RESERVE would answer. Of a key that is not there only {@code exists} and
     * {@code answer} mean anything. {@code returning}: held units by deadline, {@code within_1m} to {@code later}; null where there are too
     * many to look at.
     */
    public record Explanation(
            boolean exists, boolean suspended, long fromMs, long untilMs, long orders, long maxOrders, List<String> missing, Long onHand,
            long held, long safety, long available, List<ExplainedLimit> limits, Each<Held> answer, Map<String, Long> returning) {}

    /** {@code verdict}: allows, refuses, nodim or skipped. Where a dimension is missing, values and numbers are null. */
    public record ExplainedLimit(
            String limit, String verdict, List<String> missing, List<String> values, Long used, Long max, Long remaining, Long resetsMs) {}
}
