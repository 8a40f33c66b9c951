<?php

declare(strict_types=1);

namespace RedisStock;

require_once __DIR__ . '/answers.php';

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

    /**
     * @param float $within seconds in which a call is repeated
     * @param ?\Closure $reconnect answers a client with a new connection: phpredis does not always find back to a node by itself
     */
    public function __construct(private \Redis|\RedisCluster $client, private float $within = 10.0, private ?\Closure $reconnect = null)
    {
        $this->cluster = $client instanceof \RedisCluster;
    }

    public function reserve(string $key, string $order, int $quantity, array $hold = [], array $for = [], bool $partial = false): Answer
    {
        $words = ['STOCK.RESERVE', $key, $order, $quantity];
        foreach ($hold as $unit => $time) {
            $words[] = $unit;
            $words[] = $time;
        }
        if ($partial) {
            $words[] = 'PARTIAL';
        }
        return $this->decided($this->call($key, self::with($words, $for)), Held::class);
    }

    public function check(string $key, int $quantity, array $for = []): Answer
    {
        return $this->decided($this->call($key, self::with(['STOCK.CHECK', $key, $quantity], $for)), Held::class);
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
        return $this->decided($this->call($key, self::with($words, $for)), Confirmed::class);
    }

    public function release(string $key, string $order): Answer
    {
        return $this->decided($this->call($key, ['STOCK.RELEASE', $key, $order]), Released::class);
    }

    public function amend(string $key, string $order, int $quantity): Answer
    {
        return $this->decided($this->call($key, ['STOCK.AMEND', $key, $order, $quantity]), Amended::class);
    }

    public function extend(string $key, string $order, array $hold): Answer
    {
        return $this->decided($this->call($key, ['STOCK.EXTEND', $key, $order, ...self::until($hold)]), Extended::class);
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
        return $this->decided($this->call($key, $words), Returned::class);
    }

    /** MRESERVE: `lines` are pairs of pool and quantity. All of it, or nothing. In a cluster the pools share a hash tag. */
    public function reserveCart(string $order, array $lines, array $hold = [], array $for = []): Answer
    {
        [$keys, $quantities] = [array_column($lines, 0), array_column($lines, 1)];
        $words = ['STOCK.MRESERVE', $order, count($keys), ...$keys, 'QTY', ...$quantities, ...self::until($hold)];
        return $this->decided($this->call($keys[0], self::with($words, $for)), CartHeld::class);
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
        return $this->done($this->call($key, ['STOCK.SET', $key, $onHand, ...($onlyIf === null ? [] : [$onlyIf])]));
    }

    /** A restock, or a write-off (negative). The token makes it repeatable. */
    public function add(string $key, int $delta, string $token): Answer
    {
        return $this->decided($this->call($key, ['STOCK.ADD', $key, $delta, 'TOKEN', $token]), Added::class);
    }

    /** @param ?array $after epoch, seq, out of the last event that the database has followed */
    public function reconcile(string $key, int $onHand, ?array $after = null, bool $dryRun = false): Answer
    {
        $words = ['STOCK.RECONCILE', $key, $onHand, ...($after === null ? [] : ['AFTER', ...$after]), ...self::flag('DRYRUN', $dryRun)];
        return $this->decided($this->call($key, $words), Reconciled::class);
    }

    public function suspend(string $key): Answer
    {
        return $this->done($this->call($key, ['STOCK.SUSPEND', $key]));
    }

    public function resume(string $key): Answer
    {
        return $this->done($this->call($key, ['STOCK.RESUME', $key]));
    }

    public function setPolicy(string $key, string $json): Answer
    {
        return $this->done($this->call($key, ['STOCK.SETPOLICY', $key, $json]));
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
        return $this->done($this->call($key, [...$words, ...($override ? ['FOR', ...$override] : [])]));
    }

    public function unlimit(string $key, string $by, string|int|null $per = null, ?string $count = null, array $override = []): Answer
    {
        $words = ['STOCK.UNLIMIT', $key, $by, ...self::option('PER', $per), ...self::option('COUNT', $count)];
        return $this->counted($this->call($key, [...$words, ...($override ? ['FOR', ...$override] : [])]));
    }

    public function sweep(string $key, ?int $count = null): Answer
    {
        return $this->counted($this->call($key, ['STOCK.SWEEP', $key, ...self::option('COUNT', $count)]));
    }

    /** What can be reserved now, in each pool: -1 unlimited, null no pool. */
    public function available(array $keys): array
    {
        // phpredis answers nil as false.
        return array_map(fn ($units) => $units === false ? null : $units, $this->call($keys[0], ['STOCK.AVAILABLE', ...$keys]));
    }

    /** Where an order stands: state, quantity, returned, deadline_ms, for. */
    public function order(string $key, string $order): Answer
    {
        $reply = $this->call($key, ['STOCK.ORDER', $key, $order]);
        if ($reply === null) {
            return new Nothing();
        }
        $view = self::map($reply);
        $view['quantity'] = $view['qty'];
        unset($view['qty']);
        return new Shown('order', ['for' => self::map($view['for'])] + $view);
    }

    /** Everything about a pool. */
    public function get(string $key): Answer
    {
        $reply = $this->call($key, ['STOCK.GET', $key]);
        if ($reply === null) {
            return new Nothing();
        }
        $view = self::map($reply);
        $view['orders'] = self::map($view['orders']);
        $view['events'] = $view['events'] === false ? null : $view['events'];
        return new Shown('pool', $view);
    }

    /**
     * Sends any command to the node of `key`, again and again until there is an answer; null for nil.
     *
     * phpredis answers nil and errors with false, and status replies with true.
     */
    public function call(string $key, array $words): mixed
    {
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
        return $this->decided($this->call($keys[0], [$verb, $order, count($keys), ...$keys, ...$rest]), Done::class);
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
