//! Calls of the vectors as typed calls, and typed results as the vectors write them. In their
//! strings a character is a byte.

use redis_stock_client::*;
use serde_json::{json, Map, Value as Json};

fn raw(text: &Json) -> Text {
    Text(text.as_str().unwrap_or_default().chars().map(|c| u32::from(c) as u8).collect())
}

fn latin(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().map(|&byte| char::from(byte)).collect())
}

fn texts(list: &Json) -> Vec<Text> {
    list.as_array().into_iter().flatten().map(raw).collect()
}

fn word(text: &Json) -> String {
    text.as_str().unwrap_or_default().to_string()
}

fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A bound of a sale window: 0 where it is left out, -1 for NONE.
fn bound(value: &Json) -> i64 {
    if value == "NONE" {
        -1
    } else {
        number(value)
    }
}

fn amount(value: &Json) -> i64 {
    if value == "UNLIMITED" {
        UNLIMITED
    } else {
        number(value)
    }
}

fn hold(args: &Json) -> Hold {
    let hold = &args["hold"];
    let found = |name: &str| hold[name].as_i64();
    let hold = found("ex").map(Hold::Seconds).or(found("px").map(Hold::Millis)).or(found("pxat").map(Hold::UntilMs));
    hold.unwrap_or_default()
}

fn attributes(args: &Json) -> Attributes {
    let pairs = args["for"].as_array().into_iter().flatten();
    pairs.fold(Attributes::none(), |all, pair| all.and(&*raw(&pair[0]), &*raw(&pair[1])))
}

fn limit_options(args: &Json) -> LimitOptions {
    LimitOptions {
        per: word(&args["per"]),
        tz: word(&args["tz"]),
        count: word(&args["count"]),
        missing: word(&args["missing"]),
        rolling: args["rolling"] == true,
        note: word(&args["note"]),
        values: texts(&args["for"]),
    }
}

fn lines(args: &Json) -> Vec<(Text, i64)> {
    args["lines"].as_array().into_iter().flatten().map(|line| (raw(&line[0]), number(&line[1]))).collect()
}

/// An order of a batch: id, quantity, and a value for each dimension.
fn batch_order(order: &Json) -> BatchOrder {
    let values = order.as_array().into_iter().flatten().skip(2).map(raw).collect();
    (raw(&order[0]), number(&order[1]), values)
}

/// The typed call; its result is JSON.
pub fn typed(method: &str, args: &Json) -> Call<Json> {
    let call = without_note(method, args);
    // Limits have it among their options.
    if args["note"].is_null() || method.ends_with("limit") {
        call
    } else {
        call.note(raw(&args["note"]))
    }
}

fn without_note(method: &str, args: &Json) -> Call<Json> {
    let (key, id) = (raw(&args["key"]), raw(&args["order"]));
    let (n, is) = (|name: &str| number(&args[name]), |name: &str| args[name] == true);
    let (keys, token) = (texts(&args["keys"]), raw(&args["token"]));
    let back = Return {
        late: is("late"),
        keep_usage: is("keep_usage"),
        no_restock: is("no_restock"),
        attributes: attributes(args),
    };
    match method {
        "reserve" => {
            let replaces = args["replaces"].is_string().then(|| raw(&args["replaces"]));
            let options = Reserve { partial: is("partial"), replaces };
            reserve_with(&options, key, id, n("quantity"), hold(args), attributes(args)).map(held)
        }
        "reservebatch" => {
            let dims = texts(&args["dims"]);
            let orders: Vec<BatchOrder> = args["orders"].as_array().into_iter().flatten().map(batch_order).collect();
            reserve_batch(key, hold(args), &dims, &orders).map(|answers| batch(answers, held))
        }
        "confirmbatch" => confirm_batch(key, &texts(&args["orders"])).map(|answers| batch(answers, confirmed)),
        "split" => split(key, id, raw(&args["part"]), n("quantity")).map(|answer| {
            outcome(
                answer,
                |d| json!({"type": "split", "quantity": d.quantity, "left": d.left, "deadline_ms": d.deadline_ms}),
            )
        }),
        "check" => check(key, n("quantity"), attributes(args)).map(held),
        "confirm" => {
            let (late, since_ms) = (is("late"), n("since_ms"));
            let options = Confirm { quantity: n("quantity"), late, since_ms, attributes: attributes(args) };
            confirm(key, id, options).map(confirmed)
        }
        "release" => release(key, id).map(|answer| changed("released", answer)),
        "amend" => amend(key, id, n("quantity")).map(|answer| changed("amended", answer)),
        "extend" => extend(key, id, hold(args)).map(|answer| deadline("extended", answer)),
        "return" if token.is_empty() => return_order(key, id, &back).map(returned),
        "return" => return_units(key, id, n("quantity"), token, &back).map(returned),
        "mreserve" => {
            let (lines, hold, attributes) = (lines(args), hold(args), attributes(args));
            let call = match &args["replaces"] {
                Json::Null => reserve_cart(id, &lines, hold, attributes),
                old => replace_cart(raw(old), id, &lines, hold, attributes),
            };
            call.map(|answer| deadline("cart_held", answer))
        }
        "msplit" => split_cart(id, raw(&args["part"]), &lines(args)).map(done),
        "mconfirm" if args["lines"].is_array() => confirm_cart_in_part(id, &lines(args), is("late")).map(done),
        "mconfirm" => confirm_cart(id, &keys, is("late")).map(done),
        "mrelease" => release_cart(id, &keys).map(done),
        "mextend" => extend_cart(id, &keys, hold(args)).map(done),
        "mreturn" => return_cart(id, &keys, &back).map(done),
        "set" => {
            let only_if = match args["only_if"].as_str() {
                Some("NX") => OnlyIf::Absent,
                Some("XX") => OnlyIf::Present,
                _ => OnlyIf::Always,
            };
            let wrote = |wrote| json!({"type": if wrote { "done" } else { "nothing" }});
            match args["policy"].as_str() {
                Some(policy) => create(key, amount(&args["on_hand"]), policy).map(wrote),
                None => set(key, amount(&args["on_hand"]), only_if).map(wrote),
            }
        }
        "transfer" => transfer(key, raw(&args["to"]), n("quantity"), token).map(|answer| {
            outcome(answer, |d| {
                json!({
                    "type": "transferred", "on_hand": d.on_hand, "available": d.available,
                    "to_on_hand": d.to_on_hand, "to_available": d.to_available
                })
            })
        }),
        "add" => add(key, n("delta"), token).map(|answer| {
            outcome(answer, |d| json!({"type": "added", "on_hand": d.on_hand, "available": d.available}))
        }),
        "reconcile" => {
            let after = &args["after"];
            let after = after.is_object().then(|| After {
                epoch: word(&after["epoch"]),
                seq: number(&after["seq"]),
                out: number(&after["out"]),
            });
            reconcile(key, n("on_hand"), after.as_ref(), is("dry_run")).map(|answer| {
                outcome(answer, |d| {
                    let (on_hand, available) = (d.on_hand, d.available);
                    json!({"type": "reconciled", "drift": d.drift, "on_hand": on_hand, "available": available})
                })
            })
        }
        "suspend" => suspend(key).map(done),
        "resume" => resume(key).map(done),
        "setpolicy" if is("merge") => merge_policy(key, raw(&args["policy"])).map(done),
        "setpolicy" => set_policy(key, raw(&args["policy"])).map(done),
        "schedule" => schedule(key, bound(&args["from_ms"]), bound(&args["until_ms"])).map(done),
        "sweep" => sweep(key, n("count")).map(counted),
        "limit" => limit(key, raw(&args["by"]), amount(&args["max"]), &limit_options(args)).map(done),
        "unlimit" => unlimit(key, raw(&args["by"]), &limit_options(args)).map(counted),
        "limits" => limits(key).map(|answer| or_nothing(answer, limits_json)),
        "explain" => explain(key, n("quantity"), attributes(args)).map(explained_json),
        "usage" if args["top"].is_number() => {
            top_usage(key, n("top"), attributes(args)).map(|answer| or_nothing(answer, usage_json))
        }
        "usage" => usage(key, attributes(args)).map(|answer| or_nothing(answer, usage_json)),
        "get" if is("returning") => get_returning(key).map(|answer| or_nothing(answer, pool_json)),
        "get" => get(key).map(|answer| or_nothing(answer, pool_json)),
        "available" => available(&keys).map(|left| json!({"type": "available", "available": left})),
        "order" => order(key, id).map(|answer| or_nothing(answer, order_json)),
        "orders" => {
            let (state, details) = (word(&args["state"]), is("details"));
            let options = Walk { state, details, most: n("count"), attributes: attributes(args) };
            orders(key, raw(&args["cursor"]), &options).map(|answer| or_nothing(answer, page_json))
        }
        "policy" => {
            policy(key).map(|answer| or_nothing(answer, |json| json!({"type": "policy", "policy": latin(&json)})))
        }
        "verify" => verify(key).map(|answer| {
            let of = |found: Vec<Text>| found.iter().map(|one| latin(one)).collect::<Json>();
            or_nothing(answer, |found| json!({"type": "verified", "differences": of(found)}))
        }),
        other => panic!("an unknown method {other}"),
    }
}

/// A result, or an error, as the vectors write it.
pub fn written(result: Result<Json, Error>) -> Json {
    result.unwrap_or_else(|error| {
        let class = match error.class {
            Class::Unsure => "unsure",
            Class::Unavailable => "unavailable",
            Class::Bug => "bug",
        };
        json!({"type": "error", "class": class, "code": error.code})
    })
}

fn or_nothing<T>(answer: Option<T>, then: impl FnOnce(T) -> Json) -> Json {
    answer.map_or(json!({"type": "nothing"}), then)
}

fn outcome<T>(answer: Outcome<T>, then: impl FnOnce(T) -> Json) -> Json {
    let no = match answer {
        Outcome::Done(done) => return then(done),
        Outcome::Exists(e) => {
            let (quantity, returned, deadline_ms) = (e.quantity, e.returned, e.deadline_ms);
            return json!({"type": "exists", "key": latin(&e.key), "state": e.state.as_str(), "quantity": quantity,
                "returned": returned, "deadline_ms": deadline_ms});
        }
        Outcome::Refused(no) => no,
    };
    let mut refused = json!({"type": "refused", "word": no.word, "key": latin(&no.key)});
    match no.why {
        Why::SoldOut { available } => refused["available"] = available.into(),
        Why::Early { from_ms } => refused["from_ms"] = from_ms.into(),
        Why::Ended { until_ms } => refused["until_ms"] = until_ms.into(),
        Why::Closed { state } => refused["state"] = state.as_str().into(),
        Why::Limited(limit) => {
            refused["limit"] = latin(&limit.limit);
            refused["value"] = limit.value.iter().map(|one| latin(one)).collect();
            refused["used"] = limit.used.into();
            refused["max"] = limit.max.into();
            refused["resets_ms"] = limit.resets_ms.into();
        }
        _ => {}
    }
    refused
}

fn held(answer: Outcome<Held>) -> Json {
    outcome(answer, |d| {
        let (quantity, available, deadline_ms) = (d.quantity, d.available, d.deadline_ms);
        json!({"type": "held", "quantity": quantity, "available": available, "deadline_ms": deadline_ms})
    })
}

fn confirmed(answer: Outcome<Confirmed>) -> Json {
    outcome(answer, |d| json!({"type": "confirmed", "quantity": d.quantity, "sold": d.sold}))
}

fn batch<T>(answers: Vec<Result<Outcome<T>, Error>>, one: fn(Outcome<T>) -> Json) -> Json {
    let answers: Vec<Json> = answers.into_iter().map(|answer| written(answer.map(one))).collect();
    json!({"type": "batch", "answers": answers})
}

fn explained_json(e: Explanation) -> Json {
    let answer = written(e.answer.map(held));
    let Some(pool) = e.pool else { return json!({"type": "explained", "exists": 0, "answer": answer}) };
    let values = |all: &[Text]| all.iter().map(|one| latin(one)).collect::<Json>();
    let limit = |one: &ExplainedLimit| {
        let who = one.values.as_deref().map(values);
        json!({"limit": latin(&one.limit), "verdict": one.verdict, "missing": values(&one.missing), "values": who,
            "used": one.used, "max": one.max, "remaining": one.remaining, "resets_ms": one.resets_ms})
    };
    let limits: Vec<Json> = pool.limits.iter().map(limit).collect();
    let stock = json!({"on_hand": pool.on_hand, "held": pool.held, "safety": pool.safety, "available": pool.available});
    json!({"type": "explained", "exists": 1, "suspended": i64::from(pool.suspended), "from_ms": pool.from_ms,
        "until_ms": pool.until_ms, "orders": pool.orders, "max_orders": pool.max_orders,
        "missing": values(&pool.missing), "stock": stock, "limits": limits, "answer": answer,
        "returning": pool.returning})
}

fn changed(kind: &str, answer: Outcome<Changed>) -> Json {
    outcome(answer, |d| json!({"type": kind, "quantity": d.quantity, "available": d.available}))
}

fn deadline(kind: &str, answer: Outcome<Deadline>) -> Json {
    outcome(answer, |d| json!({"type": kind, "deadline_ms": d.deadline_ms}))
}

fn returned(answer: Outcome<Returned>) -> Json {
    outcome(answer, |d| json!({"type": "returned", "quantity": d.quantity, "available": d.available, "sold": d.sold}))
}

fn counted(answer: Outcome<i64>) -> Json {
    outcome(answer, |count| json!({"type": "count", "count": count}))
}

fn done(answer: Outcome<()>) -> Json {
    outcome(answer, |()| json!({"type": "done"}))
}

fn limits_json(all: Vec<Limit>) -> Json {
    let limit = |one: &Limit| {
        let values = |value: &[Text]| value.iter().map(|one| latin(one)).collect::<Json>();
        let overrides: Vec<Json> = one.overrides.iter().map(|(value, max)| json!([values(value), max])).collect();
        json!({"limit": latin(&one.limit), "max": one.max, "tz": latin(&one.tz), "missing": latin(&one.missing),
            "overrides": overrides})
    };
    json!({"type": "limits", "limits": all.iter().map(limit).collect::<Vec<_>>()})
}

fn usage_json(all: Vec<Usage>) -> Json {
    let usage = |one: &Usage| {
        let mut row = json!({"limit": latin(&one.limit), "used": one.used, "max": one.max, "remaining": one.remaining,
            "resets_ms": one.resets_ms});
        if let Some(values) = &one.values {
            row["values"] = values.iter().map(|one| latin(one)).collect();
        }
        row
    };
    json!({"type": "usage", "usage": all.iter().map(usage).collect::<Vec<_>>()})
}

fn pool_json(p: Pool) -> Json {
    let mut pool = json!({"type": "pool", "on_hand": p.on_hand, "reserved": p.reserved, "safety": p.safety, "available": p.available,
        "shortfall": p.shortfall, "sold": p.sold, "out": p.out, "orders": p.orders, "suspended": i64::from(p.suspended),
        "unlimited": i64::from(p.unlimited), "next_deadline_ms": p.next_deadline_ms, "epoch": p.epoch, "seq": p.seq,
        "limits": p.limits, "alert": p.alert, "from_ms": p.from_ms, "until_ms": p.until_ms, "hold_seconds": p.hold_seconds, "retain_seconds": p.retain_seconds,
        "retain_paid_seconds": p.retain_paid_seconds, "events": p.events.map(|key| latin(&key))});
    if !p.returning.is_empty() {
        pool["returning"] = json!(p.returning);
    }
    pool
}

fn order_json(o: Order) -> Json {
    let mut order = view_json(&o);
    order["type"] = "order".into();
    order
}

fn view_json(o: &Order) -> Json {
    let attributes: Map<String, Json> =
        o.attributes.iter().map(|(name, value)| (name.to_string(), latin(value))).collect();
    json!({"state": o.state.as_str(), "quantity": o.quantity, "returned": o.returned,
        "deadline_ms": o.deadline_ms, "for": attributes})
}

fn page_json(page: Page) -> Json {
    let mut details = page.details.iter();
    let shown = |(order, state): &(Text, OrderState)| match details.next() {
        Some(view) => json!([latin(order), view_json(view)]),
        None => json!([latin(order), state.as_str()]),
    };
    let orders = page.orders.iter().map(shown);
    json!({"type": "orders", "cursor": latin(&page.cursor), "orders": orders.collect::<Vec<_>>()})
}
