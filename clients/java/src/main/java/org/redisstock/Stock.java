package org.redisstock;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * Typed calls of redis-stock. A call without an answer is repeated, the same, until there is one or {@code patience} is over: that is
 * safe, since each carries an order id or a token. Threads may share it as far as they may share the client behind it.
 *
 * <p>{@link JedisStock}, {@link LettuceStock} and {@link StockTemplate} make it.
 */
public class Stock {
    /** How long one call may take with its repeats, where nothing else is said. */
    public static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final long FIRST_PAUSE_MS = 20;
    private static final long LONGEST_PAUSE_MS = 500;

    private final Transport transport;
    private final Calls calls;
    private final long patienceNanos;

    Stock(Transport transport, Calls calls, Duration patience) {
        this.transport = transport;
        this.calls = calls;
        patienceNanos = patience.toNanos();
    }

    /** What {@link #run} and {@link #pipeline} take. */
    public final Calls calls() {
        return calls;
    }

    /**
     * Makes one call.
     *
     * @throws StockException.Unsure there was no answer for {@code patience}
     * @throws StockException.Unavailable the server takes no such call now
     * @throws StockException.Bug the call is wrong
     */
    public final <T> T run(Call<T> call) {
        try {
            return call.decode().apply(transport.send(call));
        } catch (StockException.Unsure unsure) {
            return again(call, unsure);
        }
    }

    private <T> T again(Call<T> call, StockException.Unsure first) {
        long start = System.nanoTime();
        long pause = FIRST_PAUSE_MS;
        StockException.Unsure unsure = first;
        while (System.nanoTime() - start + pause * 1_000_000 < patienceNanos) {
            try {
                Thread.sleep(pause);
            } catch (InterruptedException stop) {
                Thread.currentThread().interrupt();
                throw unsure;
            }
            pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
            try {
                return call.decode().apply(transport.send(call));
            } catch (StockException.Unsure still) {
                unsure = still;
            }
        }
        throw unsure;
    }

    /**
     * Sends all calls at once: for each its result, or a {@link StockException}. What got no answer is repeated one by one, so calls
     * that follow from each other do not belong into one pipeline.
     */
    public final List<Object> pipeline(List<? extends Call<?>> all) {
        List<Object> answers;
        try {
            answers = transport.sendAll(all);
        } catch (StockException.Unsure unsure) {
            answers = Collections.nCopies(all.size(), unsure);
        }
        List<Object> results = new ArrayList<>(all.size());
        for (int i = 0; i < all.size(); i++) {
            Object answer = answers.get(i);
            try {
                results.add(answer instanceof StockException.Unsure unsure ? again(all.get(i), unsure)
                        : answer instanceof StockException error ? error : all.get(i).decode().apply(answer));
            } catch (StockException error) {
                results.add(error);
            }
        }
        return results;
    }

    /** Holds units for an order until the deadline, if stock and every limit allow it. */
    public Outcome<Results.Held> reserve(String key, String order, long quantity, Hold hold, Map<String, String> attributes) {
        return run(calls.reserve(key, order, quantity, hold, attributes));
    }

    /** The payment is in. */
    public Outcome<Results.Confirmed> confirm(String key, String order) {
        return run(calls.confirm(key, order, Options.Confirm.NONE));
    }

    /** The payment is in, and the hold may be over: takes the units again, if stock and limits still allow it. */
    public Outcome<Results.Confirmed> confirmLate(String key, String order) {
        return run(calls.confirm(key, order, Options.Confirm.LATE));
    }

    /** Gives the hold up; of an order that never arrived, too. */
    public Outcome<Results.Changed> release(String key, String order) {
        return run(calls.release(key, order));
    }

    /** The hold's new total. */
    public Outcome<Results.Changed> amend(String key, String order, long quantity) {
        return run(calls.amend(key, order, quantity));
    }

    /** Some units of a hold become an order of their own, with the same deadline. */
    public Outcome<Results.Split> split(String key, String order, String part, long quantity) {
        return run(calls.split(key, order, part, quantity));
    }

    /** Moves the deadline, never to an earlier time. */
    public Outcome<Results.Deadline> extend(String key, String order, Hold hold) {
        return run(calls.extend(key, order, hold));
    }

    /** Takes back all that is left of a paid order. */
    public Outcome<Results.Returned> returnAll(String key, String order) {
        return run(calls.returnUnits(key, order, null, false, false));
    }

    /** Takes a part back; the token is the refund's id. */
    public Outcome<Results.Returned> returnPart(String key, String order, long quantity, String token) {
        return run(calls.returnUnits(key, order, new Options.Part(quantity, token, false, null), false, false));
    }

    /** All lines or none; a {@code LinkedHashMap} keeps their order. In a cluster their keys share a hash tag. */
    public Outcome<Results.Deadline> reserveCart(String order, Map<String, Long> lines, Hold hold, Map<String, String> attributes) {
        return run(calls.reserveCart(order, lines, hold, attributes));
    }

    /** Holds units for an order in place of another one, whose hold is given up in the same step. */
    public Outcome<Results.Held> replace(String key, String old, String order, long quantity, Hold hold, Map<String, String> attributes) {
        return run(calls.reserve(key, order, quantity, new Options.Reserve(hold, false, old, attributes)));
    }

    public Outcome<Void> confirmCart(String order, Collection<String> keys) {
        return run(calls.confirmCart(order, keys, false));
    }

    public Outcome<Void> releaseCart(String order, Collection<String> keys) {
        return run(calls.releaseCart(order, keys));
    }

    public Outcome<Void> extendCart(String order, Collection<String> keys, Hold hold) {
        return run(calls.extendCart(order, keys, hold));
    }

    public Outcome<Void> returnCart(String order, Collection<String> keys) {
        return run(calls.returnCart(order, keys, false, false));
    }

    /** Makes the pool where there is none: whether it did. A second run puts no sold units back. */
    public boolean create(String key, long onHand) {
        return run(calls.set(key, onHand, "NX"));
    }

    /** The same, with the policy (JSON) that is the pool's from its first moment on. */
    public boolean create(String key, long onHand, String policy) {
        return run(calls.create(key, onHand, policy));
    }

    /** A pool without a count, such as a campaign's cap. */
    public boolean createUnlimited(String key) {
        return run(calls.set(key, null, "NX"));
    }

    /** A restock, or a write-off; the token is the delivery's number. */
    public Outcome<Results.Added> add(String key, long delta, String token) {
        return run(calls.add(key, delta, token));
    }

    /** Moves free units to another pool of the same slot; the token is the movement's number. */
    public Outcome<Results.Transferred> transfer(String from, String to, long quantity, String token) {
        return run(calls.transfer(from, to, quantity, token));
    }

    /** At most {@code max} units for each value of {@code by}, in each window ({@code DAY}; null: ever). */
    public Outcome<Void> limit(String key, String by, long max, String per) {
        return run(calls.limit(key, by, max, Options.Limit.per(per)));
    }

    /** What can be reserved now, in each pool: -1 unlimited, null no pool. */
    public List<Long> available(Collection<String> keys) {
        return run(calls.available(keys));
    }

    /** Where an order stands; null: unknown. */
    public Results.Order order(String key, String order) {
        return run(calls.order(key, order));
    }

    /** Why {@code reserve} of a new order would be answered as it would, step by step. */
    public Results.Explanation explain(String key, long quantity, Map<String, String> attributes) {
        return run(calls.explain(key, quantity, attributes));
    }

    /** Everything about a pool; null: none. */
    public Results.Pool get(String key) {
        return run(calls.get(key));
    }
}
