// Package stock makes typed calls of redis-stock, over go-redis (package goredis) or rueidis (package rueidisstock).
//
// A call without an answer is repeated, the same, until there is one or the time is over: that is safe, since each carries an order
// id or a token. Refusals are values, errors are [*Error].
package stock

import (
	"context"
	"errors"
	"time"
)

// Patience is how long one call may take with its repeats, where its context ends no earlier.
const Patience = 10 * time.Second

const (
	firstPause   = 20 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// Wire is one attempt through a client library. An answer is nil, a string, an int64, a []any or a map; an error is an [*Error].
type Wire interface {
	Send(ctx context.Context, call Words) (any, error)
	// SendAll sends all at once.
	SendAll(ctx context.Context, calls []Words) ([]any, []error)
}

// Client makes calls.
type Client struct {
	wire     Wire
	patience time.Duration
}

// New is for adapters.
func New(wire Wire, patience time.Duration) *Client { return &Client{wire, patience} }

// Do makes one call.
func Do[T any](ctx context.Context, c *Client, call Call[T]) (T, error) {
	answer, err := c.wire.Send(ctx, call.words)
	if err != nil {
		if answer, err = c.again(ctx, call.words, err); err != nil {
			var none T
			return none, err
		}
	}
	return call.decode(answer)
}

func unsure(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == Unsure
}

// again repeats an unsure call.
func (c *Client) again(ctx context.Context, call Words, err error) (any, error) {
	end := time.Now().Add(c.patience)
	for pause := firstPause; unsure(err) && time.Now().Add(pause).Before(end); pause = min(2*pause, longestPause) {
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
		var answer any
		if answer, err = c.wire.Send(ctx, call); err == nil {
			return answer, nil
		}
	}
	return nil, err
}

// Pipeline sends all calls at once: for each its result, as Do gives it, or its error. What got no answer is repeated one by one,
// so calls that follow from each other do not belong into one pipeline.
func (c *Client) Pipeline(ctx context.Context, calls ...AnyCall) ([]any, []error) {
	words := make([]Words, len(calls))
	for i, call := range calls {
		words[i] = call.Words()
	}
	answers, errs := c.wire.SendAll(ctx, words)
	for i, call := range calls {
		if errs[i] != nil {
			answers[i], errs[i] = c.again(ctx, words[i], errs[i])
		}
		if errs[i] == nil {
			answers[i], errs[i] = call.decodeAny(answers[i])
		}
	}
	return answers, errs
}

// DoAny is Do for a call whose type is not known.
func DoAny(ctx context.Context, c *Client, call AnyCall) (any, error) {
	answer, err := c.Send(ctx, call.Words())
	if err != nil {
		return nil, err
	}
	return call.decodeAny(answer)
}

// Send sends words as they are, with repeats, and gives the answer as the client does.
func (c *Client) Send(ctx context.Context, call Words) (any, error) {
	answer, err := c.wire.Send(ctx, call)
	if err != nil {
		return c.again(ctx, call, err)
	}
	return answer, nil
}
