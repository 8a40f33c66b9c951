// Package rueidisstock is stock over rueidis.
package rueidisstock

import (
	"context"
	"strings"
	"time"

	"github.com/redis/rueidis"
	stock "redisstock.org/go"
)

// Answer is how long one answer may take, where nothing else is said.
const Answer = 500 * time.Millisecond

// ToReplicas sends reads to replicas, as rueidis.ClientOption.SendToReplicas.
func ToReplicas(cmd rueidis.Completed) bool { return cmd.IsReadOnly() }

// New takes any client of rueidis.
func New(client rueidis.Client) *stock.Client { return WithPatience(client, stock.Patience, Answer) }

// WithPatience says how long a call may take with its repeats, and how long one answer.
func WithPatience(client rueidis.Client, patience, answer time.Duration) *stock.Client {
	return stock.New(wire{client, answer}, patience)
}

type wire struct {
	client rueidis.Client
	answer time.Duration
}

func (w wire) command(call stock.Words) rueidis.Completed {
	// The slot is that of this key: a cart's first one, too. The others are left to the server, which refuses other slots.
	at := call.KeyAt
	cmd := w.client.B().Arbitrary(call.Words[:at]...).Keys(call.Words[at]).Args(call.Words[at+1:]...)
	if call.Read {
		return cmd.ReadOnly()
	}
	return cmd.Build()
}

func result(resp rueidis.RedisResult) (any, error) {
	answer, err := resp.ToAny()
	if err == nil || rueidis.IsRedisNil(err) {
		return answer, nil
	}
	if reply, is := rueidis.IsRedisErr(err); is {
		text := reply.Error()
		if text != "" && text == strings.TrimLeft(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			text = "ERR " + text // rueidis takes this code off
		}
		return nil, stock.Reply(text, err)
	}
	return nil, stock.NoAnswer(err)
}

func (w wire) Send(ctx context.Context, call stock.Words) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, w.answer)
	defer cancel()
	return result(w.client.Do(ctx, w.command(call)))
}

func (w wire) SendAll(ctx context.Context, calls []stock.Words) ([]any, []error) {
	ctx, cancel := context.WithTimeout(ctx, w.answer)
	defer cancel()
	commands := make([]rueidis.Completed, len(calls))
	for i, call := range calls {
		commands[i] = w.command(call)
	}
	answers, errs := make([]any, len(calls)), make([]error, len(calls))
	for i, resp := range w.client.DoMulti(ctx, commands...) {
		answers[i], errs[i] = result(resp)
	}
	return answers, errs
}
