<?php
// What the server answers, as values. Whatever is a `Refused` is something to tell the buyer, not a fault.

declare(strict_types=1);

namespace RedisStock;

/** The answer of a command that decides something. */
abstract class Answer
{
    public const TYPE = '';
}

/** RESERVE: units are held until `deadline_ms`. CHECK: they would be. */
final class Held extends Answer
{
    public const TYPE = 'held';
    public function __construct(public readonly int $quantity, public readonly int $available, public readonly int $deadline_ms) {}
}

final class Confirmed extends Answer
{
    public const TYPE = 'confirmed';
    public function __construct(public readonly int $quantity, public readonly int $sold) {}
}

final class Released extends Answer
{
    public const TYPE = 'released';
    public function __construct(public readonly int $quantity, public readonly int $available) {}
}

final class Amended extends Answer
{
    public const TYPE = 'amended';
    public function __construct(public readonly int $quantity, public readonly int $available) {}
}

/** SPLIT: `quantity` units went over, `left` stay with the order; both until `deadline_ms`. */
final class Split extends Answer
{
    public const TYPE = 'split';
    public function __construct(public readonly int $quantity, public readonly int $left, public readonly int $deadline_ms) {}
}

final class Extended extends Answer
{
    public const TYPE = 'extended';
    public function __construct(public readonly int $deadline_ms) {}
}

final class Returned extends Answer
{
    public const TYPE = 'returned';
    public function __construct(public readonly int $quantity, public readonly int $available, public readonly int $sold) {}
}

final class CartHeld extends Answer
{
    public const TYPE = 'cart_held';
    public function __construct(public readonly int $deadline_ms) {}
}

/** Done, and nothing more to say: carts, SET, LIMIT and their like. */
final class Done extends Answer
{
    public const TYPE = 'done';
}

/** SET that NX or XX forbade; a read of a pool, or order, that is not there. */
final class Nothing extends Answer
{
    public const TYPE = 'nothing';
}

final class Added extends Answer
{
    public const TYPE = 'added';
    public function __construct(public readonly int $on_hand, public readonly int $available) {}
}

/** What is in the pool that the units came from, and in the one that they went to. */
final class Transferred extends Answer
{
    public const TYPE = 'transferred';
    public function __construct(
        public readonly int $on_hand, public readonly int $available, public readonly int $to_on_hand, public readonly int $to_available
    ) {}
}

final class Reconciled extends Answer
{
    public const TYPE = 'reconciled';
    public function __construct(public readonly int $drift, public readonly int $on_hand, public readonly int $available) {}
}

/** SWEEP, UNLIMIT: how many. */
final class Count extends Answer
{
    public const TYPE = 'count';
    public function __construct(public readonly int $count) {}
}

/** This call was made before, and nothing was done twice. `state` says where the order stands. */
final class Exists extends Answer
{
    public const TYPE = 'exists';
    public function __construct(
        public readonly string $key,
        public readonly string $state,
        public readonly int $quantity,
        public readonly int $returned,
        public readonly int $deadline_ms,
    ) {}
}

/** Inside a pipeline: the answer comes when it has been sent. */
final class Queued extends Answer
{
    public const TYPE = 'queued';
}

/** What a read shows: its fields by the names of the README; `qty` is called `quantity`. */
final class Shown extends Answer
{
    public function __construct(public readonly string $type, public readonly array $fields) {}

    public function __get(string $name): mixed
    {
        return $this->fields[$name];
    }
}

/** The pool said no, and nothing has changed. `word`: EXPIRED, CONFIRMED, RESERVED, SUSPENDED, NOORDER, NOPOOL, UNKNOWN, one of a newer server, or: */
class Refused extends Answer
{
    public const TYPE = 'refused';
    public function __construct(public readonly string $word, public readonly string $key) {}
}

final class SoldOut extends Refused
{
    public function __construct(string $key, public readonly int $available)
    {
        parent::__construct('SOLDOUT', $key);
    }
}

final class Closed extends Refused
{
    public function __construct(string $key, public readonly string $state)
    {
        parent::__construct('CLOSED', $key);
    }
}

/** The sale has not begun: it does at `from_ms`. */
final class Early extends Refused
{
    public function __construct(string $key, public readonly int $from_ms)
    {
        parent::__construct('EARLY', $key);
    }
}

/** The sale is over, since `until_ms`. */
final class Ended extends Refused
{
    public function __construct(string $key, public readonly int $until_ms)
    {
        parent::__construct('ENDED', $key);
    }
}

final class Limited extends Refused
{
    public function __construct(
        string $key,
        public readonly string $limit,
        public readonly array $value,
        public readonly int $used,
        public readonly int $max,
        public readonly int $resets_ms,
    ) {
        parent::__construct('LIMITED', $key);
    }
}

/** An error reply: a bug of the caller, or a server that takes no such call now. Nothing was done. `stock`: its first word. */
final class StockError extends \RuntimeException
{
    public function __construct(public readonly string $stock, string $message)
    {
        parent::__construct($message);
    }
}

/** No answer within the time limit: nobody knows. Make the same call again, or RELEASE the order. */
final class Unanswered extends \RuntimeException
{
    public function __construct(public readonly ?string $stock, ?\Throwable $last = null)
    {
        parent::__construct('no answer within the time limit: ' . ($stock ?? $last?->getMessage()), 0, $last);
    }
}
