package stock

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// MostOrders is how many orders the server takes in one call.
const MostOrders = 128

// Collector makes one call of the server out of what many goroutines ask for within a moment: one for each pool, hold and set of
// dimensions. Each gets the answer of its own order. That costs a buyer the wait, and spares the server most of a call's cost.
type Collector struct {
	client   *Client
	most     int
	wait     time.Duration
	reserves gather[BatchOrder, Held]
	confirms gather[string, Confirmed]
}

// NewCollector sends a batch when it has so many orders (1 to 128), or so long after its first; 64 and a millisecond are good.
func NewCollector(client *Client, most int, wait time.Duration) *Collector {
	return &Collector{client: client, most: min(max(most, 1), MostOrders), wait: wait}
}

// Reserve is as the call of this name. The batch is sent also where the context ends first.
func (c *Collector) Reserve(ctx context.Context, key, order string, quantity int64, hold Hold, attributes ...Attribute) (Outcome[Held], error) {
	attributes = slices.Clone(attributes)
	slices.SortFunc(attributes, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	one := BatchOrder{Order: order, Quantity: quantity}
	var dims []string
	for _, attribute := range attributes {
		dims, one.Values = append(dims, attribute.Name), append(one.Values, attribute.Value)
	}
	group := strings.Join(append([]string{key, hold.Option, amount(hold.Value)}, dims...), "\x00")
	alone := func(one BatchOrder) Call[Outcome[Held]] {
		own := make([]Attribute, len(dims))
		for i, dim := range dims {
			own[i] = Attribute{dim, one.Values[i]}
		}
		return Reserve(key, one.Order, one.Quantity, hold, own...)
	}
	together := func(orders []BatchOrder) Call[[]Result[Held]] { return ReserveBatch(key, hold, dims, orders) }
	return c.reserves.join(ctx, c, group, one, together, alone)
}

// Confirm is as the call of this name, without options.
func (c *Collector) Confirm(ctx context.Context, key, order string) (Outcome[Confirmed], error) {
	alone := func(order string) Call[Outcome[Confirmed]] { return Confirm(key, order, ConfirmOptions{}) }
	together := func(orders []string) Call[[]Result[Confirmed]] { return ConfirmBatch(key, orders) }
	return c.confirms.join(ctx, c, key, order, together, alone)
}

// gather has the batches of one command that are not sent yet.
type gather[O, T any] struct {
	lock sync.Mutex
	open map[string]*pending[O, T]
}

type pending[O, T any] struct {
	orders  []O
	results []Result[T]
	timer   *time.Timer
	done    chan struct{}
}

func (g *gather[O, T]) join(ctx context.Context, c *Collector, group string, order O, together func([]O) Call[[]Result[T]], alone func(O) Call[Outcome[T]]) (Outcome[T], error) {
	g.lock.Lock()
	batch := g.open[group]
	if batch == nil {
		batch = &pending[O, T]{done: make(chan struct{})}
		if g.open == nil {
			g.open = map[string]*pending[O, T]{}
		}
		g.open[group] = batch
		batch.timer = time.AfterFunc(c.wait, func() {
			if g.close(group, batch) {
				batch.send(c.client, together, alone)
			}
		})
	}
	place := len(batch.orders)
	batch.orders = append(batch.orders, order)
	full := len(batch.orders) >= c.most
	if full {
		delete(g.open, group)
	}
	g.lock.Unlock()
	if full {
		batch.timer.Stop()
		go batch.send(c.client, together, alone)
	}
	select {
	case <-batch.done:
		return batch.results[place].Outcome, batch.results[place].Err
	case <-ctx.Done():
		return Outcome[T]{}, NoAnswer(ctx.Err())
	}
}

// close takes a batch out, so that nobody joins it any more; false where it was full before.
func (g *gather[O, T]) close(group string, batch *pending[O, T]) bool {
	g.lock.Lock()
	defer g.lock.Unlock()
	if g.open[group] != batch {
		return false
	}
	delete(g.open, group)
	return true
}

func (batch *pending[O, T]) send(client *Client, together func([]O) Call[[]Result[T]], alone func(O) Call[Outcome[T]]) {
	defer close(batch.done)
	ctx := context.Background()
	results, err := Do(ctx, client, together(batch.orders))
	if err == nil && len(results) == len(batch.orders) {
		batch.results = results
		return
	}
	batch.results = make([]Result[T], len(batch.orders))
	var reply *Error
	if errors.As(err, &reply) && reply.Code == "ERR" {
		// One order has arguments that the server refuses, and with it the whole call: it must not harm the others.
		calls := make([]AnyCall, len(batch.orders))
		for i, order := range batch.orders {
			calls[i] = alone(order)
		}
		answers, errs := client.Pipeline(ctx, calls...)
		for i := range batch.orders {
			batch.results[i].Outcome, _ = answers[i].(Outcome[T])
			batch.results[i].Err = errs[i]
		}
		return
	}
	for i := range batch.results {
		batch.results[i].Err = err
	}
}
