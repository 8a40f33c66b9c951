package stock

import "fmt"

// mapOf reads a map in each form in which clients give it.
func mapOf(answer any) map[string]any {
	found := map[string]any{}
	switch m := answer.(type) {
	case map[string]any:
		return m
	case map[any]any:
		for name, value := range m {
			found[name.(string)] = value
		}
	case []any:
		for i := 0; i+1 < len(m); i += 2 {
			found[m[i].(string)] = m[i+1]
		}
	}
	return found
}

func number(answer any) int64 {
	n, _ := answer.(int64)
	return n
}

func word(answer any) string {
	s, _ := answer.(string)
	return s
}

func words(answer any) []string {
	list, _ := answer.([]any)
	found := make([]string, len(list))
	for i, one := range list {
		found[i] = word(one)
	}
	return found
}

// outcome reads an answer that decides something; done gets what follows OK.
func outcome[T any](done func(rest []any) T) func(any) (Outcome[T], error) {
	return func(answer any) (Outcome[T], error) {
		list, isList := answer.([]any)
		if !isList {
			value := done([]any{answer})
			return Outcome[T]{Done: &value}, nil
		}
		if len(list) == 0 || list[0] == "OK" && len(list) > 5 {
			return Outcome[T]{}, fmt.Errorf("stock: an unknown answer %v", answer)
		}
		if list[0] == "OK" {
			value := done(append(list[1:len(list):len(list)], nil, nil, nil))
			return Outcome[T]{Done: &value}, nil
		}
		if len(list) < 2 {
			return Outcome[T]{}, fmt.Errorf("stock: an unknown answer %v", answer)
		}
		key := word(list[1])
		rest := append(list[2:len(list):len(list)], nil, nil, nil, nil, nil)
		no := &Refusal{Word: word(list[0]), Key: key}
		switch no.Word {
		case "EXISTS":
			return Outcome[T]{Exists: &Exists{Key: key, State: word(rest[0]), Quantity: number(rest[1]), Returned: number(rest[2]),
				DeadlineMs: number(rest[3])}}, nil
		case "SOLDOUT":
			no.Available = number(rest[0])
		case "EARLY":
			no.FromMs = number(rest[0])
		case "ENDED":
			no.UntilMs = number(rest[0])
		case "CLOSED":
			no.State = word(rest[0])
		case "LIMITED":
			no.Limit, no.Value, no.Used, no.Max, no.ResetsMs = word(rest[0]), words(rest[1]), number(rest[2]), number(rest[3]), number(rest[4])
		}
		return Outcome[T]{Refused: no}, nil
	}
}

var (
	held        = outcome(func(a []any) Held { return Held{number(a[0]), number(a[1]), number(a[2])} })
	confirmed   = outcome(func(a []any) Confirmed { return Confirmed{number(a[0]), number(a[1])} })
	changed     = outcome(func(a []any) Changed { return Changed{number(a[0]), number(a[1])} })
	returned    = outcome(func(a []any) Returned { return Returned{number(a[0]), number(a[1]), number(a[2])} })
	parted      = outcome(func(a []any) Parted { return Parted{number(a[0]), number(a[1]), number(a[2])} })
	deadline    = outcome(func(a []any) Deadline { return Deadline{number(a[0])} })
	added       = outcome(func(a []any) Added { return Added{number(a[0]), number(a[1])} })
	transferred = outcome(func(a []any) Transferred {
		return Transferred{number(a[0]), number(a[1]), number(a[2]), number(a[3])}
	})
	reconciled = outcome(func(a []any) Reconciled { return Reconciled{number(a[0]), number(a[1]), number(a[2])} })
	count      = outcome(func(a []any) int64 { return number(a[0]) })
	done       = outcome(func([]any) Nothing { return Nothing{} })
)

// batch reads an array of answers; an error reply among them concerns its order alone.
func batch[T any](one func(any) (Outcome[T], error)) func(any) ([]Result[T], error) {
	return func(answer any) ([]Result[T], error) {
		list, isList := answer.([]any)
		if !isList {
			return nil, fmt.Errorf("stock: an unknown answer %v", answer)
		}
		results := make([]Result[T], len(list))
		for i, answer := range list {
			if err, failed := answer.(error); failed {
				results[i].Err = nested(err)
				continue
			}
			results[i].Outcome, results[i].Err = one(answer)
		}
		return results, nil
	}
}

func written(answer any) (bool, error) { return answer != nil, nil }

func textOrNil(answer any) (*string, error) {
	if s, is := answer.(string); is {
		return &s, nil
	}
	return nil, nil
}

func available(answer any) ([]*int64, error) {
	list, _ := answer.([]any)
	found := make([]*int64, len(list))
	for i, one := range list {
		if n, is := one.(int64); is {
			found[i] = &n
		}
	}
	return found, nil
}

func pool(answer any) (*Pool, error) {
	if answer == nil {
		return nil, nil
	}
	m := mapOf(answer)
	n := func(name string) int64 { return number(m[name]) }
	p := &Pool{Reserved: n("reserved"), Safety: n("safety"), Available: n("available"), Shortfall: n("shortfall"), Sold: n("sold"),
		Out: n("out"), Orders: map[string]int64{}, Suspended: n("suspended") == 1, Unlimited: n("unlimited") == 1,
		NextDeadlineMs: n("next_deadline_ms"), Epoch: word(m["epoch"]), Seq: n("seq"), Limits: n("limits"), Alert: n("alert"),
		FromMs: n("from_ms"), UntilMs: n("until_ms"),
		HoldSeconds: n("hold_seconds"), RetainSeconds: n("retain_seconds"), RetainPaidSeconds: n("retain_paid_seconds")}
	if onHand, is := m["on_hand"].(int64); is {
		p.OnHand = &onHand
	}
	p.Events, _ = textOrNil(m["events"])
	for state, orders := range mapOf(m["orders"]) {
		p.Orders[state] = number(orders)
	}
	if m["returning"] != nil {
		p.Returning = spans(m["returning"])
	}
	return p, nil
}

func numberOrNil(answer any) *int64 {
	if n, is := answer.(int64); is {
		return &n
	}
	return nil
}

func explained(answer any) (*Explanation, error) {
	m := mapOf(answer)
	e := &Explanation{Exists: number(m["exists"]) == 1}
	list, _ := m["answer"].([]any)
	switch code := word(first(list)); code {
	case "CONFLICT", "NODIM", "ERR":
		// An error is shown as its code and its text.
		e.Answer.Err = Reply(code+" "+word(list[1]), fmt.Errorf("%s", word(list[1])))
	default:
		e.Answer.Outcome, e.Answer.Err = held(m["answer"])
	}
	if !e.Exists {
		return e, nil
	}
	e.Suspended, e.FromMs, e.UntilMs = number(m["suspended"]) == 1, number(m["from_ms"]), number(m["until_ms"])
	e.Orders, e.MaxOrders, e.Missing = number(m["orders"]), number(m["max_orders"]), words(m["missing"])
	stock := mapOf(m["stock"])
	e.Stock = ExplainedStock{numberOrNil(stock["on_hand"]), number(stock["held"]), number(stock["safety"]), number(stock["available"])}
	limits, _ := m["limits"].([]any)
	for _, one := range limits {
		l := mapOf(one)
		limit := ExplainedLimit{Limit: word(l["limit"]), Verdict: word(l["verdict"]), Missing: words(l["missing"]), Used: numberOrNil(l["used"]),
			Max: numberOrNil(l["max"]), Remaining: numberOrNil(l["remaining"]), ResetsMs: numberOrNil(l["resets_ms"])}
		if l["values"] != nil {
			limit.Values = words(l["values"])
		}
		e.Limits = append(e.Limits, limit)
	}
	e.Returning = spans(m["returning"])
	return e, nil
}

func spans(answer any) map[string]*int64 {
	found := map[string]*int64{}
	for name, units := range mapOf(answer) {
		found[name] = numberOrNil(units)
	}
	return found
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func order(answer any) (*Order, error) {
	if answer == nil {
		return nil, nil
	}
	m := mapOf(answer)
	o := &Order{State: word(m["state"]), Quantity: number(m["qty"]), Returned: number(m["returned"]), DeadlineMs: number(m["deadline_ms"]),
		For: map[string]string{}}
	for name, value := range mapOf(m["for"]) {
		o.For[name] = word(value)
	}
	return o, nil
}

func orders(answer any) (*Orders, error) {
	list, is := answer.([]any)
	if !is || len(list) != 2 {
		return nil, nil
	}
	page := &Orders{Cursor: word(list[0])}
	// With details a map, which RESP3 may give as one.
	flat, _ := list[1].([]any)
	for i := 0; i+1 < len(flat); i += 2 {
		listed := Listed{Order: word(flat[i]), State: word(flat[i+1])}
		if _, plain := flat[i+1].(string); !plain {
			listed.Details, _ = order(flat[i+1])
			listed.State = listed.Details.State
		}
		page.Orders = append(page.Orders, listed)
	}
	return page, nil
}

func limits(answer any) ([]Limit, error) {
	list, is := answer.([]any)
	if !is {
		return nil, nil
	}
	found := []Limit{}
	for _, one := range list {
		m := mapOf(one)
		limit := Limit{Limit: word(m["limit"]), Max: number(m["max"]), TZ: word(m["tz"]), Missing: word(m["missing"])}
		overrides, _ := m["overrides"].([]any)
		for _, pair := range overrides {
			pair := pair.([]any)
			limit.Overrides = append(limit.Overrides, Override{words(pair[0]), number(pair[1])})
		}
		found = append(found, limit)
	}
	return found, nil
}

func usage(answer any) ([]Usage, error) {
	list, is := answer.([]any)
	if !is {
		return nil, nil
	}
	found := []Usage{}
	for _, one := range list {
		m := mapOf(one)
		used := Usage{Limit: word(m["limit"]), Used: number(m["used"]), Max: number(m["max"]), Remaining: number(m["remaining"]),
			ResetsMs: number(m["resets_ms"])}
		if m["values"] != nil {
			used.Values = words(m["values"])
		}
		found = append(found, used)
	}
	return found, nil
}

// verified gives the differences: nil where there is no pool, none where all is right.
func verified(answer any) ([]string, error) {
	switch answer.(type) {
	case nil:
		return nil, nil
	case []any:
		return words(answer), nil
	}
	return []string{}, nil
}
