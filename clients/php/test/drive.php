<?php
// What the tests ask of every client library: php drive.php phpredis PORT [--cluster] MODE [ARGS]. See clients/README.md.

declare(strict_types=1);

require_once __DIR__ . '/../shop.php';

use RedisStock\{Exists, Refused, StockError};

$flags = array_filter($argv, fn ($word) => str_starts_with($word, '--'));
[, , $port, $mode] = $rest = array_values(array_diff($argv, $flags));
$args = array_slice($rest, 4);
$stock = open((int) $port, in_array('--cluster', $flags, true));

if ($mode === 'shop') {
    shop($stock);
} elseif ($mode === 'lines') {
    while (($line = fgets(STDIN)) !== false) {
        if (trim($line) === 'MARK') {
            echo "warm\n";
            fgets(STDIN);
            continue;
        }
        $words = json_decode($line);
        try {
            $stock->call($words[0], array_slice($words, 1));
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
    $client = new Redis();
    $client->connect('127.0.0.1', (int) $port);
    $stock->set('bench', 'UNLIMITED');
    [$with, $without] = [[], []];
    for ($n = 0; $n < 10000; $n++) {
        $start = hrtime(true);
        $stock->reserve('bench', "a$n", 1, ['ex' => 900], ['user' => $n]);
        $middle = hrtime(true);
        $client->rawCommand('STOCK.RESERVE', 'bench', "b$n", 1, 'EX', 900, 'FOR', 'user', $n);
        $without[] = hrtime(true) - $middle;
        $with[] = $middle - $start;
    }
    sort($with);
    sort($without);
    [$took, $call] = [$with[2500], $without[2500]];
    printf("phpredis: a bare call takes %.0f us, the library %+.1f %%\n", $call / 1000, 100 * ($took / $call - 1));
}
