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

        Words cart(String order, Collection<String> keys) {
            add(order).add(keys.size());
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
        return on(key).add(order).add(quantity).hold(o.hold()).flag("PARTIAL", o.partial()).attributes(o.attributes())
                .of(Command.RESERVE, decode::held);
    }

    public Call<Outcome<Results.Held>> reserve(String key, String order, long quantity, Hold hold, Map<String, String> attributes) {
        return reserve(key, order, quantity, new Options.Reserve(hold, false, attributes));
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

    public Call<Outcome<Results.Deadline>> extend(String key, String order, Hold hold) {
        return on(key).add(order).hold(hold).of(Command.EXTEND, decode::deadline);
    }

    /** {@code part} null: all that is left. */
    public Call<Outcome<Results.Returned>> returnUnits(String key, String order, Options.Part part, boolean keepUsage, boolean noRestock) {
        Words words = on(key).add(order);
        if (part != null) {
            words.add("QTY").add(part.quantity()).add("TOKEN").add(part.token()).flag("LATE", part.late());
        }
        return words.flag("KEEPUSAGE", keepUsage).flag("NORESTOCK", noRestock).of(Command.RETURN, decode::returned);
    }

    /** {@code lines}: the quantity of each pool. They share a hash tag in a cluster. */
    public Call<Outcome<Results.Deadline>> reserveCart(String order, Map<String, Long> lines, Hold hold, Map<String, String> attributes) {
        Words words = new Words().cart(order, lines.keySet()).add("QTY");
        lines.values().forEach(words::add);
        return words.hold(hold).attributes(attributes).of(Command.MRESERVE, decode::deadline);
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

    /** {@code onHand} null: unlimited. {@code onlyIf}: NX, XX or null. For a quiet moment, but with NX. Whether it wrote. */
    public Call<Boolean> set(String key, Long onHand, String onlyIf) {
        Words words = on(key);
        if (onHand == null) {
            words.add("UNLIMITED");
        } else {
            words.add(onHand);
        }
        return words.flag(onlyIf, onlyIf != null).of(Command.SET, decode::written);
    }

    /** A restock, or a write-off. The token, such as the number of the delivery, makes it repeatable. */
    public Call<Outcome<Results.Added>> add(String key, long delta, String token) {
        return on(key).add(delta).add("TOKEN").add(token).of(Command.ADD, decode::added);
    }

    public Call<Outcome<Results.Transferred>> transfer(String from, String to, long quantity, String token) {
        return on(from).add(to).add(quantity).add("TOKEN").add(token).of(Command.TRANSFER, decode::transferred);
    }

    /** {@code after} null: for a quiet moment. */
    public Call<Outcome<Results.Reconciled>> reconcile(String key, long onHand, Options.After after, boolean dryRun) {
        Words words = on(key).add(onHand);
        if (after != null) {
            words.add("AFTER").add(after.epoch()).add(after.seq()).add(after.out());
        }
        return words.flag("DRYRUN", dryRun).of(Command.RECONCILE, decode::reconciled);
    }

    public Call<Outcome<Void>> suspend(String key) {
        return on(key).of(Command.SUSPEND, decode::done);
    }

    public Call<Outcome<Void>> resume(String key) {
        return on(key).of(Command.RESUME, decode::done);
    }

    public Call<Outcome<Void>> setPolicy(String key, String json) {
        return on(key).add(json).of(Command.SETPOLICY, decode::done);
    }

    /** Each bound is a Unix time in ms, or {@code NONE} to remove it; null leaves it. */
    public Call<Outcome<Void>> schedule(String key, String from, String until) {
        return on(key).option("FROM", from).option("UNTIL", until).of(Command.SCHEDULE, decode::done);
    }

    /** {@code count} null: 1,000. */
    public Call<Outcome<Long>> sweep(String key, Long count) {
        return on(key).option("COUNT", count).of(Command.SWEEP, decode::count);
    }

    /** {@code max} null: unlimited. */
    public Call<Outcome<Void>> limit(String key, String by, Long max, Options.Limit o) {
        return on(key).add(by).add(max == null ? "UNLIMITED" : Long.toString(max)).option("PER", o.per()).option("TZ", o.tz())
                .option("COUNT", o.count()).option("MISSING", o.missing()).values(o.values()).of(Command.LIMIT, decode::done);
    }

    public Call<Outcome<Long>> unlimit(String key, String by, Options.Limit o) {
        return on(key).add(by).option("PER", o.per()).option("COUNT", o.count()).values(o.values()).of(Command.UNLIMIT, decode::count);
    }

    /** Reads answer null for a missing pool or order. */
    public Call<List<Results.Limit>> limits(String key) {
        return on(key).of(Command.LIMITS, decode::limits);
    }

    public Call<List<Results.Usage>> usage(String key, Map<String, String> attributes) {
        return on(key).attributes(attributes).of(Command.USAGE, decode::usage);
    }

    public Call<Results.Pool> get(String key) {
        return on(key).of(Command.GET, decode::pool);
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

    public Call<Results.Order> order(String key, String order) {
        return on(key).add(order).of(Command.ORDER, decode::order);
    }

    /** {@code state} and {@code count} may be null. */
    public Call<Results.Orders> orders(String key, String cursor, OrderState state, Long count) {
        return on(key).add(cursor).option("STATE", state == null ? null : state.name()).option("COUNT", count)
                .of(Command.ORDERS, decode::orders);
    }

    public Call<String> policy(String key) {
        return on(key).of(Command.POLICY, decode::policy);
    }

    public Call<List<String>> verify(String key) {
        return on(key).of(Command.VERIFY, decode::verified);
    }
}
