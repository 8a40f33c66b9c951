<?php

declare(strict_types=1);

namespace RedisStock;

require_once __DIR__ . '/answers.php';
require_once __DIR__ . '/buckets.php';
require_once __DIR__ . '/Replicas.php';

/**
 * Sells through phpredis: `\Redis`, or `\RedisCluster`. Give them a read timeout: it bounds one attempt.
 *
 * Every call carries an order id or a token, and is repeated until there is an answer. `hold` is one of ['ex' => seconds],
 * ['px' => milliseconds], ['pxat' => Unix time in milliseconds]; `for` is what limits count by: ['user' => 42].
 */
final class Stock
{
    // Codes of error replies that pass by themselves: the node could not serve the call just now, and has done nothing.
    private const PASSES = ['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY', 'MOVED', 'ASK', 'BUSY'];

    private bool $cluster;
    /** The calls of a pipeline, while it is being filled: key, words, what makes the answer. */
    private ?array $waiting = null;

    /**
     * @param float $within seconds in which a call is repeated
     * @param ?\Closure $reconnect answers a client with a new connection: phpredis does not always find back to a node by itself
     * @param ?Replicas $replicas of a cluster: reads go to them
     */
    public function __construct(
        private \Redis|\RedisCluster $client,
        private float $within = 10.0,
        private ?\Closure $reconnect = null,
        private ?Replicas $replicas = null,
    ) {
        $this->cluster = $client instanceof \RedisCluster;
    }

    /**
     * Makes the calls of `$calls`, which gets a Stock to make them through, all at once, and gives their answers: each as the
     * call would, a StockError or Unanswered as a value. What got no clear answer is asked for again by itself, so calls that
     * follow from each other do not belong into one pipeline. RedisCluster has no pipeline: there, one after the other.
     */
    public function pipeline(\Closure $calls): array
    {
        $collector = clone $this;
        $collector->waiting = [];
        $calls($collector);
        $replies = $this->cluster ? [] : $this->atOnce(array_column($collector->waiting, 1));
        $answers = [];
        foreach ($collector->waiting as $n => [$key, $words, $read, $make]) {
            try {
                // false: nil, or an error. phpredis does not say of which call, so it is made again.
                $reply = $replies[$n] ?? false;
                $answers[] = $make($reply === false ? $this->call($key, $words, $read) : $reply);
            } catch (StockError | Unanswered $error) {
                $answers[] = $error;
            }
        }
        return $answers;
    }

    /** The replies of one round trip; none where it broke. */
    private function atOnce(array $calls): array
    {
        try {
            $this->client->multi(\Redis::PIPELINE);
            foreach ($calls as $words) {
                $this->client->rawCommand(...$words);
            }
            $replies = $this->client->exec();
            $this->client->clearLastError();
            return is_array($replies) ? $replies : [];
        } catch (\RedisException) {
            try {
                $this->client = $this->reconnect === null ? $this->client : ($this->reconnect)();
            } catch (\RedisException) {
                // The single calls say so, too.
            }
            return [];
        }
    }

    /** Makes a call and its answer, or keeps both for the pipeline. */
    private function make(string $key, array $words, \Closure $make, bool $read = false): mixed
    {
        if ($this->waiting === null) {
            return $make($this->call($key, $words, $read));
        }
        $this->waiting[] = [$key, $words, $read, $make];
        return new Queued();
    }

    private function makeDecided(string $key, array $words, string $done, bool $read = false): mixed
    {
        return $this->make($key, $words, fn ($reply) => $this->decided($reply, $done), $read);
    }

    public function reserve(string $key, string $order, int $quantity, array $hold = [], array $for = [], bool $partial = false): Answer
    {
        $words = ['STOCK.RESERVE', $key, $order, $quantity, ...self::until($hold), ...self::flag('PARTIAL', $partial)];
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

    public function release(string $key, string $order): Answer
    {
        return $this->makeDecided($key, ['STOCK.RELEASE', $key, $order], Released::class);
    }

    public function amend(string $key, string $order, int $quantity): Answer
    {
        return $this->makeDecided($key, ['STOCK.AMEND', $key, $order, $quantity], Amended::class);
    }

    public function extend(string $key, string $order, array $hold): Answer
    {
        return $this->makeDecided($key, ['STOCK.EXTEND', $key, $order, ...self::until($hold)], Extended::class);
    }

    /** RETURN: all that is left, or `quantity` of it under a `token` that makes the refund repeatable. */
    public function refund(
        string $key,
        string $order,
        ?int $quantity = null,
        ?string $token = null,
        bool $late = false,
        bool $keepUsage = false,
        bool $noRestock = false,
    ): Answer {
        $words = ['STOCK.RETURN', $key, $order, ...self::option('QTY', $quantity), ...self::option('TOKEN', $token)];
        array_push($words, ...self::flag('LATE', $late), ...self::flag('KEEPUSAGE', $keepUsage), ...self::flag('NORESTOCK', $noRestock));
        return $this->makeDecided($key, $words, Returned::class);
    }

    /** MRESERVE: `lines` are pairs of pool and quantity. All of it, or nothing. In a cluster the pools share a hash tag. */
    public function reserveCart(string $order, array $lines, array $hold = [], array $for = []): Answer
    {
        [$keys, $quantities] = [array_column($lines, 0), array_column($lines, 1)];
        $words = ['STOCK.MRESERVE', $order, count($keys), ...$keys, 'QTY', ...$quantities, ...self::until($hold)];
        return $this->makeDecided($keys[0], self::with($words, $for), CartHeld::class);
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

    /** Creates the pool, or corrects what is on hand. `onlyIf`: 'NX' or 'XX'. */
    public function set(string $key, int|string $onHand, ?string $onlyIf = null): Answer
    {
        return $this->make($key, ['STOCK.SET', $key, $onHand, ...($onlyIf === null ? [] : [$onlyIf])], $this->done(...));
    }

    /** A restock, or a write-off (negative). The token makes it repeatable. */
    public function add(string $key, int $delta, string $token): Answer
    {
        return $this->makeDecided($key, ['STOCK.ADD', $key, $delta, 'TOKEN', $token], Added::class);
    }

    /** Moves free units to another pool of the same slot. The token makes it repeatable. */
    public function transfer(string $from, string $to, int $quantity, string $token): Answer
    {
        return $this->makeDecided($from, ['STOCK.TRANSFER', $from, $to, $quantity, 'TOKEN', $token], Transferred::class);
    }

    /** @param ?array $after epoch, seq, out of the last event that the database has followed */
    public function reconcile(string $key, int $onHand, ?array $after = null, bool $dryRun = false): Answer
    {
        $words = ['STOCK.RECONCILE', $key, $onHand, ...($after === null ? [] : ['AFTER', ...$after]), ...self::flag('DRYRUN', $dryRun)];
        return $this->makeDecided($key, $words, Reconciled::class);
    }

    public function suspend(string $key): Answer
    {
        return $this->make($key, ['STOCK.SUSPEND', $key], $this->done(...));
    }

    public function resume(string $key): Answer
    {
        return $this->make($key, ['STOCK.RESUME', $key], $this->done(...));
    }

    public function setPolicy(string $key, string $json): Answer
    {
        return $this->make($key, ['STOCK.SETPOLICY', $key, $json], $this->done(...));
    }

    /** From when and until when the pool sells, in Unix ms; 'NONE' removes a bound, null leaves it. */
    public function schedule(string $key, int|string|null $fromMs = null, int|string|null $untilMs = null): Answer
    {
        $words = ['STOCK.SCHEDULE', $key, ...self::option('FROM', $fromMs), ...self::option('UNTIL', $untilMs)];
        return $this->make($key, $words, $this->done(...));
    }

    public function limit(
        string $key,
        string $by,
        int|string $max,
        string|int|null $per = null,
        ?string $tz = null,
        ?string $count = null,
        ?string $missing = null,
        array $override = [],
    ): Answer {
        $words = ['STOCK.LIMIT', $key, $by, $max, ...self::option('PER', $per), ...self::option('TZ', $tz)];
        array_push($words, ...self::option('COUNT', $count), ...self::option('MISSING', $missing));
        return $this->make($key, [...$words, ...($override ? ['FOR', ...$override] : [])], $this->done(...));
    }

    public function unlimit(string $key, string $by, string|int|null $per = null, ?string $count = null, array $override = []): Answer
    {
        $words = ['STOCK.UNLIMIT', $key, $by, ...self::option('PER', $per), ...self::option('COUNT', $count)];
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
        return $this->shown($key, ['STOCK.ORDER', $key, $order], 'order', function ($reply) {
            $view = self::map($reply);
            $view['quantity'] = $view['qty'];
            unset($view['qty']);
            return ['for' => self::map($view['for'])] + $view;
        });
    }

    /** Everything about a pool. */
    public function get(string $key): Answer
    {
        return $this->shown($key, ['STOCK.GET', $key], 'pool', function ($reply) {
            $view = self::map($reply);
            $view['orders'] = self::map($view['orders']);
            foreach (['events', 'on_hand'] as $name) {
                $view[$name] = $view[$name] === false ? null : $view[$name];
            }
            return $view;
        });
    }

    /** One page of all orders, pairs of order and state; its `cursor` is 0 at the end. */
    public function orders(string $key, string $cursor = '0', ?string $state = null, ?int $count = null): Answer
    {
        $words = ['STOCK.ORDERS', $key, $cursor, ...self::option('STATE', $state), ...self::option('COUNT', $count)];
        $page = fn ($reply) => ['cursor' => $reply[0], 'orders' => array_chunk($reply[1], 2)];
        return $this->shown($key, $words, 'orders', $page);
    }

    /** What each limit has counted for these attributes. */
    public function usage(string $key, array $for = []): Answer
    {
        $rows = fn ($reply) => ['usage' => array_map(self::map(...), $reply)];
        return $this->shown($key, self::with(['STOCK.USAGE', $key], $for), 'usage', $rows);
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

    /**
     * Sends any command to the node of `key`, again and again until there is an answer; null for nil.
     *
     * phpredis answers nil and errors with false, and status replies with true. `read`: a replica may answer.
     */
    public function call(string $key, array $words, bool $read = false): mixed
    {
        if ($read && $this->replicas !== null && ($reply = $this->replicas->read($this->client, $key, $words)) !== false) {
            return $reply;
        }
        $end = null;
        for ($most = 0.02; ; $most = min(2 * $most, 0.5)) {
            [$error, $code] = [null, null];
            try {
                $reply = $this->cluster ? $this->client->rawCommand($key, ...$words) : $this->client->rawCommand(...$words);
                if ($reply !== false) {
                    return $reply;
                }
                $text = $this->client->getLastError();
                if ($text === null) {
                    return null;
                }
            } catch (\RedisException | \RedisClusterException $caught) {
                // phpredis throws error replies whose code it does not know; its own messages begin with no code in capitals.
                $text = $caught->getMessage();
                $error = $caught;
            }
            if (preg_match('/^[A-Z]{2,}(?= )/', $text, $found)) {
                $this->client->clearLastError();
                [$code, $error] = [$found[0], null];
                if (!in_array($code, self::PASSES, true)) {
                    throw new StockError($code, $text);
                }
            }
            $end ??= microtime(true) + $this->within;
            // By chance: so that clients do not come back together.
            $pause = $most * mt_rand(500, 1000) / 1000;
            if (microtime(true) + $pause > $end) {
                throw new Unanswered($code, $error);
            }
            usleep((int) (1e6 * $pause));
            if ($error !== null && $this->reconnect !== null) {
                try {
                    $this->client = ($this->reconnect)();
                } catch (\RedisException | \RedisClusterException) {
                    // The next attempt says so, too.
                }
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
            array_push($words, strtoupper($unit), $time);
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
