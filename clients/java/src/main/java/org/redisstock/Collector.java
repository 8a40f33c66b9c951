package org.redisstock;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Makes one call of the server out of what many threads ask for within a moment: one for each pool, hold and set of dimensions. Each gets
 * the answer of its own order. That costs a buyer the wait, and spares the server most of a call's cost.
 *
 * <p>It has no threads: the first who asks waits for the others, and sends for all.
 */
public final class Collector {
    /** How many orders the server takes in one call. */
    private static final int MOST_ORDERS = 128;

    private final Stock stock;
    private final int most;
    private final long waitNanos;
    private final Map<Object, Batch<?, ?>> open = new HashMap<>();

    /** A batch is sent when it has 64 orders, or a millisecond after its first. */
    public Collector(Stock stock) {
        this(stock, 64, Duration.ofMillis(1));
    }

    /** A batch is sent when it has {@code most} orders (1 to 128), or {@code wait} after its first. */
    public Collector(Stock stock, int most, Duration wait) {
        if (most < 1 || most > MOST_ORDERS) {
            throw new IllegalArgumentException("1 to " + MOST_ORDERS + " orders");
        }
        this.stock = stock;
        this.most = most;
        waitNanos = wait.toNanos();
    }

    private static final class Batch<O, T> {
        final List<O> orders = new ArrayList<>();
        final CountDownLatch full = new CountDownLatch(1);
        final CompletableFuture<List<Results.Each<T>>> answers = new CompletableFuture<>();
    }

    private record Reserves(String key, Hold hold, List<String> dims) {}

    private record Confirms(String key) {}

    /** As {@link Stock#reserve}. */
    public Outcome<Results.Held> reserve(String key, String order, long quantity, Hold hold, Map<String, String> attributes) {
        Calls calls = stock.calls();
        Map<String, String> sorted = attributes == null ? Map.of() : new TreeMap<>(attributes);
        return join(new Reserves(key, hold, List.copyOf(sorted.keySet())), new Options.BatchOrder(order, quantity, sorted),
                orders -> calls.reserveBatch(key, hold, orders),
                one -> calls.reserve(key, one.order(), one.quantity(), hold, one.attributes()));
    }

    /** As {@link Stock#confirm}. */
    public Outcome<Results.Confirmed> confirm(String key, String order) {
        Calls calls = stock.calls();
        return join(new Confirms(key), order, orders -> calls.confirmBatch(key, orders),
                one -> calls.confirm(key, one, Options.Confirm.NONE));
    }

    @SuppressWarnings("unchecked")
    private <O, T> Outcome<T> join(Object group, O order, Function<List<O>, Call<List<Results.Each<T>>>> together,
            Function<O, Call<Outcome<T>>> alone) {
        Batch<O, T> batch;
        int place;
        synchronized (open) {
            batch = (Batch<O, T>) open.computeIfAbsent(group, ignored -> new Batch<O, T>());
            place = batch.orders.size();
            batch.orders.add(order);
            if (batch.orders.size() == most) {
                open.remove(group);
                batch.full.countDown();
            }
        }
        if (place == 0) {
            lead(group, batch, together, alone);
        }
        Results.Each<T> answer = batch.answers.join().get(place);
        if (answer.error() != null) {
            throw answer.error();
        }
        return answer.outcome();
    }

    private <O, T> void lead(Object group, Batch<O, T> batch, Function<List<O>, Call<List<Results.Each<T>>>> together,
            Function<O, Call<Outcome<T>>> alone) {
        boolean interrupted = false;
        try {
            batch.full.await(waitNanos, TimeUnit.NANOSECONDS);
        } catch (InterruptedException stop) {
            // The others wait for this thread: it sends before it stops.
            interrupted = true;
        }
        synchronized (open) {
            open.remove(group, batch);
        }
        try {
            batch.answers.complete(send(batch.orders, together, alone));
        } catch (RuntimeException | Error broken) {
            batch.answers.completeExceptionally(broken);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @SuppressWarnings("unchecked")
    private <O, T> List<Results.Each<T>> send(List<O> orders, Function<List<O>, Call<List<Results.Each<T>>>> together,
            Function<O, Call<Outcome<T>>> alone) {
        List<Results.Each<T>> answers = new ArrayList<>(orders.size());
        try {
            return stock.run(together.apply(orders));
        } catch (StockException error) {
            if (!"ERR".equals(error.code())) {
                orders.forEach(order -> answers.add(new Results.Each<>(null, error)));
                return answers;
            }
        }
        // One order has arguments that the server refuses, and with it the whole call: it must not harm the others.
        for (Object answer : stock.pipeline(orders.stream().map(alone).toList())) {
            answers.add(answer instanceof StockException error ? new Results.Each<>(null, error)
                    : new Results.Each<>((Outcome<T>) answer, null));
        }
        return answers;
    }
}
