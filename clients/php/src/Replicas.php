<?php

declare(strict_types=1);

namespace RedisStock;

/**
 * Connections to the replicas of a cluster. RedisCluster of phpredis 5.3.7 sends a rawCommand to primaries only, whatever
 * its failover option says (findings/phpredis-rawcommand-never-reads-replicas.sh), and predis knows primaries only.
 */
final class Replicas
{
    /** Ranges of slots: first, last, replicas as host:port. Asked for when a read needs it. */
    private ?array $ranges = null;
    private array $connections = [];

    /** @param float $timeout seconds for one answer */
    public function __construct(private float $timeout = 0.5) {}

    /** What a replica of the key's slot answers; false where none has a clear answer: then the primary is asked. */
    public function read(Wire $cluster, string $key, array $words): mixed
    {
        try {
            $this->ranges ??= self::ranges($cluster, $key);
            $slot = self::slot($key);
            foreach ($this->ranges as [$first, $last, $nodes]) {
                if ($first <= $slot && $slot <= $last && $nodes) {
                    $reply = $this->connection($cluster, $nodes[array_rand($nodes)])->send($key, $words);
                    return $reply === null || $reply instanceof ErrorReply ? false : $reply;
                }
            }
        } catch (\RedisException | \RedisClusterException | \Predis\PredisException) {
            // Another node may have the slot now.
            $this->ranges = null;
            $this->connections = [];
        }
        return false;
    }

    private function connection(Wire $cluster, string $node): Wire
    {
        if (!isset($this->connections[$node])) {
            [$host, $port] = explode(' ', $node);
            $replica = $cluster->to($host, (int) $port, $this->timeout);
            $replica->send('', ['READONLY']);
            $this->connections[$node] = $replica;
        }
        return $this->connections[$node];
    }

    private static function ranges(Wire $cluster, string $key): array
    {
        $ranges = [];
        $found = $cluster->send($key, ['CLUSTER', 'SLOTS']);
        foreach (is_array($found) ? $found : [] as $range) {
            $ranges[] = [$range[0], $range[1], array_map(fn ($node) => "$node[0] $node[1]", array_slice($range, 3))];
        }
        return $ranges;
    }

    /** CRC16 (XMODEM) of the hash tag. */
    private static function slot(string $key): int
    {
        if (($open = strpos($key, '{')) !== false && ($close = strpos($key, '}', $open)) > $open + 1) {
            $key = substr($key, $open + 1, $close - $open - 1);
        }
        $crc = 0;
        for ($n = 0; $n < strlen($key); $n++) {
            $crc ^= ord($key[$n]) << 8;
            for ($bit = 0; $bit < 8; $bit++) {
                $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff : $crc << 1;
            }
        }
        return $crc % 16384;
    }
}
