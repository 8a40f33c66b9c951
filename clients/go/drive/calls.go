package main

import (
	"errors"

	stock "redisstock.org/go"
)

// args of a call of the vectors. In their strings a character is a byte.
type args map[string]any

func raw(text string) string {
	bytes := make([]byte, 0, len(text))
	for _, r := range text {
		bytes = append(bytes, byte(r))
	}
	return string(bytes)
}

func latin(bytes string) string {
	runes := make([]rune, 0, len(bytes))
	for i := 0; i < len(bytes); i++ {
		runes = append(runes, rune(bytes[i]))
	}
	return string(runes)
}

func (a args) text(name string) string { s, _ := a[name].(string); return raw(s) }
func (a args) n(name string) int64     { f, _ := a[name].(float64); return int64(f) }
func (a args) is(name string) bool     { return a[name] != nil }

func (a args) amount(name string) int64 {
	if a[name] == "UNLIMITED" {
		return stock.Unlimited
	}
	return a.n(name)
}

func (a args) bound(name string) int64 {
	if a[name] == "NONE" {
		return -1
	}
	return a.n(name)
}

func (a args) texts(name string) (found []string) {
	list, _ := a[name].([]any)
	for _, one := range list {
		found = append(found, raw(one.(string)))
	}
	return found
}

func (a args) attributes() (found []stock.Attribute) {
	list, _ := a["for"].([]any)
	for _, pair := range list {
		pair := pair.([]any)
		found = append(found, stock.Attribute{Name: raw(pair[0].(string)), Value: raw(pair[1].(string))})
	}
	return found
}

func (a args) hold() stock.Hold {
	hold, _ := a["hold"].(map[string]any)
	for option, word := range map[string]string{"ex": "EX", "px": "PX", "pxat": "PXAT"} {
		if value, is := hold[option].(float64); is {
			return stock.Hold{Option: word, Value: int64(value)}
		}
	}
	return stock.Hold{}
}

func (a args) lines() (found []stock.Line) {
	list, _ := a["lines"].([]any)
	for _, pair := range list {
		pair := pair.([]any)
		found = append(found, stock.Line{Key: raw(pair[0].(string)), Quantity: int64(pair[1].(float64))})
	}
	return found
}

func (a args) limit() stock.LimitOptions {
	return stock.LimitOptions{Per: a.text("per"), TZ: a.text("tz"), Count: a.text("count"), Missing: a.text("missing"),
		Rolling: a.is("rolling"), Note: a.text("note"), Values: a.texts("for")}
}

func (a args) batch() (found []stock.BatchOrder) {
	for _, one := range a["orders"].([]any) {
		one := one.([]any)
		order := stock.BatchOrder{Order: raw(one[0].(string)), Quantity: int64(one[1].(float64))}
		for _, value := range one[2:] {
			order.Values = append(order.Values, raw(value.(string)))
		}
		found = append(found, order)
	}
	return found
}

func typed(method string, a args) stock.AnyCall {
	key, order, note := a.text("key"), a.text("order"), a.text("note")
	switch method {
	case "reserve":
		if options := (stock.ReserveOptions{Partial: a.is("partial"), Replaces: a.text("replaces")}); options != (stock.ReserveOptions{}) {
			return stock.ReserveWith(options, key, order, a.n("quantity"), a.hold(), a.attributes()...)
		}
		return stock.Reserve(key, order, a.n("quantity"), a.hold(), a.attributes()...)
	case "reservebatch":
		return stock.ReserveBatch(key, a.hold(), a.texts("dims"), a.batch())
	case "confirmbatch":
		return stock.ConfirmBatch(key, a.texts("orders"))
	case "split":
		return stock.Split(key, order, a.text("part"), a.n("quantity"))
	case "confirm":
		return stock.Confirm(key, order, stock.ConfirmOptions{Quantity: a.n("quantity"), Late: a.is("late"), SinceMs: a.n("since_ms"), For: a.attributes()})
	case "release":
		return stock.Release(key, order)
	case "amend":
		return stock.Amend(key, order, a.n("quantity"))
	case "extend":
		return stock.Extend(key, order, a.hold())
	case "return":
		return stock.Return(key, order, stock.ReturnOptions{Quantity: a.n("quantity"), Token: a.text("token"), Late: a.is("late"),
			KeepUsage: a.is("keep_usage"), NoRestock: a.is("no_restock"), For: a.attributes()})
	case "mreserve":
		if a.is("replaces") {
			return stock.ReplaceCart(a.text("replaces"), order, a.lines(), a.hold(), a.attributes()...)
		}
		return stock.ReserveCart(order, a.lines(), a.hold(), a.attributes()...)
	case "msplit":
		return stock.SplitCart(order, a.text("part"), a.lines())
	case "mconfirm":
		if a.is("lines") {
			return stock.ConfirmCartInPart(order, a.lines(), a.is("late"))
		}
		return stock.ConfirmCart(order, a.texts("keys"), a.is("late"))
	case "mrelease":
		return stock.ReleaseCart(order, a.texts("keys"))
	case "mextend":
		return stock.ExtendCart(order, a.texts("keys"), a.hold())
	case "mreturn":
		return stock.ReturnCart(order, a.texts("keys"), a.is("keep_usage"), a.is("no_restock"))
	case "set":
		if policy := a.text("policy"); policy != "" {
			return stock.Create(key, a.amount("on_hand"), policy, note)
		}
		return stock.Set(key, a.amount("on_hand"), a.text("only_if"), note)
	case "add":
		return stock.Add(key, a.n("delta"), a.text("token"), note)
	case "transfer":
		return stock.Transfer(key, a.text("to"), a.n("quantity"), a.text("token"), note)
	case "reconcile":
		var after *stock.After
		if m, is := a["after"].(map[string]any); is {
			after = &stock.After{Epoch: args(m).text("epoch"), Seq: args(m).n("seq"), Out: args(m).n("out")}
		}
		return stock.Reconcile(key, a.n("on_hand"), after, a.is("dry_run"), note)
	case "suspend":
		return stock.Suspend(key, note)
	case "resume":
		return stock.Resume(key, note)
	case "setpolicy":
		if a.is("merge") {
			return stock.MergePolicy(key, a.text("policy"), note)
		}
		return stock.SetPolicy(key, a.text("policy"), note)
	case "schedule":
		return stock.Schedule(key, a.bound("from_ms"), a.bound("until_ms"), note)
	case "sweep":
		return stock.Sweep(key, a.n("count"))
	case "limit":
		return stock.SetLimit(key, a.text("by"), a.amount("max"), a.limit())
	case "unlimit":
		return stock.Unlimit(key, a.text("by"), a.limit())
	case "limits":
		return stock.GetLimits(key)
	case "explain":
		return stock.Explain(key, a.n("quantity"), a.attributes()...)
	case "usage":
		if a.is("top") {
			return stock.GetTopUsage(key, a.n("top"), a.attributes()...)
		}
		return stock.GetUsage(key, a.attributes()...)
	case "get":
		if a.is("returning") {
			return stock.GetReturning(key)
		}
		return stock.Get(key)
	case "available":
		return stock.Available(a.texts("keys")...)
	case "check":
		return stock.Check(key, a.n("quantity"), a.attributes()...)
	case "order":
		return stock.GetOrder(key, order)
	case "orders":
		return stock.WalkOrders(key, a.text("cursor"), stock.WalkOptions{State: a.text("state"), Details: a.is("details"), Most: a.n("count"), For: a.attributes()})
	case "policy":
		return stock.Policy(key)
	case "verify":
		return stock.Verify(key)
	}
	panic(method)
}

type object = map[string]any

// outcome writes an Outcome; done writes what was done.
func outcome[T any](o stock.Outcome[T], done func(T) object) object {
	if o.Exists != nil {
		e := o.Exists
		return object{"type": "exists", "key": latin(e.Key), "state": e.State, "quantity": e.Quantity, "returned": e.Returned, "deadline_ms": e.DeadlineMs}
	}
	if o.Refused == nil {
		return done(*o.Done)
	}
	r := o.Refused
	m := object{"type": "refused", "word": r.Word, "key": latin(r.Key)}
	switch r.Word {
	case "SOLDOUT":
		m["available"] = r.Available
	case "EARLY":
		m["from_ms"] = r.FromMs
	case "ENDED":
		m["until_ms"] = r.UntilMs
	case "CLOSED":
		m["state"] = r.State
	case "LIMITED":
		m["limit"], m["value"], m["used"], m["max"], m["resets_ms"] = r.Limit, r.Value, r.Used, r.Max, r.ResetsMs
	}
	return m
}

func view(o *stock.Order) object {
	return object{"state": o.State, "quantity": o.Quantity, "returned": o.Returned, "deadline_ms": o.DeadlineMs, "for": o.For}
}

func batch[T any](method string, results []stock.Result[T]) object {
	answers := []object{}
	for _, one := range results {
		answers = append(answers, result(method, one.Outcome, one.Err))
	}
	return object{"type": "batch", "answers": answers}
}

func explained(e *stock.Explanation) object {
	answer := result("reserve", e.Answer.Outcome, e.Answer.Err)
	if !e.Exists {
		return object{"type": "explained", "exists": 0, "answer": answer}
	}
	limits := []object{}
	for _, l := range e.Limits {
		limits = append(limits, object{"limit": l.Limit, "verdict": l.Verdict, "missing": l.Missing, "values": l.Values, "used": l.Used,
			"max": l.Max, "remaining": l.Remaining, "resets_ms": l.ResetsMs})
	}
	stock := object{"on_hand": e.Stock.OnHand, "held": e.Stock.Held, "safety": e.Stock.Safety, "available": e.Stock.Available}
	return object{"type": "explained", "exists": 1, "suspended": map[bool]int{true: 1}[e.Suspended], "from_ms": e.FromMs, "until_ms": e.UntilMs,
		"orders": e.Orders, "max_orders": e.MaxOrders, "missing": e.Missing, "stock": stock, "limits": limits, "answer": answer,
		"returning": e.Returning}
}

func nothing() object { return object{"type": "nothing"} }

// result writes a result as the vectors do.
func result(method string, value any, err error) object {
	if err != nil {
		var e *stock.Error
		if !errors.As(err, &e) {
			panic(err)
		}
		var code any
		if e.Code != "" {
			code = e.Code
		}
		return object{"type": "error", "class": e.Class, "code": code}
	}
	switch v := value.(type) {
	case stock.Outcome[stock.Held]:
		return outcome(v, func(d stock.Held) object {
			return object{"type": "held", "quantity": d.Quantity, "available": d.Available, "deadline_ms": d.DeadlineMs}
		})
	case stock.Outcome[stock.Confirmed]:
		return outcome(v, func(d stock.Confirmed) object {
			return object{"type": "confirmed", "quantity": d.Quantity, "sold": d.Sold}
		})
	case stock.Outcome[stock.Changed]:
		kind := map[string]string{"release": "released", "amend": "amended"}[method]
		return outcome(v, func(d stock.Changed) object {
			return object{"type": kind, "quantity": d.Quantity, "available": d.Available}
		})
	case stock.Outcome[stock.Returned]:
		return outcome(v, func(d stock.Returned) object {
			return object{"type": "returned", "quantity": d.Quantity, "available": d.Available, "sold": d.Sold}
		})
	case stock.Outcome[stock.Deadline]:
		kind := map[string]string{"extend": "extended", "mreserve": "cart_held"}[method]
		return outcome(v, func(d stock.Deadline) object { return object{"type": kind, "deadline_ms": d.DeadlineMs} })
	case stock.Outcome[stock.Parted]:
		return outcome(v, func(d stock.Parted) object {
			return object{"type": "split", "quantity": d.Quantity, "left": d.Left, "deadline_ms": d.DeadlineMs}
		})
	case []stock.Result[stock.Held]:
		return batch("reserve", v)
	case []stock.Result[stock.Confirmed]:
		return batch("confirm", v)
	case *stock.Explanation:
		return explained(v)
	case stock.Outcome[stock.Transferred]:
		return outcome(v, func(d stock.Transferred) object {
			return object{"type": "transferred", "on_hand": d.OnHand, "available": d.Available, "to_on_hand": d.ToOnHand, "to_available": d.ToAvailable}
		})
	case stock.Outcome[stock.Added]:
		return outcome(v, func(d stock.Added) object {
			return object{"type": "added", "on_hand": d.OnHand, "available": d.Available}
		})
	case stock.Outcome[stock.Reconciled]:
		return outcome(v, func(d stock.Reconciled) object {
			return object{"type": "reconciled", "drift": d.Drift, "on_hand": d.OnHand, "available": d.Available}
		})
	case stock.Outcome[int64]:
		return outcome(v, func(n int64) object { return object{"type": "count", "count": n} })
	case stock.Outcome[stock.Nothing]:
		return outcome(v, func(stock.Nothing) object { return object{"type": "done"} })
	case bool:
		if v {
			return object{"type": "done"}
		}
		return nothing()
	case *string:
		if v == nil {
			return nothing()
		}
		return object{"type": "policy", "policy": *v}
	case []*int64:
		return object{"type": "available", "available": v}
	case []string:
		if v == nil {
			return nothing()
		}
		return object{"type": "verified", "differences": v}
	case *stock.Order:
		if v == nil {
			return nothing()
		}
		shown := view(v)
		shown["type"] = "order"
		return shown
	case *stock.Orders:
		if v == nil {
			return nothing()
		}
		pairs := [][]any{}
		for _, one := range v.Orders {
			if one.Details != nil {
				pairs = append(pairs, []any{one.Order, view(one.Details)})
			} else {
				pairs = append(pairs, []any{one.Order, one.State})
			}
		}
		return object{"type": "orders", "cursor": v.Cursor, "orders": pairs}
	case []stock.Usage:
		if v == nil {
			return nothing()
		}
		list := []object{}
		for _, u := range v {
			row := object{"limit": u.Limit, "used": u.Used, "max": u.Max, "remaining": u.Remaining, "resets_ms": u.ResetsMs}
			if u.Values != nil {
				row["values"] = u.Values
			}
			list = append(list, row)
		}
		return object{"type": "usage", "usage": list}
	case []stock.Limit:
		if v == nil {
			return nothing()
		}
		list := []object{}
		for _, l := range v {
			overrides := [][]any{}
			for _, o := range l.Overrides {
				overrides = append(overrides, []any{o.Value, o.Max})
			}
			list = append(list, object{"limit": l.Limit, "max": l.Max, "tz": l.TZ, "missing": l.Missing, "overrides": overrides})
		}
		return object{"type": "limits", "limits": list}
	case *stock.Pool:
		if v == nil {
			return nothing()
		}
		flag := map[bool]int{true: 1}
		shown := object{"type": "pool", "on_hand": v.OnHand, "reserved": v.Reserved, "safety": v.Safety, "available": v.Available,
			"shortfall": v.Shortfall, "sold": v.Sold, "out": v.Out, "orders": v.Orders, "suspended": flag[v.Suspended],
			"unlimited": flag[v.Unlimited], "next_deadline_ms": v.NextDeadlineMs, "epoch": v.Epoch, "seq": v.Seq, "limits": v.Limits,
			"alert": v.Alert, "from_ms": v.FromMs, "until_ms": v.UntilMs, "hold_seconds": v.HoldSeconds, "retain_seconds": v.RetainSeconds,
			"retain_paid_seconds": v.RetainPaidSeconds, "events": v.Events}
		if v.Returning != nil {
			shown["returning"] = v.Returning
		}
		return shown
	}
	panic(method)
}
