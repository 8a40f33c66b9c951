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
