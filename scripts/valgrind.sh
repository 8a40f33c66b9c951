#!/bin/sh
# A server under valgrind's memcheck, which ends at the first error and says it in a log; for the campaigns:
#   REDIS_SERVER=$PWD/scripts/valgrind.sh make campaign NAME=payloads ARGS="--seeds 3" RECORD=
# The allocator is the server's shared one, in whose place valgrind puts its own.
exec valgrind --soname-synonyms='somalloc=*jemalloc*' --exit-on-first-error=yes --error-exitcode=99 \
	--log-file="${VALGRIND_LOG:-${TMPDIR:-/tmp}/stock-valgrind.%p.log}" redis-server "$@"
