#!/bin/sh
# Redis's own test suites (of the distribution's source package) against the installed server, once without the module and
# once with it, and what differs. Debian and what comes from it only: the source must fit the server.
# usage: redis-suites.sh MODULE [UNIT ...]
set -eu
module=$1
shift
case $module in /*) ;; *) module="$PWD/$module" ;; esac
units=${*:-"unit/dump unit/keyspace unit/multi unit/scripting unit/acl unit/acl-v2 unit/tracking unit/lazyfree unit/maxmemory
unit/aofrw unit/pause unit/expire unit/wait integration/aof integration/aof-multi-part integration/rdb integration/failover
integration/shutdown integration/block-repl integration/replication integration/replication-2 integration/replication-3
integration/replication-4 integration/replication-psync integration/replication-buffer integration/psync2
integration/psync2-reg integration/psync2-master-restart"}
work=${WORK:-"$PWD/target/redis-suites"}
mkdir -p "$work/lists/partial"
cd "$work"

if [ -z "$(find . -maxdepth 2 -name runtest)" ]; then
    # Only for this fetch: the machine's own list of sources stays as it is.
    sed 's/^Types: deb$/Types: deb-src/; s/^deb /deb-src /' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list \
        >src.sources 2>/dev/null || true
    options="-o Dir::Etc::sourcelist=$work/src.sources -o Dir::Etc::sourceparts=- -o Dir::State::lists=$work/lists"
    apt-get $options update -q >/dev/null
    apt-get $options source -q redis >/dev/null 2>&1
fi
cd "$(dirname "$(find . -maxdepth 2 -name runtest | head -1)")"
for program in redis-server redis-cli redis-benchmark redis-check-aof redis-check-rdb; do
    ln -sf "$(command -v $program)" "src/$program"
done
command -v tclsh >/dev/null || { echo "please install tcl" >&2; exit 1; }

suite() {
    name=$1
    shift
    : >"$work/$name.log"
    # Each unit by itself: where one ends with an exception, the others go on.
    for unit in $units; do
        rm -rf tests/tmp/*
        tclsh tests/test_helper.tcl --clients 1 --single "$unit" "$@" >>"$work/$name.log" 2>&1 || true
    done
    sed 's/\x1b\[[0-9;]*m//g' "$work/$name.log" >"$work/$name.txt"
    grep -oE '^\[(ok|err|exception|skip|ignore)\]: .*' "$work/$name.txt" | sed 's/ ([0-9]* ms)$//' | sort >"$work/$name.results"
    echo "$name: $(grep -c '^\[ok\]' "$work/$name.results" || true) passed, $(grep -cE '^\[(err|exception)\]' "$work/$name.results" || true) failed"
}
suite without
suite with --config loadmodule "$module"
grep -E '^\[(err|exception)\]' "$work/with.results" | sort -u >"$work/with.failed" || true
grep -E '^\[(err|exception)\]' "$work/without.results" | sort -u >"$work/without.failed" || true
echo "fail with the module only:"
comm -23 "$work/with.failed" "$work/without.failed" | sed 's/^/  /'
