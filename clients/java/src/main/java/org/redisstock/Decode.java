package org.redisstock;

import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

import org.redisstock.Results.Limit;
import org.redisstock.Results.Listed;
import org.redisstock.Results.Order;
import org.redisstock.Results.Orders;
import org.redisstock.Results.Pool;
import org.redisstock.Results.Usage;

/** Answers to typed results. */
final class Decode {
    private final Charset charset;

    Decode(Charset charset) {
        this.charset = charset;
    }

    private String text(Object answer) {
        // Some clients give status replies as strings.
        return answer == null ? null : answer instanceof byte[] bytes ? new String(bytes, charset) : answer.toString();
    }

    private static long number(Object answer) {
        return (Long) answer;
    }

    private static List<?> list(Object answer) {
        return (List<?>) answer;
    }

    private List<String> texts(Object answer) {
        List<String> texts = new ArrayList<>();
        for (Object one : list(answer)) {
            texts.add(text(one));
        }
        return texts;
    }

    /** A map, in each form in which clients give it. */
    private Map<String, Object> map(Object answer) {
        Map<String, Object> map = new LinkedHashMap<>();
        if (answer instanceof Map<?, ?> ready) {
            ready.forEach((name, value) -> map.put(text(name), value));
            return map;
        }
        List<?> list = list(answer);
        if (!list.isEmpty() && list.get(0) instanceof Map.Entry) {
            for (Object entry : list) {
                map.put(text(((Map.Entry<?, ?>) entry).getKey()), ((Map.Entry<?, ?>) entry).getValue());
            }
            return map;
        }
        for (int i = 0; i < list.size(); i += 2) {
            map.put(text(list.get(i)), list.get(i + 1));
        }
        return map;
    }

    /** The answer of a command that decides; {@code done} takes it where its word is OK, or where it has none. */
    <T> Outcome<T> outcome(Object answer, Function<List<?>, T> done) {
        if (!(answer instanceof List<?> list)) {
            return new Outcome.Done<>(done.apply(answer instanceof Long ? List.of("OK", answer) : List.of("OK")));
        }
        String word = text(list.get(0));
        if (word.equals("OK")) {
            return new Outcome.Done<>(done.apply(list));
        }
        String key = text(list.get(1));
        return switch (word) {
            case "EXISTS" -> new Outcome.Exists<>(key, OrderState.of(text(list.get(2))), number(list.get(3)), number(list.get(4)),
                    number(list.get(5)));
            case "SOLDOUT" -> new Outcome.Refused<>(new Refusal.SoldOut(key, number(list.get(2))));
            case "LIMITED" -> new Outcome.Refused<>(new Refusal.Limited(key, text(list.get(2)), texts(list.get(3)), number(list.get(4)),
                    number(list.get(5)), number(list.get(6))));
            case "CLOSED" -> new Outcome.Refused<>(new Refusal.Closed(key, OrderState.of(text(list.get(2)))));
            case "EARLY" -> new Outcome.Refused<>(new Refusal.Early(key, number(list.get(2))));
            case "ENDED" -> new Outcome.Refused<>(new Refusal.Ended(key, number(list.get(2))));
            default -> new Outcome.Refused<>(new Refusal.Other(word, key));
        };
    }

    Outcome<Results.Held> held(Object answer) {
        return outcome(answer, a -> new Results.Held(number(a.get(1)), number(a.get(2)), number(a.get(3))));
    }

    Outcome<Results.Confirmed> confirmed(Object answer) {
        return outcome(answer, a -> new Results.Confirmed(number(a.get(1)), number(a.get(2))));
    }

    Outcome<Results.Changed> changed(Object answer) {
        return outcome(answer, a -> new Results.Changed(number(a.get(1)), number(a.get(2))));
    }

    Outcome<Results.Returned> returned(Object answer) {
        return outcome(answer, a -> new Results.Returned(number(a.get(1)), number(a.get(2)), number(a.get(3))));
    }

    Outcome<Results.Split> split(Object answer) {
        return outcome(answer, a -> new Results.Split(number(a.get(1)), number(a.get(2)), number(a.get(3))));
    }

    /** An array of answers; an error reply among them concerns its order alone. */
    <T> List<Results.Each<T>> batch(Object answers, Function<Object, Outcome<T>> one) {
        List<Results.Each<T>> all = new ArrayList<>();
        for (Object answer : list(answers)) {
            if (answer instanceof StockException error) {
                all.add(new Results.Each<>(null, error));
            } else if (answer instanceof RuntimeException reply) {
                all.add(new Results.Each<>(null, StockException.ofReply(reply.getMessage(), reply)));
            } else {
                all.add(new Results.Each<>(one.apply(answer), null));
            }
        }
        return all;
    }

    Results.Explanation explained(Object answer) {
        Map<String, Object> map = map(answer);
        List<?> said = list(map.get("answer"));
        String code = text(said.get(0));
        // An error is shown as its code and its text.
        Results.Each<Results.Held> verdict = switch (code) {
            case "CONFLICT", "NODIM", "ERR" -> new Results.Each<>(null, StockException.ofReply(code + " " + text(said.get(1)), null));
            default -> new Results.Each<>(held(said), null);
        };
        if (number(map.get("exists")) == 0) {
            return new Results.Explanation(false, false, 0, 0, 0, 0, List.of(), null, 0, 0, 0, List.of(), verdict, Map.of());
        }
        List<Results.ExplainedLimit> limits = new ArrayList<>();
        for (Object one : list(map.get("limits"))) {
            Map<String, Object> limit = map(one);
            limits.add(new Results.ExplainedLimit(text(limit.get("limit")), text(limit.get("verdict")), texts(limit.get("missing")),
                    limit.get("values") == null ? null : texts(limit.get("values")), (Long) limit.get("used"), (Long) limit.get("max"),
                    (Long) limit.get("remaining"), (Long) limit.get("resets_ms")));
        }
        Map<String, Object> stock = map(map.get("stock"));
        return new Results.Explanation(true, number(map.get("suspended")) == 1, number(map.get("from_ms")), number(map.get("until_ms")),
                number(map.get("orders")), number(map.get("max_orders")), texts(map.get("missing")), (Long) stock.get("on_hand"),
                number(stock.get("held")), number(stock.get("safety")), number(stock.get("available")), limits, verdict, spans(map.get("returning")));
    }

    Outcome<Results.Deadline> deadline(Object answer) {
        return outcome(answer, a -> new Results.Deadline(number(a.get(1))));
    }

    Outcome<Results.Added> added(Object answer) {
        return outcome(answer, a -> new Results.Added(number(a.get(1)), number(a.get(2))));
    }

    Outcome<Results.Transferred> transferred(Object answer) {
        return outcome(answer, a -> new Results.Transferred(number(a.get(1)), number(a.get(2)), number(a.get(3)), number(a.get(4))));
    }

    Outcome<Results.Reconciled> reconciled(Object answer) {
        return outcome(answer, a -> new Results.Reconciled(number(a.get(1)), number(a.get(2)), number(a.get(3))));
    }

    Outcome<Long> count(Object answer) {
        return outcome(answer, a -> number(a.get(1)));
    }

    Outcome<Void> done(Object answer) {
        return outcome(answer, a -> null);
    }

    String policy(Object answer) {
        return text(answer);
    }

    List<Long> available(Object answer) {
        List<Long> available = new ArrayList<>();
        list(answer).forEach(one -> available.add((Long) one));
        return available;
    }

    Pool pool(Object answer) {
        if (answer == null) {
            return null;
        }
        Map<String, Object> map = map(answer);
        Function<String, Long> n = name -> (Long) map.get(name);
        Map<OrderState, Long> orders = new HashMap<>();
        map(map.get("orders")).forEach((state, count) -> orders.put(OrderState.of(state), (Long) count));
        return new Pool(n.apply("on_hand"), n.apply("reserved"), n.apply("safety"), n.apply("available"), n.apply("shortfall"),
                n.apply("sold"), n.apply("out"), orders, n.apply("suspended") == 1, n.apply("unlimited") == 1,
                n.apply("next_deadline_ms"), text(map.get("epoch")), n.apply("seq"), n.apply("limits"), n.apply("alert"), n.apply("from_ms"), n.apply("until_ms"),
                n.apply("hold_seconds"), n.apply("retain_seconds"), n.apply("retain_paid_seconds"), text(map.get("events")),
                map.get("returning") == null ? null : spans(map.get("returning")));
    }

    private Map<String, Long> spans(Object answer) {
        Map<String, Long> spans = new LinkedHashMap<>();
        map(answer).forEach((span, units) -> spans.put(span, (Long) units));
        return spans;
    }

    Order order(Object answer) {
        if (answer == null) {
            return null;
        }
        Map<String, Object> map = map(answer);
        Map<String, String> attributes = new LinkedHashMap<>();
        map(map.get("for")).forEach((name, value) -> attributes.put(name, text(value)));
        return new Order(OrderState.of(text(map.get("state"))), number(map.get("qty")), number(map.get("returned")),
                number(map.get("deadline_ms")), attributes);
    }

    Orders orders(Object answer) {
        if (answer == null) {
            return null;
        }
        List<Listed> listed = new ArrayList<>();
        List<?> flat = list(list(answer).get(1));
        for (int i = 0; i < flat.size(); i += 2) {
            // With details a map, of which some clients make a list.
            boolean isMap = flat.get(i + 1) instanceof List || flat.get(i + 1) instanceof Map;
            Order details = isMap ? order(flat.get(i + 1)) : null;
            listed.add(new Listed(text(flat.get(i)), isMap ? details.state() : OrderState.of(text(flat.get(i + 1))), details));
        }
        return new Orders(text(list(answer).get(0)), listed);
    }

    List<Limit> limits(Object answer) {
        if (answer == null) {
            return null;
        }
        List<Limit> limits = new ArrayList<>();
        for (Object one : list(answer)) {
            Map<String, Object> map = map(one);
            List<Results.Override> overrides = new ArrayList<>();
            for (Object pair : list(map.get("overrides"))) {
                overrides.add(new Results.Override(texts(list(pair).get(0)), number(list(pair).get(1))));
            }
            limits.add(new Limit(text(map.get("limit")), number(map.get("max")), text(map.get("tz")), text(map.get("missing")), overrides));
        }
        return limits;
    }

    List<Usage> usage(Object answer) {
        if (answer == null) {
            return null;
        }
        List<Usage> usage = new ArrayList<>();
        for (Object one : list(answer)) {
            Map<String, Object> map = map(one);
            List<String> values = map.get("values") == null ? null : texts(map.get("values"));
            usage.add(new Usage(text(map.get("limit")), values, number(map.get("used")), number(map.get("max")), number(map.get("remaining")),
                    number(map.get("resets_ms"))));
        }
        return usage;
    }

    /** The differences; none where all is right. Null: no pool. */
    List<String> verified(Object answer) {
        return answer == null ? null : answer instanceof List ? texts(answer) : List.of();
    }

    /** Whether SET wrote. */
    boolean written(Object answer) {
        return answer != null;
    }
}
