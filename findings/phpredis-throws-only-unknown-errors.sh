#!/bin/sh
# phpredis answers some error replies with `false` (and getLastError), and throws others, by their first word.
#
# rawCommand of an error reply that begins with ERR gives false; one that begins with a code phpredis does not know (a module's, a
# script's) throws RedisException. nil is `false`, too, and status replies, whatever they say, are `true`. So one call site needs all of: a
# check for false, getLastError(), and a catch.
#
# Seen with phpredis 5.3.7 (Debian 12, php-redis) and redis-server 7.0.15. Needs redis-server, php-cli and php-redis.
set -eu
work=$(mktemp -d)
port=$((20000 + $$ % 20000))
redis-server --port "$port" --save '' --dir "$work" --daemonize no >"$work/log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
sleep 1
cat >"$work/ask.php" <<'PHP'
<?php
$redis = new Redis();
$redis->connect('127.0.0.1', (int) $argv[1]);
$replies = ['redis.error_reply("ERR syntax error")', 'redis.error_reply("MYCODE of a module")', 'false', 'redis.status_reply("SOLDOUT")'];
foreach ($replies as $reply) {
    try {
        $redis->clearLastError();
        $answer = json_encode($redis->rawCommand('EVAL', "return $reply", 0));
        echo "$reply => $answer, last error: ", json_encode($redis->getLastError()), "\n";
    } catch (RedisException $error) {
        echo "$reply => thrown: ", $error->getMessage(), "\n";
    }
}
PHP
php "$work/ask.php" "$port" >"$work/seen"
php -r 'echo "phpredis ", phpversion("redis"), "\n";'
cat "$work/seen"
cat >"$work/expected" <<'TEXT'
redis.error_reply("ERR syntax error") => false, last error: "ERR syntax error"
redis.error_reply("MYCODE of a module") => thrown: MYCODE of a module
false => false, last error: null
redis.status_reply("SOLDOUT") => true, last error: null
TEXT
diff "$work/expected" "$work/seen"
echo "phpredis still answers ERR with false, and throws other codes"
