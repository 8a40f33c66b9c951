// What the tests ask of every client library, LIBRARY being go-redis or rueidis: clients/README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	stock "redisstock.org/go"
	"redisstock.org/go/goredis"
	"redisstock.org/go/rueidisstock"
)

var flags, plain []string

func flag(name string) bool { return slices.Contains(flags, name) }

func environment(name string, otherwise float64) float64 {
	if value, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return value
	}
	return otherwise
}

// connect gives the library, and one RESERVE without it.
func connect() (*stock.Client, func(n int)) {
	address := "127.0.0.1:" + plain[1]
	answer := time.Duration(environment("STOCK_TIMEOUT", 0.5) * float64(time.Second))
	patience := time.Duration(environment("STOCK_PATIENCE_MS", 10000)) * time.Millisecond
	ctx := context.Background()
	bare := func(n int) []string {
		return []string{"STOCK.RESERVE", "bench", "b" + strconv.Itoa(n), "1", "EX", "900", "FOR", "user", strconv.Itoa(n)}
	}
	if plain[0] == "go-redis" {
		protocol := 2
		if flag("--resp3") {
			protocol = 3
		}
		var client redis.UniversalClient
		if flag("--cluster") {
			client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address}, Protocol: protocol, ReadTimeout: answer, ReadOnly: flag("--replicas")})
		} else {
			client = redis.NewClient(&redis.Options{Addr: address, Protocol: protocol, ReadTimeout: answer})
		}
		return goredis.WithPatience(client, patience), func(n int) {
			words := bare(n)
			arguments := make([]any, len(words))
			for i, word := range words {
				arguments[i] = word
			}
			if _, err := client.Do(ctx, arguments...).Result(); err != nil {
				panic(err)
			}
		}
	}
	option := rueidis.ClientOption{InitAddress: []string{address}, AlwaysRESP2: !flag("--resp3"), DisableCache: true, ForceSingleClient: !flag("--cluster")}
	if flag("--replicas") {
		option.SendToReplicas = rueidisstock.ToReplicas
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		panic(err)
	}
	return rueidisstock.WithPatience(client, patience, answer), func(n int) {
		words := bare(n)
		short, cancel := context.WithTimeout(ctx, answer)
		defer cancel()
		if _, err := client.Do(short, client.B().Arbitrary(words[0]).Keys(words[1]).Args(words[2:]...).Build()).ToAny(); err != nil {
			panic(err)
		}
	}
}

type asked struct {
	Method string
	Args   args
	// In place of a call: which of so many buckets this value has.
	Bucket string
	Count  int
	// In place of a call: what a buyer asks for after this refusal.
	Ask *struct {
		Order, By string
		Bucket    int
		Quantity  int64
	}
	Refused *stock.Refusal
}

// driver makes typed calls, a line each.
func driver(c *stock.Client) {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in := input(); in.Scan(); {
		ctx := context.Background()
		if strings.HasPrefix(in.Text(), "[") {
			var all []asked
			must(json.Unmarshal(in.Bytes(), &all))
			calls := make([]stock.AnyCall, len(all))
			for i, one := range all {
				calls[i] = typed(one.Method, one.Args)
			}
			values, errs := c.Pipeline(ctx, calls...)
			results := make([]object, len(all))
			for i, one := range all {
				results[i] = result(one.Method, values[i], errs[i])
			}
			must(out.Encode(results))
			continue
		}
		var one asked
		must(json.Unmarshal(in.Bytes(), &one))
		if one.Bucket != "" {
			must(out.Encode(stock.BucketOf(raw(one.Bucket), one.Count)))
			continue
		}
		if ask := one.Ask; ask != nil {
			text := stock.AskOf(one.Refused, ask.Order, ask.Bucket, ask.Quantity, ask.By)
			if text == "" {
				text = "null"
			}
			must(out.Encode(json.RawMessage(text)))
			continue
		}
		value, err := stock.DoAny(ctx, c, typed(one.Method, one.Args))
		must(out.Encode(result(one.Method, value, err)))
	}
}

func input() *bufio.Scanner {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	return in
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// lines sends what it reads, one JSON list a line: the key, and the words. MARK tells that the warm-up is over.
func lines(c *stock.Client) {
	for in := input(); in.Scan(); {
		if in.Text() == "MARK" {
			fmt.Println("warm")
			in.Scan()
			continue
		}
		var words []string
		must(json.Unmarshal(in.Bytes(), &words))
		at := 1
		if words[1] == "STOCK.MSPLIT" {
			at = 4
		} else if strings.HasPrefix(words[1], "STOCK.M") {
			at = 3
		}
		// Errors are of no interest here.
		_, _ = c.Send(context.Background(), stock.Words{Words: words[1:], KeyAt: at, Read: flag("--replicas")})
	}
	fmt.Println("done")
}

// carts reserves carts of two pools: the word of each answer.
func carts(c *stock.Client, tag, count string) {
	most, _ := strconv.Atoi(count)
	for n := range most {
		answer := do(c, stock.ReserveCart(fmt.Sprint("order-", n), []stock.Line{{Key: "{" + tag + "}a", Quantity: 1}, {Key: "{" + tag + "}b", Quantity: 1}}, stock.Hold{}))
		switch {
		case answer.Done != nil:
			fmt.Println("OK")
		case answer.Exists != nil:
			fmt.Println("EXISTS")
		default:
			fmt.Println(answer.Refused.Word)
		}
	}
}

// bench: single calls in turn, and the lower quarter of each.
func bench(c *stock.Client, bare func(int), count int) {
	do(c, stock.Set("bench", stock.Unlimited, "NX"))
	var with, without []time.Duration
	for n := range count {
		start := time.Now()
		do(c, stock.Reserve("bench", "a"+strconv.Itoa(n), 1, stock.Seconds(900), stock.Attribute{Name: "user", Value: strconv.Itoa(n)}))
		middle := time.Now()
		bare(n)
		with, without = append(with, middle.Sub(start)), append(without, time.Since(middle))
	}
	slices.Sort(with)
	slices.Sort(without)
	ours, call := float64(with[count/4]), float64(without[count/4])
	fmt.Printf("%s: a bare call takes %.0f us, the library %+.1f %%\n", plain[0], call/1000, 100*(ours/call-1))
}

func main() {
	for _, word := range os.Args[1:] {
		if strings.HasPrefix(word, "--") {
			flags = append(flags, word)
		} else {
			plain = append(plain, word)
		}
	}
	c, bare := connect()
	switch plain[2] {
	case "shop":
		shop(c)
	case "lines":
		lines(c)
	case "collect":
		count, _ := strconv.Atoi(plain[3])
		collect(c, count)
	case "carts":
		carts(c, plain[3], plain[4])
	case "driver":
		driver(c)
	case "bench":
		count := 20_000
		if len(plain) > 3 {
			count, _ = strconv.Atoi(plain[3])
		}
		bench(c, bare, count)
	}
}
