<?php
// One attempt through a client: phpredis or predis.

declare(strict_types=1);

namespace RedisStock;

/** The server's error reply. */
final class ErrorReply
{
    private function __construct(public readonly string $code, public readonly string $text) {}

    /** Null where the text begins with no code: a message of the client's own. */
    public static function of(string $text): ?self
    {
        return preg_match('/^[A-Z]{2,}(?= )/', $text, $found) ? new self($found[0], $text) : null;
    }
}

interface Wire
{
    /** Sends words to the node of `key`: the reply, null for nil, or an ErrorReply. Throws where no answer came. */
    public function send(string $key, array $words): mixed;

    /** Sends all in one round trip: a reply for each, or false where it is not clear; none where it broke, or where the client cannot. */
    public function sendAll(array $calls): array;

    /** After no answer came: makes a new connection, if it can. */
    public function reconnect(): void;

    /** A wire to one node of the cluster. */
    public function to(string $host, int $port, float $timeout): self;
}

/** phpredis answers nil and some error replies with false, others it throws, and status replies are true. */
final class PhpredisWire implements Wire
{
    public function __construct(private \Redis|\RedisCluster $client, private ?\Closure $connect = null) {}

    public function send(string $key, array $words): mixed
    {
        $caught = null;
        try {
            $reply = $this->client instanceof \RedisCluster ? $this->client->rawCommand($key, ...$words) : $this->client->rawCommand(...$words);
            if ($reply !== false) {
                return $reply;
            }
            $text = $this->client->getLastError();
            if ($text === null) {
                return null;
            }
        } catch (\RedisException | \RedisClusterException $caught) {
            // An error reply whose code it does not know; its own messages begin with no code in capitals.
            $text = $caught->getMessage();
        }
        $error = ErrorReply::of($text);
        if ($error !== null) {
            $this->client->clearLastError();
        }
        return $error ?? throw $caught ?? new \RedisException($text);
    }

    public function sendAll(array $calls): array
    {
        if ($this->client instanceof \RedisCluster) {
            return [];
        }
        try {
            $this->client->multi(\Redis::PIPELINE);
            foreach ($calls as $words) {
                $this->client->rawCommand(...$words);
            }
            // false: nil, or an error. It does not say of which call.
            $replies = $this->client->exec();
            $this->client->clearLastError();
            return is_array($replies) ? $replies : [];
        } catch (\RedisException) {
            $this->reconnect();
            return [];
        }
    }

    public function reconnect(): void
    {
        try {
            $this->client = $this->connect === null ? $this->client : ($this->connect)();
        } catch (\RedisException | \RedisClusterException) {
            // The next attempt says so, too.
        }
    }

    public function to(string $host, int $port, float $timeout): self
    {
        $client = new \Redis();
        $client->connect($host, $port, $timeout, null, 0, $timeout);
        return new self($client);
    }
}

/** predis 3: a command that it does not know is raw, and in a cluster it refuses one whose slot it is not told. */
final class PredisWire implements Wire
{
    public function __construct(private \Predis\ClientInterface $client) {}

    public function send(string $key, array $words): mixed
    {
        $command = self::command($words);
        $connection = $this->client->getConnection();
        try {
            if ($connection instanceof \Predis\Connection\Cluster\RedisCluster) {
                $command->setSlot($connection->getClusterStrategy()->getSlotByKey($key));
            }
            $reply = $connection->executeCommand($command);
        } catch (\Predis\Response\ServerException $error) {
            return ErrorReply::of($error->getMessage()) ?? throw $error;
        }
        return self::plain($reply);
    }

    public function sendAll(array $calls): array
    {
        $connection = $this->client->getConnection();
        if (!$connection instanceof \Predis\Connection\NodeConnectionInterface) {
            return [];
        }
        $commands = array_map(self::command(...), $calls);
        try {
            foreach ($commands as $command) {
                $connection->writeRequest($command);
            }
            $replies = [];
            foreach ($commands as $command) {
                $reply = self::plain($connection->readResponse($command));
                $replies[] = $reply instanceof ErrorReply ? false : $reply;
            }
            return $replies;
        } catch (\Predis\PredisException) {
            $this->reconnect();
            return [];
        }
    }

    public function reconnect(): void
    {
        // It connects again by itself.
        $this->client->disconnect();
    }

    public function to(string $host, int $port, float $timeout): self
    {
        return new self(new \Predis\Client(['host' => $host, 'port' => $port, 'timeout' => $timeout, 'read_write_timeout' => $timeout]));
    }

    private static function command(array $words): \Predis\Command\RawCommand
    {
        return new \Predis\Command\RawCommand(array_shift($words), $words);
    }

    private static function plain(mixed $reply): mixed
    {
        return match (true) {
            $reply instanceof \Predis\Response\ErrorInterface => ErrorReply::of($reply->getMessage()) ?? throw new \RuntimeException($reply->getMessage()),
            $reply instanceof \Predis\Response\ResponseInterface => (string) $reply,
            is_array($reply) => array_map(self::plain(...), $reply),
            default => $reply,
        };
    }
}
