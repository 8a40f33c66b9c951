<?php
// A small shop: php shop.php 6379 [--cluster]

declare(strict_types=1);

require_once __DIR__ . '/src/Stock.php';

use RedisStock\{Limited, Refused, Replicas, SoldOut, Stock, StockError};

/** What a buyer is told. */
function tell(Refused $no): string
{
    return match (true) {
        $no instanceof Limited => "LIMITED $no->limit, $no->used of $no->max",
        $no instanceof SoldOut => "SOLDOUT, $no->available left",
        default => "$no->word $no->key",
    };
}

function shop(Stock $shop): void
{
    // One hash tag: the pools of a cart share a slot.
    [$pen, $ink, $cap] = ['{618}pen', '{618}ink', '{618}cap'];

    // Before the sale. NX: a second run does not put sold units back.
    $shop->set($pen, 10, 'NX');
    $shop->set($ink, 5, 'NX');
    $shop->set($cap, 'UNLIMITED', 'NX');
    $shop->limit($pen, 'user', 2, per: 'DAY');
    $shop->limit($cap, 'user', 4);
    echo "preloaded\n";

    // One call per sale: it checks stock and limits, takes the units, and remembers the order.
    $taken = $shop->reserve($pen, 'order-1', 2, ['ex' => 900], ['user' => 42]);
    echo "held: $taken->quantity, $taken->available left\n";
    // Where an answer gets lost the call is made again, and `Exists` tells where the order stands.
    foreach (['order-lost' => 43, 'order-slow' => 44] as $order => $user) {
        if (!$shop->reserve($pen, $order, 1, ['ex' => 900], ['user' => $user]) instanceof Refused) {
            echo "held: $order\n";
        }
    }
    echo 'refused: ', tell($shop->reserve($pen, 'order-2', 1, for: ['user' => 42])), "\n";
    echo 'refused: ', tell($shop->reserve($ink, 'order-3', 6, for: ['user' => 45])), "\n";

    // A cart: all of it, or nothing.
    $lines = [[$pen, 1], [$ink, 1], [$cap, 2]];
    if (!$shop->reserveCart('order-cart', $lines, ['ex' => 900], ['user' => 45]) instanceof Refused) {
        echo "cart held\n";
    }
    $no = $shop->reserveCart('order-cart-2', [[$ink, 3], [$cap, 3]], for: ['user' => 45]);
    echo "cart refused: $no->word $no->key\n";

    // Paid, cancelled, and the page that polls.
    $paid = $shop->confirm($pen, 'order-1');
    echo "paid: $paid->quantity $paid->sold\n";
    if (!$shop->confirmCart('order-cart', [$pen, $ink, $cap]) instanceof Refused) {
        echo "cart paid\n";
    }
    $back = $shop->release($pen, 'order-lost');
    echo "cancelled: $back->quantity $back->available\n";
    $order = $shop->order($pen, 'order-1');
    echo "poll: $order->state $order->quantity\n";

    // The payment comes when the hold is over.
    $shop->reserve($ink, 'order-late', 1, ['px' => 1], ['user' => 46]);
    usleep(50_000);
    $late = $shop->confirm($ink, 'order-late');
    if ($late instanceof Refused) {
        echo "too late: $late->word\n";
        echo 'honoured: OK ', $shop->confirm($ink, 'order-late', late: true)->quantity, "\n";
    }

    // One of the two pens comes back. The token makes the refund repeatable.
    $refund = $shop->refund($pen, 'order-1', 1, 'refund-1');
    echo "refunded: $refund->quantity $refund->available $refund->sold\n";

    // Errors are bugs of the caller, and not caught by a shop.
    foreach ([['order-1', ['user' => 42]], ['order-4', []]] as [$order, $for]) {
        try {
            $shop->reserve($pen, $order, 1, for: $for);
        } catch (StockError $bug) {
            echo "bug: $bug->stock\n";
        }
    }
    echo 'left: ', implode(' ', $shop->available([$pen, $ink])), "\n";
}

/** Through predis, whose autoloader has been loaded. */
function openPredis(int $port, bool $cluster, float $timeout = 0.5, float $within = 10.0, bool $replicas = false): Stock
{
    $node = ['host' => '127.0.0.1', 'port' => $port, 'timeout' => $timeout, 'read_write_timeout' => $timeout];
    $options = ['cluster' => 'redis', 'parameters' => ['timeout' => $timeout, 'read_write_timeout' => $timeout]];
    $client = $cluster ? new Predis\Client([$node], $options) : new Predis\Client($node);
    return new Stock($client, $within, replicas: $replicas ? new Replicas($timeout) : null);
}

function open(int $port, bool $cluster, float $timeout = 0.5, float $within = 10.0, bool $replicas = false): Stock
{
    $connect = function () use ($port, $cluster, $timeout): Redis|RedisCluster {
        if ($cluster) {
            return new RedisCluster(null, ["127.0.0.1:$port"], $timeout, $timeout);
        }
        $client = new Redis();
        $client->connect('127.0.0.1', $port, $timeout, null, 0, $timeout);
        return $client;
    };
    return new Stock($connect(), $within, $connect, $replicas ? new Replicas($timeout) : null);
}

if (realpath($argv[0]) === __FILE__) {
    shop(open((int) $argv[1], in_array('--cluster', $argv, true)));
}
