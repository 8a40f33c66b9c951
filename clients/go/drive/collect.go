package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	stock "redisstock.org/go"
)

// collect: so many buyers ask at once, one unit each, two of them with what the server refuses. Prints a line for each: the order and
// its answer; then pays what is held.
func collect(c *stock.Client, count int) {
	shop := stock.NewCollector(c, 32, time.Millisecond)
	// One waiter that goes away does not take its batch with it.
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = shop.Reserve(gone, "k", "gone", 1, stock.Seconds(900), stock.Attribute{Name: "user", Value: "gone"})
	var all sync.WaitGroup
	for n := range count {
		all.Go(func() { buy(shop, n, count) })
	}
	all.Wait()
}

func buy(shop *stock.Collector, n, count int) {
	order, quantity := "o"+strconv.Itoa(n), int64(1)
	attributes := []stock.Attribute{{Name: "user", Value: strconv.Itoa(n / 2)}}
	switch n {
	case count - 2: // the limit needs a dimension
		attributes = nil
	case count - 1: // of nothing
		quantity = 0
	}
	ctx := context.Background()
	answer, err := shop.Reserve(ctx, "k", order, quantity, stock.Seconds(900), attributes...)
	var reply *stock.Error
	switch {
	case errors.As(err, &reply):
		fmt.Println(order, reply.Code)
	case err != nil:
		panic(err)
	case answer.Refused != nil:
		fmt.Println(order, answer.Refused.Word)
	case answer.Exists != nil:
		fmt.Println(order, "EXISTS")
	default:
		fmt.Println(order, "OK")
		paid, err := shop.Confirm(ctx, "k", order)
		must(err)
		fmt.Println("paid", order, map[bool]string{true: "OK", false: "no"}[paid.Done != nil])
	}
}
