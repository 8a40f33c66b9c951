// Package goredis is stock over go-redis: a Client, or a ClusterClient.
package goredis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	stock "redisstock.org/go"
)

// New takes a client with a ReadTimeout (500 ms). With ClusterOptions.ReadOnly reads go to replicas.
func New(client redis.UniversalClient) *stock.Client { return WithPatience(client, stock.Patience) }

// WithPatience says how long a call may take with its repeats.
func WithPatience(client redis.UniversalClient, patience time.Duration) *stock.Client {
	return stock.New(wire{client}, patience)
}

type wire struct{ client redis.UniversalClient }

func command(ctx context.Context, call stock.Words) *redis.Cmd {
	args := make([]any, len(call.Words))
	for i, word := range call.Words {
		args[i] = word
	}
	cmd := redis.NewCmd(ctx, args...)
	// The slot is that of this key: a cart's first one, too.
	cmd.SetFirstKeyPos(int8(call.KeyAt))
	return cmd
}

func result(cmd *redis.Cmd) (any, error) {
	answer, err := cmd.Result()
	if err == nil || errors.Is(err, redis.Nil) {
		return answer, nil
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		return nil, stock.Reply(reply.Error(), err)
	}
	return nil, stock.NoAnswer(err)
}

func (w wire) Send(ctx context.Context, call stock.Words) (any, error) {
	cmd := command(ctx, call)
	_ = w.client.Process(ctx, cmd) // the error is the command's
	return result(cmd)
}

func (w wire) SendAll(ctx context.Context, calls []stock.Words) ([]any, []error) {
	cmds := make([]*redis.Cmd, len(calls))
	pipe := w.client.Pipeline()
	for i, call := range calls {
		cmds[i] = command(ctx, call)
		_ = pipe.Process(ctx, cmds[i])
	}
	_, _ = pipe.Exec(ctx)
	answers, errs := make([]any, len(calls)), make([]error, len(calls))
	for i, cmd := range cmds {
		answers[i], errs[i] = result(cmd)
	}
	return answers, errs
}
