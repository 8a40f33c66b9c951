package org.redisstock;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** The calls and results of the test vectors: clients/README.md. */
final class TypedCall {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private TypedCall() {}

    static Call<?> of(Calls calls, String method, JsonNode args) {
        String key = text(args, "key");
        String order = text(args, "order");
        String note = text(args, "note");
        return switch (method) {
            case "reserve" -> calls.reserve(key, order, args.get("quantity").longValue(),
                    new Options.Reserve(hold(args), args.has("partial"), text(args, "replaces"), attributes(args)));
            case "reservebatch" -> calls.reserveBatch(key, hold(args), batch(args));
            case "confirmbatch" -> calls.confirmBatch(key, texts(args.get("orders")));
            case "split" -> calls.split(key, order, text(args, "part"), args.get("quantity").longValue());
            case "confirm" -> calls.confirm(key, order, new Options.Confirm(number(args, "quantity"), args.has("late"),
                    number(args, "since_ms"), attributes(args)));
            case "release" -> calls.release(key, order);
            case "amend" -> calls.amend(key, order, args.get("quantity").longValue());
            case "extend" -> calls.extend(key, order, hold(args));
            case "return" -> calls.returnUnits(key, order,
                    args.has("token") ? new Options.Part(args.get("quantity").longValue(), text(args, "token"), args.has("late"),
                            attributes(args)) : null,
                    args.has("keep_usage"), args.has("no_restock"));
            case "mreserve" -> calls.reserveCart(order, lines(args), new Options.Cart(hold(args), text(args, "replaces"), attributes(args)));
            case "msplit" -> calls.splitCart(order, text(args, "part"), lines(args));
            case "mconfirm" -> args.has("lines") ? calls.confirmCartInPart(order, lines(args), args.has("late"))
                    : calls.confirmCart(order, texts(args.get("keys")), args.has("late"));
            case "mrelease" -> calls.releaseCart(order, texts(args.get("keys")));
            case "mextend" -> calls.extendCart(order, texts(args.get("keys")), hold(args));
            case "mreturn" -> calls.returnCart(order, texts(args.get("keys")), args.has("keep_usage"), args.has("no_restock"));
            case "set" -> args.has("policy") ? calls.create(key, amount(args, "on_hand"), text(args, "policy"), note)
                    : calls.set(key, amount(args, "on_hand"), text(args, "only_if"), note);
            case "add" -> calls.add(key, args.get("delta").longValue(), text(args, "token"), note);
            case "transfer" -> calls.transfer(key, text(args, "to"), args.get("quantity").longValue(), text(args, "token"), note);
            case "reconcile" -> calls.reconcile(key, args.get("on_hand").longValue(), after(args), args.has("dry_run"), note);
            case "suspend" -> calls.suspend(key, note);
            case "resume" -> calls.resume(key, note);
            case "setpolicy" -> args.has("merge") ? calls.mergePolicy(key, text(args, "policy"), note)
                    : calls.setPolicy(key, text(args, "policy"), note);
            case "schedule" -> calls.schedule(key, bound(args, "from_ms"), bound(args, "until_ms"), note);
            case "sweep" -> calls.sweep(key, number(args, "count"));
            case "limit" -> calls.limit(key, text(args, "by"), amount(args, "max"), limit(args));
            case "unlimit" -> calls.unlimit(key, text(args, "by"), limit(args));
            case "limits" -> calls.limits(key);
            case "usage" -> args.has("top") ? calls.topUsage(key, args.get("top").longValue(), attributes(args)) : calls.usage(key, attributes(args));
            case "explain" -> calls.explain(key, number(args, "quantity"), attributes(args));
            case "get" -> args.has("returning") ? calls.getReturning(key) : calls.get(key);
            case "available" -> calls.available(texts(args.get("keys")));
            case "check" -> calls.check(key, args.get("quantity").longValue(), attributes(args));
            case "order" -> calls.order(key, order);
            case "orders" -> calls.orders(key, text(args, "cursor"), new Options.Walk(
                    args.has("state") ? OrderState.valueOf(text(args, "state")) : null, args.has("details"), number(args, "count"),
                    attributes(args)));
            case "policy" -> calls.policy(key);
            case "verify" -> calls.verify(key);
            default -> throw new IllegalArgumentException(method);
        };
    }

    private static String text(JsonNode args, String name) {
        return args.has(name) ? args.get(name).textValue() : null;
    }

    private static String bound(JsonNode args, String name) {
        return args.has(name) ? args.get(name).asText() : null;
    }

    private static Long number(JsonNode args, String name) {
        return args.has(name) ? args.get(name).longValue() : null;
    }

    private static Long amount(JsonNode args, String name) {
        return args.get(name).isNumber() ? args.get(name).longValue() : null;
    }

    private static List<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        array.forEach(one -> texts.add(one.textValue()));
        return texts;
    }

    private static Map<String, String> attributes(JsonNode args) {
        Map<String, String> attributes = new LinkedHashMap<>();
        args.path("for").forEach(pair -> attributes.put(pair.get(0).textValue(), pair.get(1).textValue()));
        return attributes;
    }

    private static Map<String, Long> lines(JsonNode args) {
        Map<String, Long> lines = new LinkedHashMap<>();
        args.get("lines").forEach(line -> lines.put(line.get(0).textValue(), line.get(1).longValue()));
        return lines;
    }

    private static Hold hold(JsonNode args) {
        if (!args.has("hold")) {
            return null;
        }
        Map.Entry<String, JsonNode> hold = args.get("hold").properties().iterator().next();
        return new Hold(hold.getKey().toUpperCase(java.util.Locale.ROOT), hold.getValue().longValue());
    }

    private static Options.After after(JsonNode args) {
        JsonNode after = args.get("after");
        return after == null ? null : new Options.After(text(after, "epoch"), after.get("seq").longValue(), after.get("out").longValue());
    }

    private static Options.Limit limit(JsonNode args) {
        return new Options.Limit(text(args, "per"), args.has("rolling"), text(args, "tz"), text(args, "count"), text(args, "missing"), text(args, "note"),
                args.has("for") ? texts(args.get("for")) : List.of());
    }

    private static List<Options.BatchOrder> batch(JsonNode args) {
        List<Options.BatchOrder> orders = new ArrayList<>();
        for (JsonNode one : args.get("orders")) {
            Map<String, String> attributes = new LinkedHashMap<>();
            for (int i = 2; i < one.size(); i++) {
                attributes.put(args.get("dims").get(i - 2).textValue(), one.get(i).textValue());
            }
            orders.add(new Options.BatchOrder(one.get(0).textValue(), one.get(1).longValue(), attributes));
        }
        return orders;
    }

    private static ObjectNode result(String type) {
        return JSON.objectNode().put("type", type);
    }

    private static JsonNode array(List<String> texts) {
        var array = JSON.arrayNode();
        texts.forEach(array::add);
        return array;
    }

    /** A result as the vectors write it. */
    static JsonNode result(String method, Object value) {
        if (value instanceof StockException error) {
            String kind = error instanceof StockException.Unsure ? "unsure"
                    : error instanceof StockException.Unavailable ? "unavailable" : "bug";
            return result("error").put("class", kind).put("code", error.code());
        }
        if (value instanceof Outcome.Exists<?> known) {
            return result("exists").put("key", known.key()).put("state", known.state().text()).put("quantity", known.quantity())
                    .put("returned", known.returned()).put("deadline_ms", known.deadlineMs());
        }
        if (value instanceof Outcome.Refused<?> no) {
            Refusal refusal = no.refusal();
            ObjectNode result = result("refused").put("word", refusal.word()).put("key", refusal.key());
            if (refusal instanceof Refusal.SoldOut soldOut) {
                result.put("available", soldOut.available());
            } else if (refusal instanceof Refusal.Early early) {
                result.put("from_ms", early.fromMs());
            } else if (refusal instanceof Refusal.Ended ended) {
                result.put("until_ms", ended.untilMs());
            } else if (refusal instanceof Refusal.Closed closed) {
                result.put("state", closed.state().text());
            } else if (refusal instanceof Refusal.Limited limited) {
                result.put("limit", limited.limit()).put("used", limited.used()).put("max", limited.max())
                        .put("resets_ms", limited.resetsMs()).set("value", array(limited.value()));
            }
            return result;
        }
        return value instanceof Outcome.Done<?> done ? decided(method, done.value()) : read(method, value);
    }

    private static JsonNode decided(String method, Object value) {
        if (value instanceof Results.Held held) {
            return result("held").put("quantity", held.quantity()).put("available", held.available()).put("deadline_ms", held.deadlineMs());
        }
        if (value instanceof Results.Confirmed confirmed) {
            return result("confirmed").put("quantity", confirmed.quantity()).put("sold", confirmed.sold());
        }
        if (value instanceof Results.Changed changed) {
            return result(method.equals("amend") ? "amended" : "released").put("quantity", changed.quantity())
                    .put("available", changed.available());
        }
        if (value instanceof Results.Returned returned) {
            return result("returned").put("quantity", returned.quantity()).put("available", returned.available())
                    .put("sold", returned.sold());
        }
        if (value instanceof Results.Split split) {
            return result("split").put("quantity", split.quantity()).put("left", split.left()).put("deadline_ms", split.deadlineMs());
        }
        if (value instanceof Results.Deadline deadline) {
            return result(method.equals("mreserve") ? "cart_held" : "extended").put("deadline_ms", deadline.deadlineMs());
        }
        if (value instanceof Results.Transferred moved) {
            return result("transferred").put("on_hand", moved.onHand()).put("available", moved.available())
                    .put("to_on_hand", moved.toOnHand()).put("to_available", moved.toAvailable());
        }
        if (value instanceof Results.Added added) {
            return result("added").put("on_hand", added.onHand()).put("available", added.available());
        }
        if (value instanceof Results.Reconciled reconciled) {
            return result("reconciled").put("drift", reconciled.drift()).put("on_hand", reconciled.onHand())
                    .put("available", reconciled.available());
        }
        return value instanceof Long count ? result("count").put("count", count) : result("done");
    }

    private static ObjectNode view(ObjectNode to, Results.Order order) {
        ObjectNode attributes = JSON.objectNode();
        order.attributes().forEach(attributes::put);
        to.put("state", order.state().text()).put("quantity", order.quantity()).put("returned", order.returned())
                .put("deadline_ms", order.deadlineMs()).set("for", attributes);
        return to;
    }

    private static JsonNode each(Results.Each<?> each, String method) {
        return result(method, each.error() != null ? each.error() : each.outcome());
    }

    private static JsonNode explained(Results.Explanation e) {
        ObjectNode result = result("explained").put("exists", e.exists() ? 1L : 0L);
        result.set("answer", each(e.answer(), "reserve"));
        if (!e.exists()) {
            return result;
        }
        var limits = JSON.arrayNode();
        for (Results.ExplainedLimit one : e.limits()) {
            ObjectNode limit = JSON.objectNode().put("limit", one.limit()).put("verdict", one.verdict()).put("used", one.used())
                    .put("max", one.max()).put("remaining", one.remaining()).put("resets_ms", one.resetsMs());
            limit.set("missing", array(one.missing()));
            limit.set("values", one.values() == null ? JSON.nullNode() : array(one.values()));
            limits.add(limit);
        }
        result.put("suspended", e.suspended() ? 1L : 0L).put("from_ms", e.fromMs()).put("until_ms", e.untilMs()).put("orders", e.orders())
                .put("max_orders", e.maxOrders()).set("stock", JSON.objectNode().put("on_hand", e.onHand()).put("held", e.held())
                        .put("safety", e.safety()).put("available", e.available()));
        result.set("missing", array(e.missing()));
        result.set("limits", limits);
        result.set("returning", units(e.returning()));
        return result;
    }

    private static ObjectNode units(Map<String, Long> spans) {
        ObjectNode units = JSON.objectNode();
        spans.forEach(units::put);
        return units;
    }

    private static JsonNode read(String method, Object value) {
        if (value == null || Boolean.FALSE.equals(value)) {
            return result("nothing");
        }
        if (value instanceof Boolean) {
            return result("done");
        }
        if (value instanceof String policy) {
            return result("policy").put("policy", policy);
        }
        if (value instanceof Results.Order order) {
            return view(result("order"), order);
        }
        if (value instanceof Results.Orders page) {
            var orders = JSON.arrayNode();
            for (Results.Listed one : page.orders()) {
                var pair = JSON.arrayNode().add(one.order());
                orders.add(one.details() == null ? pair.add(one.state().text()) : pair.add(view(JSON.objectNode(), one.details())));
            }
            return result("orders").put("cursor", page.cursor()).set("orders", orders);
        }
        if (value instanceof Results.Explanation explained) {
            return explained(explained);
        }
        if (method.endsWith("batch")) {
            var answers = JSON.arrayNode();
            for (Object one : (List<?>) value) {
                answers.add(each((Results.Each<?>) one, method.substring(0, method.length() - "batch".length())));
            }
            return result("batch").set("answers", answers);
        }
        if (value instanceof Results.Pool pool) {
            ObjectNode orders = JSON.objectNode();
            pool.orders().forEach((state, count) -> orders.put(state.text(), count));
            ObjectNode shown = result("pool");
            if (pool.returning() != null) {
                shown.set("returning", units(pool.returning()));
            }
            return shown.put("on_hand", pool.onHand()).put("reserved", pool.reserved()).put("safety", pool.safety())
                    .put("available", pool.available()).put("shortfall", pool.shortfall()).put("sold", pool.sold()).put("out", pool.out())
                    .put("suspended", pool.suspended() ? 1L : 0L).put("unlimited", pool.unlimited() ? 1L : 0L)
                    .put("next_deadline_ms", pool.nextDeadlineMs()).put("epoch", pool.epoch()).put("seq", pool.seq())
                    .put("limits", pool.limits()).put("alert", pool.alert())
                    .put("from_ms", pool.fromMs()).put("until_ms", pool.untilMs()).put("hold_seconds", pool.holdSeconds())
                    .put("retain_seconds", pool.retainSeconds()).put("retain_paid_seconds", pool.retainPaidSeconds())
                    .put("events", pool.events()).set("orders", orders);
        }
        var list = JSON.arrayNode();
        for (Object one : (List<?>) value) {
            if (one instanceof Results.Limit limit) {
                var overrides = JSON.arrayNode();
                limit.overrides().forEach(o -> overrides.add(JSON.arrayNode().add(array(o.value())).add(o.max())));
                list.add(JSON.objectNode().put("limit", limit.limit()).put("max", limit.max()).put("tz", limit.tz())
                        .put("missing", limit.missing()).set("overrides", overrides));
            } else if (one instanceof Results.Usage usage) {
                ObjectNode row = JSON.objectNode().put("limit", usage.limit()).put("used", usage.used()).put("max", usage.max())
                        .put("remaining", usage.remaining()).put("resets_ms", usage.resetsMs());
                if (usage.values() != null) {
                    row.set("values", array(usage.values()));
                }
                list.add(row);
            } else if (one instanceof String difference) {
                list.add(difference);
            } else {
                list.add((Long) one);
            }
        }
        return method.equals("verify") ? result("verified").set("differences", list) : result(method).set(method, list);
    }
}
