package org.redisstock;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Makes calls: typed arguments to words. {@link Stock} sends them one by one, or as a pipeline. */
public final class Calls {
    private final Charset charset;
    private final Decode decode;

    /** Ids, attributes and tokens are text in {@code charset}: with ISO 8859-1 they may be any bytes. */
    public Calls(Charset charset) {
        this.charset = charset;
        decode = new Decode(charset);
    }

    public Calls() {
        this(StandardCharsets.UTF_8);
    }

    private final class Words {
        private final List<byte[]> words = new ArrayList<>(10);
        private int keyAt;

        Words key(String key) {
            keyAt = words.size();
            return add(key);
        }

        Words add(String word) {
            words.add(word.getBytes(charset));
            return this;
        }

        Words add(long number) {
            words.add(Long.toString(number).getBytes(StandardCharsets.US_ASCII));
            return this;
        }

        /** Null: unlimited. */
        Words amount(Long units) {
            return units == null ? add("UNLIMITED") : add(units);
        }

        Words option(String name, String value) {
            return value == null ? this : add(name).add(value);
        }

        Words option(String name, Long value) {
            return value == null ? this : add(name).add(value);
        }

        Words flag(String name, boolean set) {
            return set ? add(name) : this;
        }

        Words hold(Hold hold) {
            return hold == null ? this : add(hold.option()).add(hold.value());
        }

        Words attributes(Map<String, String> attributes) {
            if (attributes != null && !attributes.isEmpty()) {
                add("FOR");
                attributes.forEach((name, value) -> add(name).add(value));
            }
            return this;
        }

        Words values(List<String> values) {
            if (values != null && !values.isEmpty()) {
                add("FOR");
                values.forEach(this::add);
            }
            return this;
        }

        Words note(String note) {
            return option("NOTE", note);
        }

        /** The pools of a cart, and behind QTY the quantity of each. */
        Words lines(Map<String, Long> lines) {
            keys(lines.keySet()).add("QTY");
            lines.values().forEach(this::add);
            return this;
        }

        Words cart(String order, Collection<String> keys) {
            return add(order).keys(keys);
        }

        private Words keys(Collection<String> keys) {
            add(keys.size());
            keyAt = words.size();
            keys.forEach(this::add);
            return this;
        }

        <T> Call<T> of(Command command, Function<Object, T> decode) {
            return new Call<>(command, words, keyAt, command.isRead(), decode);
        }
    }

    private Words on(String key) {
        return new Words().key(key);
    }

    public Call<Outcome<Results.Held>> reserve(String key, String order, long quantity, Options.Reserve o) {
        return on(key).add(order).add(quantity).hold(o.hold()).flag("PARTIAL", o.partial()).option("REPLACES", o.replaces())
                .attributes(o.attributes()).of(Command.RESERVE, decode::held);
    }

    public Call<Outcome<Results.Held>> reserve(String key, String order, long quantity, Hold hold, Map<String, String> attributes) {
        return reserve(key, order, quantity, new Options.Reserve(hold, false, null, attributes));
    }

    /** Up to 128 orders of one pool, each judged as by a RESERVE of its own. All have the same dimensions. */
    public Call<List<Results.Each<Results.Held>>> reserveBatch(String key, Hold hold, List<Options.BatchOrder> orders) {
        List<String> dims = List.copyOf(orders.get(0).attributes().keySet());
        Words words = on(key).hold(hold);
        if (!dims.isEmpty()) {
            words.add("DIMS").add(dims.size());
            dims.forEach(words::add);
        }
        words.add("ORDERS").add(orders.size());
        for (Options.BatchOrder one : orders) {
            if (one.attributes().size() != dims.size() || !one.attributes().keySet().containsAll(dims)) {
                throw new IllegalArgumentException("the orders of a batch have the same dimensions");
            }
            words.add(one.order()).add(one.quantity());
            dims.forEach(dim -> words.add(one.attributes().get(dim)));
        }
        return words.of(Command.RESERVEBATCH, answers -> decode.batch(answers, decode::held));
    }

    /** Up to 128 orders of one pool, each judged as by a CONFIRM of its own. */
    public Call<List<Results.Each<Results.Confirmed>>> confirmBatch(String key, List<String> orders) {
        Words words = on(key).add("ORDERS").add(orders.size());
        orders.forEach(words::add);
        return words.of(Command.CONFIRMBATCH, answers -> decode.batch(answers, decode::confirmed));
    }

    public Call<Outcome<Results.Confirmed>> confirm(String key, String order, Options.Confirm o) {
        return on(key).add(order).option("QTY", o.quantity()).flag("LATE", o.late()).option("SINCE", o.sinceMs())
                .attributes(o.attributes()).of(Command.CONFIRM, decode::confirmed);
    }

    public Call<Outcome<Results.Changed>> release(String key, String order) {
        return on(key).add(order).of(Command.RELEASE, decode::changed);
    }

    public Call<Outcome<Results.Changed>> amend(String key, String order, long quantity) {
        return on(key).add(order).add(quantity).of(Command.AMEND, decode::changed);
    }

    /** Some units of a hold become an order of their own, with the same deadline. */
    public Call<Outcome<Results.Split>> split(String key, String order, String part, long quantity) {
        return on(key).add(order).add(part).add(quantity).of(Command.SPLIT, decode::split);
    }

    public Call<Outcome<Results.Deadline>> extend(String key, String order, Hold hold) {
        return on(key).add(order).hold(hold).of(Command.EXTEND, decode::deadline);
    }

    /** {@code part} null: all that is left. */
    public Call<Outcome<Results.Returned>> returnUnits(String key, String order, Options.Part part, boolean keepUsage, boolean noRestock) {
        Words words = on(key).add(order);
        if (part != null) {
            words.add("QTY").add(part.quantity()).add("TOKEN").add(part.token()).flag("LATE", part.late());
        }
        return words.flag("KEEPUSAGE", keepUsage).flag("NORESTOCK", noRestock).attributes(part == null ? null : part.attributes())
                .of(Command.RETURN, decode::returned);
    }

    /** {@code lines}: the quantity of each pool. They share a hash tag in a cluster. */
    public Call<Outcome<Results.Deadline>> reserveCart(String order, Map<String, Long> lines, Hold hold, Map<String, String> attributes) {
        return reserveCart(order, lines, new Options.Cart(hold, null, attributes));
    }

    /** A pool in which only the cart that is replaced has units stands with quantity 0. */
    public Call<Outcome<Results.Deadline>> reserveCart(String order, Map<String, Long> lines, Options.Cart o) {
        return new Words().add(order).lines(lines).hold(o.hold()).option("REPLACES", o.replaces()).attributes(o.attributes())
                .of(Command.MRESERVE, decode::deadline);
    }

    /** Sells what stands in the lines, and releases the rest. */
    public Call<Outcome<Void>> confirmCartInPart(String order, Map<String, Long> lines, boolean late) {
        return new Words().add(order).lines(lines).flag("LATE", late).of(Command.MCONFIRM, decode::done);
    }

    /** The lines go over to {@code part}, in all pools or in none. */
    public Call<Outcome<Void>> splitCart(String order, String part, Map<String, Long> lines) {
        return new Words().add(order).add(part).lines(lines).of(Command.MSPLIT, decode::done);
    }

    public Call<Outcome<Void>> confirmCart(String order, Collection<String> keys, boolean late) {
        return new Words().cart(order, keys).flag("LATE", late).of(Command.MCONFIRM, decode::done);
    }

    public Call<Outcome<Void>> releaseCart(String order, Collection<String> keys) {
        return new Words().cart(order, keys).of(Command.MRELEASE, decode::done);
    }

    public Call<Outcome<Void>> extendCart(String order, Collection<String> keys, Hold hold) {
        return new Words().cart(order, keys).hold(hold).of(Command.MEXTEND, decode::done);
    }

    public Call<Outcome<Void>> returnCart(String order, Collection<String> keys, boolean keepUsage, boolean noRestock) {
        return new Words().cart(order, keys).flag("KEEPUSAGE", keepUsage).flag("NORESTOCK", noRestock)
                .of(Command.MRETURN, decode::done);
    }

    // A note, null for none, says who and why. It is published with the change, and kept nowhere else.

    public Call<Boolean> set(String key, Long onHand, String onlyIf) {
        return set(key, onHand, onlyIf, null);
    }

    /** {@code onHand} null: unlimited. {@code onlyIf}: NX, XX or null. For a quiet moment, but with NX. Whether it wrote. */
    public Call<Boolean> set(String key, Long onHand, String onlyIf, String note) {
        return on(key).amount(onHand).flag(onlyIf, onlyIf != null).note(note).of(Command.SET, decode::written);
    }

    public Call<Boolean> create(String key, Long onHand, String policy) {
        return create(key, onHand, policy, null);
    }

    /**
     * Makes the pool together with its policy, which is its own from its first moment on; {@code onHand} null: unlimited. A pool that exists
     * stays as it is. Whether it wrote; after a lost answer that may have been the call's own doing.
     */
    public Call<Boolean> create(String key, Long onHand, String policy, String note) {
        return on(key).amount(onHand).add("NX").option("POLICY", policy).note(note).of(Command.SET, decode::written);
    }

    public Call<Outcome<Results.Added>> add(String key, long delta, String token) {
        return add(key, delta, token, null);
    }

    /** A restock, or a write-off. The token, such as the number of the delivery, makes it repeatable. */
    public Call<Outcome<Results.Added>> add(String key, long delta, String token, String note) {
        return on(key).add(delta).add("TOKEN").add(token).note(note).of(Command.ADD, decode::added);
    }

    public Call<Outcome<Results.Transferred>> transfer(String from, String to, long quantity, String token) {
        return transfer(from, to, quantity, token, null);
    }

    public Call<Outcome<Results.Transferred>> transfer(String from, String to, long quantity, String token, String note) {
        return on(from).add(to).add(quantity).add("TOKEN").add(token).note(note).of(Command.TRANSFER, decode::transferred);
    }

    public Call<Outcome<Results.Reconciled>> reconcile(String key, long onHand, Options.After after, boolean dryRun) {
        return reconcile(key, onHand, after, dryRun, null);
    }

    /** {@code after} null: for a quiet moment. */
    public Call<Outcome<Results.Reconciled>> reconcile(String key, long onHand, Options.After after, boolean dryRun, String note) {
        Words words = on(key).add(onHand);
        if (after != null) {
            words.add("AFTER").add(after.epoch()).add(after.seq()).add(after.out());
        }
        return words.flag("DRYRUN", dryRun).note(note).of(Command.RECONCILE, decode::reconciled);
    }

    public Call<Outcome<Void>> suspend(String key) {
        return suspend(key, null);
    }

    public Call<Outcome<Void>> suspend(String key, String note) {
        return on(key).note(note).of(Command.SUSPEND, decode::done);
    }

    public Call<Outcome<Void>> resume(String key) {
        return resume(key, null);
    }

    public Call<Outcome<Void>> resume(String key, String note) {
        return on(key).note(note).of(Command.RESUME, decode::done);
    }

    public Call<Outcome<Void>> setPolicy(String key, String json) {
        return setPolicy(key, json, null);
    }

    /** Replaces the whole policy. */
    public Call<Outcome<Void>> setPolicy(String key, String json, String note) {
        return on(key).add(json).note(note).of(Command.SETPOLICY, decode::done);
    }

    /** Changes what a JSON merge patch names, and leaves the rest. */
    public Call<Outcome<Void>> mergePolicy(String key, String patch, String note) {
        return on(key).add(patch).add("MERGE").note(note).of(Command.SETPOLICY, decode::done);
    }

    public Call<Outcome<Void>> schedule(String key, String from, String until) {
        return schedule(key, from, until, null);
    }

    /** Each bound is a Unix time in ms, or {@code NONE} to remove it; null leaves it. */
    public Call<Outcome<Void>> schedule(String key, String from, String until, String note) {
        return on(key).option("FROM", from).option("UNTIL", until).note(note).of(Command.SCHEDULE, decode::done);
    }

    /** {@code count} null: 1,000. */
    public Call<Outcome<Long>> sweep(String key, Long count) {
        return on(key).option("COUNT", count).of(Command.SWEEP, decode::count);
    }

    /** {@code max} null: unlimited. */
    public Call<Outcome<Void>> limit(String key, String by, Long max, Options.Limit o) {
        return on(key).add(by).amount(max).option("PER", o.per()).flag("ROLLING", o.rolling())
                .option("TZ", o.tz()).option("COUNT", o.count()).option("MISSING", o.missing()).note(o.note()).values(o.values())
                .of(Command.LIMIT, decode::done);
    }

    public Call<Outcome<Long>> unlimit(String key, String by, Options.Limit o) {
        return on(key).add(by).option("PER", o.per()).flag("ROLLING", o.rolling()).option("COUNT", o.count()).note(o.note())
                .values(o.values()).of(Command.UNLIMIT, decode::count);
    }

    /** Reads answer null for a missing pool or order. */
    public Call<List<Results.Limit>> limits(String key) {
        return on(key).of(Command.LIMITS, decode::limits);
    }

    public Call<List<Results.Usage>> usage(String key, Map<String, String> attributes) {
        return on(key).attributes(attributes).of(Command.USAGE, decode::usage);
    }

    /** What the so many values have counted that used most of each limit; the attributes are those that must fit. */
    public Call<List<Results.Usage>> topUsage(String key, long top, Map<String, String> attributes) {
        return on(key).add("TOP").add(top).attributes(attributes).of(Command.USAGE, decode::usage);
    }

    public Call<Results.Pool> get(String key) {
        return on(key).of(Command.GET, decode::pool);
    }

    /** As {@link #get}, and when held units come back if nobody pays. */
    public Call<Results.Pool> getReturning(String key) {
        return on(key).add("RETURNING").of(Command.GET, decode::pool);
    }

    /** Null stands for a pool that is not there. */
    public Call<List<Long>> available(Collection<String> keys) {
        Words words = new Words();
        keys.forEach(words::add);
        return words.of(Command.AVAILABLE, decode::available);
    }

    public Call<Outcome<Results.Held>> check(String key, long quantity, Map<String, String> attributes) {
        return on(key).add(quantity).attributes(attributes).of(Command.CHECK, decode::held);
    }

    /** Why RESERVE of a new order would be answered as it would, step by step; {@code quantity} null: of one unit. */
    public Call<Results.Explanation> explain(String key, Long quantity, Map<String, String> attributes) {
        Words words = on(key);
        if (quantity != null) {
            words.add(quantity);
        }
        return words.attributes(attributes).of(Command.EXPLAIN, decode::explained);
    }

    public Call<Results.Order> order(String key, String order) {
        return on(key).add(order).of(Command.ORDER, decode::order);
    }

    /** One page; the walk begins at cursor {@code 0}. */
    public Call<Results.Orders> orders(String key, String cursor, Options.Walk o) {
        return on(key).add(cursor).option("STATE", o.state() == null ? null : o.state().name()).flag("DETAILS", o.details())
                .option("COUNT", o.count()).attributes(o.attributes()).of(Command.ORDERS, decode::orders);
    }

    public Call<String> policy(String key) {
        return on(key).of(Command.POLICY, decode::policy);
    }

    public Call<List<String>> verify(String key) {
        return on(key).of(Command.VERIFY, decode::verified);
    }
}
