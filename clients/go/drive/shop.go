package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	stock "redisstock.org/go"
)

// One hash tag: the pools of a cart share a slot.
const pen, ink, limitCap = "{618}pen", "{618}ink", "{618}cap"

func do[T any](c *stock.Client, call stock.Call[T]) T {
	result, err := stock.Do(context.Background(), c, call)
	if err != nil {
		panic(err)
	}
	return result
}

func user(id int) stock.Attribute { return stock.Attribute{Name: "user", Value: fmt.Sprint(id)} }

// shop: preload, limits, a sale, a cart, pay, cancel, poll, a payment that comes too late, a refund.
func shop(c *stock.Client) {
	quarter := stock.Seconds(900)
	// Before the sale. A second run does not put sold units back.
	do(c, stock.Set(pen, 10, "NX"))
	do(c, stock.Set(ink, 5, "NX"))
	do(c, stock.Set(limitCap, stock.Unlimited, "NX"))
	do(c, stock.SetLimit(pen, "user", 2, stock.LimitOptions{Per: "DAY"}))
	do(c, stock.SetLimit(limitCap, "user", 4, stock.LimitOptions{}))
	fmt.Println("preloaded")

	// One call per sale: it checks stock and limits, takes the units, and remembers the order.
	held := do(c, stock.Reserve(pen, "order-1", 2, quarter, user(42)))
	fmt.Printf("held: %d, %d left\n", held.Done.Quantity, held.Done.Available)
	// Where an answer gets lost the library asks again: Exists, in the state reserved.
	for id, order := range []string{"order-lost", "order-slow"} {
		if do(c, stock.Reserve(pen, order, 1, quarter, user(43+id))).Held() {
			fmt.Println("held:", order)
		}
	}

	if no := do(c, stock.Reserve(pen, "order-2", 1, stock.Hold{}, user(42))).Refused; no != nil {
		fmt.Printf("refused: %s %s, %d of %d\n", no.Word, no.Limit, no.Used, no.Max)
	}
	if no := do(c, stock.Reserve(ink, "order-3", 6, stock.Hold{}, user(45))).Refused; no != nil {
		fmt.Printf("refused: %s, %d left\n", no.Word, no.Available)
	}

	// A cart: all of it, or nothing.
	if do(c, stock.ReserveCart("order-cart", []stock.Line{{Key: pen, Quantity: 1}, {Key: ink, Quantity: 1}, {Key: limitCap, Quantity: 2}}, quarter, user(45))).Held() {
		fmt.Println("cart held")
	}
	if no := do(c, stock.ReserveCart("order-cart-2", []stock.Line{{Key: ink, Quantity: 3}, {Key: limitCap, Quantity: 3}}, stock.Hold{}, user(45))).Refused; no != nil {
		fmt.Println("cart refused:", no.Word, no.Key)
	}

	// Paid, cancelled, and the page that polls.
	paid := do(c, stock.Confirm(pen, "order-1", stock.ConfirmOptions{}))
	fmt.Println("paid:", paid.Done.Quantity, paid.Done.Sold)
	if do(c, stock.ConfirmCart("order-cart", []string{pen, ink, limitCap}, false)).OK() {
		fmt.Println("cart paid")
	}
	released := do(c, stock.Release(pen, "order-lost"))
	fmt.Println("cancelled:", released.Done.Quantity, released.Done.Available)
	order := do(c, stock.GetOrder(pen, "order-1"))
	fmt.Println("poll:", order.State, order.Quantity)

	// The payment comes when the hold is over.
	do(c, stock.Reserve(ink, "order-late", 1, stock.For(time.Millisecond), user(46)))
	time.Sleep(50 * time.Millisecond)
	if no := do(c, stock.Confirm(ink, "order-late", stock.ConfirmOptions{})).Refused; no != nil {
		fmt.Println("too late:", no.Word)
		fmt.Println("honoured: OK", do(c, stock.Confirm(ink, "order-late", stock.ConfirmOptions{Late: true})).Done.Quantity)
	}

	// One of the two pens comes back. The token makes the refund repeatable.
	back := do(c, stock.Return(pen, "order-1", stock.ReturnOptions{Quantity: 1, Token: "refund-1"}))
	fmt.Println("refunded:", back.Done.Quantity, back.Done.Available, back.Done.Sold)

	// Errors are bugs of the caller, and not caught by a shop.
	for _, call := range []stock.Call[stock.Outcome[stock.Held]]{
		stock.Reserve(pen, "order-1", 1, stock.Hold{}, user(42)), stock.Reserve(pen, "order-4", 1, stock.Hold{}),
	} {
		_, err := stock.Do(context.Background(), c, call)
		var bug *stock.Error
		if errors.As(err, &bug) {
			fmt.Println("bug:", bug.Code)
		}
	}

	left := do(c, stock.Available(pen, ink))
	fmt.Println("left:", *left[0], *left[1])
}
