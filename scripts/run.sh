#!/bin/sh
# Starts Redis with the module in the foreground and says what to type next: the lines of the README.
set -eu
module=$1
port=$2
case $module in /*) ;; *) module="$PWD/$module" ;; esac
readme="$(dirname "$0")/../README.md"
mkdir -p run
cat <<TEXT

redis-stock is starting on port $port (data in ./run, Ctrl-C stops it). In another terminal start

  redis-cli -p $port

and paste:

$(sed -n '/^```redis-cli paste$/,/^```$/p' "$readme" | sed '/^```/d')

README.md says what it answers; docs/guides/first-sale.md goes on from there.

TEXT
exec "${REDIS_SERVER:-redis-server}" --port "$port" --dir "$PWD/run" --appendonly yes --loadmodule "$module"
