<?php
// What the tests ask of every client library: php drive.php phpredis|predis PORT [--cluster] [--replicas] MODE [ARGS]. See clients/README.md.

declare(strict_types=1);

require_once __DIR__ . '/../shop.php';

use RedisStock\{Answer, Exists, Refused, Shown, Stock, StockError, Unanswered};

$flags = array_filter($argv, fn ($word) => str_starts_with($word, '--'));
[, $library, $port, $mode] = $rest = array_values(array_diff($argv, $flags));
$args = array_slice($rest, 4);
$within = (float) (getenv('STOCK_PATIENCE_MS') ?: 10000) / 1000;
$replicas = in_array('--replicas', $flags, true);
if ($library === 'predis') {
    require getenv('STOCK_PREDIS') . '/../Psr/Http/Message/autoload.php';
    require getenv('STOCK_PREDIS') . '/Autoloader.php';
    Predis\Autoloader::register();
}
$open = $library === 'predis' ? openPredis(...) : open(...);
$stock = $open((int) $port, in_array('--cluster', $flags, true), 0.5, $within, $replicas);

/** In the strings of the vectors a character is a byte. */
function raw(mixed $json): mixed
{
    return is_string($json) ? iconv('UTF-8', 'ISO-8859-1', $json) : (is_array($json) ? array_map(raw(...), $json) : $json);
}

function latin(mixed $value): mixed
{
    return is_string($value) ? iconv('ISO-8859-1', 'UTF-8', $value) : (is_array($value) ? array_map(latin(...), $value) : $value);
}

/** An order of a batch: id, quantity, and a value for each dimension. */
function ordered(array $one, array $dims): array
{
    return [$one[0], $one[1], array_combine($dims, array_slice($one, 2))];
}

/** One call of the vectors. */
function typed(Stock $stock, string $method, array $g): mixed
{
    $for = array_column($g['for'] ?? [], 1, 0);
    [$key, $order, $keys, $hold] = [$g['key'] ?? '', $g['order'] ?? '', $g['keys'] ?? [], $g['hold'] ?? []];
    [$quantity, $late, $count] = [$g['quantity'] ?? null, $g['late'] ?? false, $g['count'] ?? null];
    $back = [$g['keep_usage'] ?? false, $g['no_restock'] ?? false];
    [$note, $replaces] = [$g['note'] ?? null, $g['replaces'] ?? null];
    $rules = [$g['per'] ?? null, $g['tz'] ?? null, $count, $g['missing'] ?? null, $g['for'] ?? [], $g['rolling'] ?? false, $note];
    $named = [$g['per'] ?? null, $count, $g['for'] ?? [], $g['rolling'] ?? false, $note];
    return match ($method) {
        'reserve' => $stock->reserve($key, $order, $quantity, $hold, $for, $g['partial'] ?? false, $replaces),
        'check' => $stock->check($key, $quantity, $for),
        'confirm' => $stock->confirm($key, $order, $quantity, $late, $g['since_ms'] ?? null, $for),
        'release' => $stock->release($key, $order),
        'amend' => $stock->amend($key, $order, $quantity),
        'extend' => $stock->extend($key, $order, $hold),
        'return' => $stock->refund($key, $order, $quantity, $g['token'] ?? null, $late, ...$back, for: $for),
        'split' => $stock->split($key, $order, $g['part'], $quantity),
        'reservebatch' => $stock->reserveBatch($key, array_map(fn ($one) => ordered($one, $g['dims'] ?? []), $g['orders']), $hold),
        'confirmbatch' => $stock->confirmBatch($key, $g['orders']),
        'msplit' => $stock->splitCart($order, $g['part'], $g['lines']),
        'mreserve' => $stock->reserveCart($order, $g['lines'], $hold, $for, $replaces),
        'mconfirm' => isset($g['lines'])
            ? $stock->confirmCartInPart($order, $g['lines'], $late)
            : $stock->confirmCart($order, $keys, $late),
        'mrelease' => $stock->releaseCart($order, $keys),
        'mextend' => $stock->extendCart($order, $keys, $hold),
        'mreturn' => $stock->refundCart($order, $keys, ...$back),
        'set' => $stock->set($key, $g['on_hand'], $g['only_if'] ?? null, $note, $g['policy'] ?? null),
        'add' => $stock->add($key, $g['delta'], $g['token'], $note),
        'transfer' => $stock->transfer($key, $g['to'], $quantity, $g['token'], $note),
        'reconcile' => $stock->reconcile($key, $g['on_hand'], isset($g['after']) ? array_values($g['after']) : null, $g['dry_run'] ?? false, $note),
        'suspend' => $stock->suspend($key, $note),
        'resume' => $stock->resume($key, $note),
        'schedule' => $stock->schedule($key, $g['from_ms'] ?? null, $g['until_ms'] ?? null, $note),
        'sweep' => $stock->sweep($key, $count),
        'setpolicy' => $stock->setPolicy($key, $g['policy'], $g['merge'] ?? false, $note),
        'limit' => $stock->limit($key, $g['by'], $g['max'], ...$rules),
        'unlimit' => $stock->unlimit($key, $g['by'], ...$named),
        'limits' => $stock->limits($key),
        'usage' => $stock->usage($key, $for, $g['top'] ?? null),
        'get' => $stock->get($key, $g['returning'] ?? false),
        'available' => $stock->available($keys),
        'order' => $stock->order($key, $order),
        'orders' => $stock->orders($key, $g['cursor'], $g['state'] ?? null, $count, $g['details'] ?? false, $for),
        'explain' => $stock->explain($key, $quantity, $for),
        'policy' => $stock->policy($key),
        'verify' => $stock->verify($key),
    };
}

/** A result as the vectors write it. */
function written(mixed $answer, string $method): array
{
    if ($answer instanceof StockError || $answer instanceof Unanswered) {
        $unavailable = in_array($answer->stock, ['NOREPLICAS', 'OOM', 'MISCONF'], true);
        $class = $answer instanceof Unanswered ? 'unsure' : ($unavailable ? 'unavailable' : 'bug');
        return ['type' => 'error', 'class' => $class, 'code' => $answer->stock];
    }
    if (is_array($answer)) {
        return str_ends_with($method, 'batch')
            ? ['type' => 'batch', 'answers' => array_map(fn ($one) => written($one, ''), $answer)]
            : ['type' => 'available', 'available' => $answer];
    }
    if ($answer instanceof Shown && $answer->type === 'explained') {
        return ['type' => 'explained'] + latin(['answer' => written($answer->fields['answer'], '')] + $answer->fields);
    }
    if ($answer instanceof Shown) {
        $fields = latin($answer->fields);
        foreach ($answer->type === 'orders' ? [] : ['for', 'orders'] as $map) {
            // An empty map is one, too.
            $fields[$map] = isset($fields[$map]) ? (object) $fields[$map] : null;
        }
        foreach ($answer->type === 'orders' ? $fields['orders'] : [] as $n => [, $view]) {
            if (is_array($view)) {
                $fields['orders'][$n][1]['for'] = (object) $view['for'];
            }
        }
        return ['type' => $answer->type] + array_filter($fields, fn ($value, $name) => $value !== null || $name === 'events' || $name === 'on_hand', ARRAY_FILTER_USE_BOTH);
    }
    return ['type' => $answer::TYPE] + latin(get_object_vars($answer));
}

function driver(Stock $stock): void
{
    while (($line = fgets(STDIN)) !== false) {
        $asked = raw(json_decode($line, true));
        if (isset($asked['bucket'])) {
            echo RedisStock\bucketOf($asked['bucket'], $asked['count']), "\n";
            continue;
        }
        if (isset($asked['ask'])) {
            ['order' => $order, 'bucket' => $bucket, 'quantity' => $quantity, 'by' => $by] = json_decode($line, true)['ask'];
            $refused = json_decode($line, true)['refused'];
            $answer = match ($refused['word']) {
                'SOLDOUT' => new RedisStock\SoldOut('k', 0),
                'LIMITED' => new RedisStock\Limited('k', $refused['limit'], $refused['value'], 1, 1, 0),
                default => new Refused($refused['word'], 'k'),
            };
            echo RedisStock\askOf($answer, $order, $bucket, $quantity, $by) ?? 'null', "\n";
            continue;
        }
        $single = !array_is_list($asked);
        if ($single) {
            try {
                $answer = typed($stock, $asked['method'], $asked['args']);
            } catch (StockError | Unanswered $error) {
                $answer = $error;
            }
            $result = written($answer, $asked['method']);
        } else {
            $answers = $stock->pipeline(function (Stock $pipe) use ($asked) {
                foreach ($asked as $call) {
                    typed($pipe, $call['method'], $call['args']);
                }
            });
            $result = array_map(written(...), $answers, array_column($asked, 'method'));
        }
        echo json_encode($result, JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR), "\n";
    }
}

if ($mode === 'shop') {
    shop($stock);
} elseif ($mode === 'driver') {
    driver($stock);
} elseif ($mode === 'lines') {
    while (($line = fgets(STDIN)) !== false) {
        if (trim($line) === 'MARK') {
            echo "warm\n";
            fgets(STDIN);
            continue;
        }
        $words = json_decode($line);
        try {
            $stock->call($words[0], array_slice($words, 1), $replicas);
        } catch (StockError) {
            // The arguments are of no interest here.
        }
    }
    echo "done\n";
} elseif ($mode === 'carts') {
    [$tag, $count] = $args;
    for ($n = 0; $n < (int) $count; $n++) {
        $answer = $stock->reserveCart("order-$n", [["{{$tag}}a", 1], ["{{$tag}}b", 1]]);
        echo $answer instanceof Refused ? $answer->word : ($answer instanceof Exists ? 'EXISTS' : 'OK'), "\n";
    }
} elseif ($mode === 'bench') {
    // Single calls in turn, and the lower quarter of each, since whatever else runs on the machine only adds.
    if ($library === 'predis') {
        $client = new Predis\Client(['host' => '127.0.0.1', 'port' => (int) $port]);
        $bare = fn (...$words) => $client->executeCommand(new Predis\Command\RawCommand(array_shift($words), $words));
    } else {
        $client = new Redis();
        $client->connect('127.0.0.1', (int) $port);
        $bare = fn (...$words) => $client->rawCommand(...$words);
    }
    $stock->set('bench', 'UNLIMITED');
    [$with, $without] = [[], []];
    for ($n = 0; $n < 10000; $n++) {
        $calls = [
            fn () => $stock->reserve('bench', "a$n", 1, ['ex' => 900], ['user' => $n]),
            fn () => $bare('STOCK.RESERVE', 'bench', "b$n", 1, 'EX', 900, 'FOR', 'user', $n),
        ];
        // Which of the two comes first changes.
        foreach ($n % 2 ? [1, 0] : [0, 1] as $which) {
            $start = hrtime(true);
            $calls[$which]();
            $took = hrtime(true) - $start;
            if ($which) {
                $without[] = $took;
            } else {
                $with[] = $took;
            }
        }
    }
    sort($with);
    sort($without);
    [$took, $call] = [$with[2500], $without[2500]];
    printf("$library: a bare call takes %.0f us, the library %+.1f %%\n", $call / 1000, 100 * ($took / $call - 1));
}
