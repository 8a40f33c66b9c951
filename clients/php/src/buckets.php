<?php

declare(strict_types=1);

namespace RedisStock;

/** The bucket, 0 to $count - 1, in which a value of a sharded pool's dimension buys: docs/guides/hot-sku.md. */
function bucketOf(string $value, int $count): int
{
    // Modulo 2^32, in halves: a product of two such numbers is too large for an int.
    $times = fn (int $h, int $by): int => (($h & 0xffff) * $by + (((($h >> 16) * $by) & 0xffff) << 16)) & 0xffffffff;
    $h = 0x811c9dc5;
    for ($i = 0, $end = strlen($value); $i < $end; $i++) {
        $h = $times($h ^ ord($value[$i]), 0x01000193);
    }
    $h ^= $h >> 16;
    $h = $times($h, 0x7feb352d);
    $h ^= $h >> 15;
    $h = $times($h, 0x846ca68b);
    $h ^= $h >> 16;
    return ($h * $count) >> 32;
}

/**
 * What a buyer puts down in `{NAME}asks` after this answer of reserve, so that a balancer brings it from other buckets; null: no
 * other bucket can help, and the answer is final. $by is the dimension by which buckets are chosen: a limit that names it is whole
 * in the bucket, and so is one on a single order. The order and the values must be UTF-8.
 */
function askOf(mixed $answer, string $order, int $bucket, int $quantity, string $by): ?string
{
    $ask = [$order, $bucket, $quantity];
    if ($answer instanceof Limited) {
        [$dims, $window, $counted] = explode('/', $answer->limit);
        if (in_array($by, explode('+', $dims), true) || $window === 'order') {
            return null;
        }
        $ask = [$order, $bucket, $counted === 'units' ? $quantity : 1, $answer->limit, $answer->value];
    } elseif (!$answer instanceof SoldOut) {
        return null;
    }
    return json_encode($ask, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
}
