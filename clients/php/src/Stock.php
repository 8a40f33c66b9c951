<?php

declare(strict_types=1);

namespace RedisStock;

require_once __DIR__ . '/answers.php';
require_once __DIR__ . '/buckets.php';
require_once __DIR__ . '/Wire.php';
require_once __DIR__ . '/Replicas.php';

/**
 * Sells through phpredis (`\Redis`, or `\RedisCluster`) or predis 3. Give them a read timeout: it bounds one attempt.
 *
 * Every call carries an order id or a token, and is repeated until there is an answer. `hold` is one of ['ex' => seconds],
 * ['px' => milliseconds], ['pxat' => Unix time in milliseconds]; `for` is what limits count by: ['user' => 42].
 */
final class Stock
{
    // Codes of error replies that pass by themselves: the node could not serve the call just now, and has done nothing.
    private const PASSES = ['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY', 'MOVED', 'ASK', 'BUSY'];

    private Wire $wire;
    /** The calls of a pipeline, while it is being filled: what asks alone, the words, what makes the answer. */
    private ?array $waiting = null;

    /**
     * @param float $within seconds in which a call is repeated
     * @param ?\Closure $reconnect of phpredis, which does not always find back to a node by itself: answers a client with a new connection
     * @param ?Replicas $replicas of a cluster: reads go to them
     */
    public function __construct(
        \Redis|\RedisCluster|\Predis\ClientInterface $client,
        private float $within = 10.0,
        ?\Closure $reconnect = null,
        private ?Replicas $replicas = null,
    ) {
        $this->wire = $client instanceof \Predis\ClientInterface ? new PredisWire($client) : new PhpredisWire($client, $reconnect);
    }

    /**
     * Makes the calls of `$calls`, which gets a Stock to make them through, all at once, and gives their answers: each as the
     * call would, a StockError or Unanswered as a value. What got no clear answer is asked for again by itself, so calls that
     * follow from each other do not belong into one pipeline. In a cluster they go one after the other.
     */
    public function pipeline(\Closure $calls): array
    {
        $collector = clone $this;
        $collector->waiting = [];
        $calls($collector);
        $replies = $this->wire->sendAll(array_column($collector->waiting, 1));
        $answers = [];
        foreach ($collector->waiting as $n => [$ask, , $make]) {
            try {
                // What got no clear reply is made again, by itself.
                $reply = $replies[$n] ?? false;
                $answers[] = $make($reply === false ? $ask() : $reply);
            } catch (StockError | Unanswered $error) {
                $answers[] = $error;
            }
        }
        return $answers;
    }

    /** Makes a call and its answer, or keeps both for the pipeline. `ask` sends it in a way of its own. */
    private function make(string $key, array $words, \Closure $make, bool $read = false, ?\Closure $ask = null): mixed
    {
        if ($this->waiting === null) {
            return $make($ask === null ? $this->call($key, $words, $read) : $ask());
        }
        $this->waiting[] = [$ask ?? fn () => $this->call($key, $words, $read), $words, $make];
        return new Queued();
    }

    private function makeDecided(string $key, array $words, string $done, bool $read = false): mixed
    {
        if ($this->waiting === null) {
            return $this->decided($this->call($key, $words, $read), $done);
        }
        return $this->make($key, $words, fn ($reply) => $this->decided($reply, $done), $read);
    }

    /** `replaces`: an order whose hold is given up in the same step; it is kept where this one is refused. */
    public function reserve(
        string $key,
        string $order,
        int $quantity,
        array $hold = [],
        array $for = [],
        bool $partial = false,
        ?string $replaces = null,
    ): Answer {
        $words = ['STOCK.RESERVE', $key, $order, $quantity, ...self::until($hold)];
        if ($partial) {
            $words[] = 'PARTIAL';
        }
        if ($replaces !== null) {
            array_push($words, 'REPLACES', $replaces);
        }
        return $this->makeDecided($key, self::with($words, $for), Held::class);
    }

    public function check(string $key, int $quantity, array $for = []): Answer
    {
        return $this->makeDecided($key, self::with(['STOCK.CHECK', $key, $quantity], $for), Held::class, true);
    }

    public function confirm(
        string $key,
        string $order,
        ?int $quantity = null,
        bool $late = false,
        ?int $sinceMs = null,
        array $for = [],
    ): Answer {
        $words = ['STOCK.CONFIRM', $key, $order, ...self::option('QTY', $quantity), ...self::flag('LATE', $late)];
        array_push($words, ...self::option('SINCE', $sinceMs));
        return $this->makeDecided($key, self::with($words, $for), Confirmed::class);
    }

    /**
     * RESERVEBATCH: up to 128 orders, each an array of order, quantity and attributes, which are of the same dimensions in all. Each
     * is judged as by a `reserve` of its own: a list of their answers, with a StockError in the place of an error reply.
     */
    public function reserveBatch(string $key, array $orders, array $hold = []): array|Queued
    {
        $dims = array_keys($orders[0][2] ?? []);
        $words = ['STOCK.RESERVEBATCH', $key, ...self::until($hold), ...($dims ? ['DIMS', count($dims), ...$dims] : [])];
        array_push($words, 'ORDERS', count($orders));
        foreach ($orders as $order) {
            [$id, $quantity, $for] = [$order[0], $order[1], $order[2] ?? []];
            if (count($for) !== count($dims) || array_diff_key($for, array_flip($dims))) {
                throw new \InvalidArgumentException('the orders of a batch have the same dimensions');
            }
            array_push($words, $id, $quantity, ...array_map(fn ($dim) => $for[$dim], $dims));
        }
        $alone = function (int $n) use ($key, $orders, $hold) {
            [$id, $quantity, $for] = [...$orders[$n], []];
            return self::with(['STOCK.RESERVE', $key, $id, $quantity, ...self::until($hold)], $for);
        };
        return $this->batch($key, count($orders), $words, Held::class, $alone);
    }

    /** CONFIRMBATCH: up to 128 orders, each judged as by a `confirm` of its own. */
    public function confirmBatch(string $key, array $orders): array|Queued
    {
        $words = ['STOCK.CONFIRMBATCH', $key, 'ORDERS', count($orders), ...$orders];
        return $this->batch($key, count($orders), $words, Confirmed::class, fn (int $n) => ['STOCK.CONFIRM', $key, $orders[$n]]);
    }

    /**
     * Of an error reply within an array phpredis says less than the server did: false in its place, or an exception in place of the whole
     * array. Those orders, or all, are asked for one by one: what the batch has just done is then answered as `Exists`.
     */
    private function batch(string $key, int $count, array $words, string $done, \Closure $alone): array|Queued
    {
        $answer = function (mixed $reply, int $n) use ($key, $done, $alone) {
            try {
                if ($reply instanceof ErrorReply) {
                    return new StockError($reply->code, $reply->text);
                }
                return $this->decided(is_array($reply) ? $reply : $this->call($key, $alone($n)), $done);
            } catch (StockError $error) {
                return $error;
            }
        };
        $ask = function () use ($key, $words, $count) {
            try {
                return $this->call($key, $words);
            } catch (StockError $error) {
                // Of all errors only these two concern one order, and not the whole batch.
                return in_array($error->stock, ['CONFLICT', 'NODIM'], true) ? array_fill(0, $count, false) : throw $error;
            }
        };
        return $this->make($key, $words, fn ($replies) => array_map($answer, $replies, array_keys($replies)), false, $ask);
    }

    public function release(string $key, string $order): Answer
    {
        return $this->makeDecided($key, ['STOCK.RELEASE', $key, $order], Released::class);
    }

    public function amend(string $key, string $order, int $quantity): Answer
    {
        return $this->makeDecided($key, ['STOCK.AMEND', $key, $order, $quantity], Amended::class);
    }

    /** Some units of a hold become an order of their own, with the same deadline. */
    public function split(string $key, string $order, string $part, int $quantity): Answer
    {
        return $this->makeDecided($key, ['STOCK.SPLIT', $key, $order, $part, $quantity], Split::class);
    }

    public function extend(string $key, string $order, array $hold): Answer
    {
        return $this->makeDecided($key, ['STOCK.EXTEND', $key, $order, ...self::until($hold)], Extended::class);
    }

    /**
     * RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. `late`: also of an order that
     * is forgotten; with `for` its buyer's limits get the units back, too.
     */
    public function refund(
        string $key,
        string $order,
        ?int $quantity = null,
        ?string $token = null,
        bool $late = false,
        bool $keepUsage = false,
        bool $noRestock = false,
        array $for = [],
    ): Answer {
        $words = ['STOCK.RETURN', $key, $order, ...self::option('QTY', $quantity), ...self::option('TOKEN', $token)];
        array_push($words, ...self::flag('LATE', $late), ...self::flag('KEEPUSAGE', $keepUsage), ...self::flag('NORESTOCK', $noRestock));
        return $this->makeDecided($key, self::with($words, $for), Returned::class);
    }

    /**
     * MRESERVE: `lines` are pairs of pool and quantity. All of it, or nothing. In a cluster the pools share a hash tag. `replaces`: a
     * cart whose holds in these pools are given up in the same step; a pool in which only that one has units has quantity 0.
     */
    public function reserveCart(string $order, array $lines, array $hold = [], array $for = [], ?string $replaces = null): Answer
    {
        $words = ['STOCK.MRESERVE', $order, ...self::lines($lines), ...self::until($hold), ...self::option('REPLACES', $replaces)];
        return $this->makeDecided($lines[0][0], self::with($words, $for), CartHeld::class);
    }

    /** MCONFIRM of pairs of pool and quantity: sells so much, and releases the rest. */
    public function confirmCartInPart(string $order, array $lines, bool $late = false): Answer
    {
        $words = ['STOCK.MCONFIRM', $order, ...self::lines($lines), ...self::flag('LATE', $late)];
        return $this->makeDecided($lines[0][0], $words, Done::class);
    }

    /** MSPLIT: `lines`, pairs of pool and quantity, go over to `part`. In all pools or in none. */
    public function splitCart(string $order, string $part, array $lines): Answer
    {
        return $this->makeDecided($lines[0][0], ['STOCK.MSPLIT', $order, $part, ...self::lines($lines)], Done::class);
    }

    /** Pools, and behind QTY the quantity of each. */
    private static function lines(array $lines): array
    {
        return [count($lines), ...array_column($lines, 0), 'QTY', ...array_column($lines, 1)];
    }

    public function confirmCart(string $order, array $keys, bool $late = false): Answer
    {
        return $this->cart('STOCK.MCONFIRM', $order, $keys, self::flag('LATE', $late));
    }

    public function releaseCart(string $order, array $keys): Answer
    {
        return $this->cart('STOCK.MRELEASE', $order, $keys, []);
    }

    public function extendCart(string $order, array $keys, array $hold): Answer
    {
        return $this->cart('STOCK.MEXTEND', $order, $keys, self::until($hold));
    }

    public function refundCart(string $order, array $keys, bool $keepUsage = false, bool $noRestock = false): Answer
    {
        return $this->cart('STOCK.MRETURN', $order, $keys, [...self::flag('KEEPUSAGE', $keepUsage), ...self::flag('NORESTOCK', $noRestock)]);
    }

    // `note` says who and why: it is published with the change, in the pool's event stream, and kept nowhere else.

    /** Creates the pool, or corrects what is on hand. `onlyIf`: 'NX' or 'XX'. With NX, `policy` (JSON) is the pool's from its first moment on. */
    public function set(string $key, int|string $onHand, ?string $onlyIf = null, ?string $note = null, ?string $policy = null): Answer
    {
        $words = ['STOCK.SET', $key, $onHand, ...($onlyIf === null ? [] : [$onlyIf]), ...self::option('POLICY', $policy)];
        return $this->changed($key, $words, $note);
    }

    /** A restock, or a write-off (negative). The token makes it repeatable. */
    public function add(string $key, int $delta, string $token, ?string $note = null): Answer
    {
        $words = ['STOCK.ADD', $key, $delta, 'TOKEN', $token, ...self::option('NOTE', $note)];
        return $this->makeDecided($key, $words, Added::class);
    }

    /** Moves free units to another pool of the same slot. The token makes it repeatable. */
    public function transfer(string $from, string $to, int $quantity, string $token, ?string $note = null): Answer
    {
        $words = ['STOCK.TRANSFER', $from, $to, $quantity, 'TOKEN', $token, ...self::option('NOTE', $note)];
        return $this->makeDecided($from, $words, Transferred::class);
    }

    /** @param ?array $after epoch, seq, out of the last event that the database has followed */
    public function reconcile(string $key, int $onHand, ?array $after = null, bool $dryRun = false, ?string $note = null): Answer
    {
        $words = ['STOCK.RECONCILE', $key, $onHand, ...($after === null ? [] : ['AFTER', ...$after]), ...self::flag('DRYRUN', $dryRun)];
        return $this->makeDecided($key, [...$words, ...self::option('NOTE', $note)], Reconciled::class);
    }

    public function suspend(string $key, ?string $note = null): Answer
    {
        return $this->changed($key, ['STOCK.SUSPEND', $key], $note);
    }

    public function resume(string $key, ?string $note = null): Answer
    {
        return $this->changed($key, ['STOCK.RESUME', $key], $note);
    }

    /** Replaces the whole policy; with `merge` (a JSON merge patch) only what it names. */
    public function setPolicy(string $key, string $json, bool $merge = false, ?string $note = null): Answer
    {
        return $this->changed($key, ['STOCK.SETPOLICY', $key, $json, ...self::flag('MERGE', $merge)], $note);
    }

    /** From when and until when the pool sells, in Unix ms; 'NONE' removes a bound, null leaves it. */
    public function schedule(string $key, int|string|null $fromMs = null, int|string|null $untilMs = null, ?string $note = null): Answer
    {
        $words = ['STOCK.SCHEDULE', $key, ...self::option('FROM', $fromMs), ...self::option('UNTIL', $untilMs)];
        return $this->changed($key, $words, $note);
    }

    private function changed(string $key, array $words, ?string $note, array $values = []): Answer
    {
        $words = [...$words, ...self::option('NOTE', $note), ...($values ? ['FOR', ...$values] : [])];
        return $this->make($key, $words, $this->done(...));
    }

    /** Sets a limit, or for the values of `override` another maximum. `rolling`: the last `per` seconds, whenever one looks. */
    public function limit(
        string $key,
        string $by,
        int|string $max,
        string|int|null $per = null,
        ?string $tz = null,
        ?string $count = null,
        ?string $missing = null,
        array $override = [],
        bool $rolling = false,
        ?string $note = null,
    ): Answer {
        $words = ['STOCK.LIMIT', $key, $by, $max, ...self::option('PER', $per), ...self::flag('ROLLING', $rolling)];
        array_push($words, ...self::option('TZ', $tz), ...self::option('COUNT', $count), ...self::option('MISSING', $missing));
        return $this->changed($key, $words, $note, $override);
    }

    /** Removes a limit with its usage, or one override: how many were removed. */
    public function unlimit(
        string $key,
        string $by,
        string|int|null $per = null,
        ?string $count = null,
        array $override = [],
        bool $rolling = false,
        ?string $note = null,
    ): Answer {
        $words = ['STOCK.UNLIMIT', $key, $by, ...self::option('PER', $per), ...self::flag('ROLLING', $rolling)];
        array_push($words, ...self::option('COUNT', $count), ...self::option('NOTE', $note));
        return $this->make($key, [...$words, ...($override ? ['FOR', ...$override] : [])], $this->counted(...));
    }

    public function sweep(string $key, ?int $count = null): Answer
    {
        return $this->make($key, ['STOCK.SWEEP', $key, ...self::option('COUNT', $count)], $this->counted(...));
    }

    /** What can be reserved now, in each pool: -1 unlimited, null no pool. */
    public function available(array $keys): array|Queued
    {
        // phpredis answers nil as false.
        $units = fn ($reply) => array_map(fn ($units) => $units === false ? null : $units, $reply);
        return $this->make($keys[0], ['STOCK.AVAILABLE', ...$keys], $units, true);
    }

    /** Where an order stands: state, quantity, returned, deadline_ms, for. */
    public function order(string $key, string $order): Answer
    {
        return $this->shown($key, ['STOCK.ORDER', $key, $order], 'order', self::view(...));
    }

    private static function view(array $reply): array
    {
        $view = self::map($reply);
        $view['quantity'] = $view['qty'];
        unset($view['qty']);
        return ['for' => self::map($view['for'])] + $view;
    }

    /** Why `reserve` of a new order would be answered as it would, step by step; `answer` is what it would return, or its StockError. */
    public function explain(string $key, ?int $quantity = null, array $for = []): Answer
    {
        $words = self::with(['STOCK.EXPLAIN', $key, ...($quantity === null ? [] : [$quantity])], $for);
        return $this->shown($key, $words, 'explained', function ($reply) {
            $view = self::map($reply);
            [$code, $text] = $view['answer'];
            $failed = in_array($code, ['CONFLICT', 'NODIM', 'ERR'], true);
            $view['answer'] = $failed ? new StockError($code, "$code $text") : $this->decided($view['answer'], Held::class);
            if (isset($view['limits'])) {
                $view['limits'] = array_map(fn ($limit) => self::nilled(self::map($limit)), $view['limits']);
                $view['stock'] = self::nilled(self::map($view['stock']));
                $view['returning'] = self::nilled(self::map($view['returning']));
            }
            return $view;
        });
    }

    /** phpredis answers nil as false. */
    private static function nilled(array $map): array
    {
        return array_map(fn ($value) => $value === false ? null : $value, $map);
    }

    /** Everything about a pool; with `returning` also when held units come back if nobody pays. */
    public function get(string $key, bool $returning = false): Answer
    {
        return $this->shown($key, ['STOCK.GET', $key, ...self::flag('RETURNING', $returning)], 'pool', function ($reply) {
            $view = self::map($reply);
            if (isset($view['returning'])) {
                $view['returning'] = self::nilled(self::map($view['returning']));
            }
            $view['orders'] = self::map($view['orders']);
            foreach (['events', 'on_hand'] as $name) {
                $view[$name] = $view[$name] === false ? null : $view[$name];
            }
            return $view;
        });
    }

    /**
     * One page of all orders, pairs of order and state; with `details` of order and what `order` shows. Its `cursor` is 0 at the end.
     * `for`: attributes of a buyer, as far as limits or the policy's `remember` name them.
     */
    public function orders(
        string $key,
        string $cursor = '0',
        ?string $state = null,
        ?int $count = null,
        bool $details = false,
        array $for = [],
    ): Answer {
        $words = ['STOCK.ORDERS', $key, $cursor, ...self::option('STATE', $state), ...self::flag('DETAILS', $details)];
        $pair = fn ($pair) => is_array($pair[1]) ? [$pair[0], self::view($pair[1])] : $pair;
        $page = fn ($reply) => ['cursor' => $reply[0], 'orders' => array_map($pair, array_chunk($reply[1], 2))];
        return $this->shown($key, self::with([...$words, ...self::option('COUNT', $count)], $for), 'orders', $page);
    }

    /** What each limit has counted for these attributes; `top`: for those that used most. */
    public function usage(string $key, array $for = [], ?int $top = null): Answer
    {
        $rows = fn ($reply) => ['usage' => array_map(self::map(...), $reply)];
        return $this->shown($key, self::with(['STOCK.USAGE', $key, ...self::option('TOP', $top)], $for), 'usage', $rows);
    }

    /** All limits: each with limit, max, tz, missing, overrides. */
    public function limits(string $key): Answer
    {
        return $this->shown($key, ['STOCK.LIMITS', $key], 'limits', fn ($reply) => ['limits' => array_map(self::map(...), $reply)]);
    }

    /** The pool's rules, as JSON. */
    public function policy(string $key): Answer
    {
        return $this->shown($key, ['STOCK.POLICY', $key], 'policy', fn ($reply) => ['policy' => $reply]);
    }

    /** Checks the pool's sums: `differences`, none where all is right. */
    public function verify(string $key): Answer
    {
        $found = fn ($reply) => ['differences' => is_array($reply) ? $reply : []];
        return $this->shown($key, ['STOCK.VERIFY', $key], 'verified', $found);
    }

    private function shown(string $key, array $words, string $type, \Closure $fields): Answer
    {
        $answer = fn ($reply) => $reply === null ? new Nothing() : new Shown($type, $fields($reply));
        return $this->make($key, $words, $answer, true);
    }

    /** Sends any command to the node of `key`, again and again until there is an answer; null for nil. `read`: a replica may answer. */
    public function call(string $key, array $words, bool $read = false): mixed
    {
        if ($read && $this->replicas !== null && ($reply = $this->replicas->read($this->wire, $key, $words)) !== false) {
            return $reply;
        }
        $end = null;
        for ($most = 0.02; ; $most = min(2 * $most, 0.5)) {
            [$error, $code] = [null, null];
            try {
                $reply = $this->wire->send($key, $words);
                if (!$reply instanceof ErrorReply) {
                    return $reply;
                }
                $code = $reply->code;
                if (!in_array($code, self::PASSES, true)) {
                    throw new StockError($code, $reply->text);
                }
            } catch (\RedisException | \RedisClusterException | \Predis\PredisException $error) {
                // Nobody knows.
            }
            $end ??= microtime(true) + $this->within;
            // By chance: so that clients do not come back together.
            $pause = $most * mt_rand(500, 1000) / 1000;
            if (microtime(true) + $pause > $end) {
                throw new Unanswered($code, $error);
            }
            usleep((int) (1e6 * $pause));
            if ($error !== null) {
                $this->wire->reconnect();
            }
        }
    }

    private function decided(array $reply, string $done): Answer
    {
        $word = $reply[0];
        if ($word === 'OK') {
            unset($reply[0]);
            return new $done(...$reply);
        }
        $rest = array_slice($reply, 1);
        return match ($word) {
            'EXISTS' => new Exists(...$rest),
            'SOLDOUT' => new SoldOut(...$rest),
            'LIMITED' => new Limited(...$rest),
            'CLOSED' => new Closed(...$rest),
            'EARLY' => new Early(...$rest),
            'ENDED' => new Ended(...$rest),
            default => new Refused($word, $rest[0]),
        };
    }

    private function cart(string $verb, string $order, array $keys, array $rest): Answer
    {
        return $this->makeDecided($keys[0], [$verb, $order, count($keys), ...$keys, ...$rest], Done::class);
    }

    private function done(mixed $reply): Answer
    {
        return match (true) {
            is_array($reply) => $this->decided($reply, Done::class),
            $reply === null => new Nothing(),
            default => new Done(),
        };
    }

    private function counted(mixed $reply): Answer
    {
        return is_array($reply) ? $this->decided($reply, Done::class) : new Count($reply);
    }

    private static function with(array $words, array $for): array
    {
        if ($for) {
            $words[] = 'FOR';
            foreach ($for as $name => $value) {
                $words[] = $name;
                $words[] = $value;
            }
        }
        return $words;
    }

    private static function until(array $hold): array
    {
        $words = [];
        foreach ($hold as $unit => $time) {
            $words[] = strtoupper($unit);
            $words[] = $time;
        }
        return $words;
    }

    private static function option(string $name, mixed $value): array
    {
        return $value === null ? [] : [$name, $value];
    }

    private static function flag(string $name, bool $given): array
    {
        return $given ? [$name] : [];
    }

    /** A map comes as a flat array. */
    private static function map(mixed $flat): array
    {
        $map = [];
        foreach (array_chunk($flat ?: [], 2) as [$name, $value]) {
            $map[$name] = $value;
        }
        return $map;
    }
}
