#!/bin/sh
# Runs tests on the servers of scripts/servers.sh, one after the other.
#   sh scripts/on-servers.sh        what depends on the server: make test does this after everything has run on redis-server
#   sh scripts/on-servers.sh all    the whole suites of server and cluster
# A server that cannot be had is named at the end; with STOCK_REQUIRE_SERVERS=1 that is an error.
set -eu
cd "$(dirname "$0")/.."
servers="${CARGO_TARGET_DIR:-target}/servers"
sh scripts/servers.sh || [ $? = 3 ]
server_tests="" cluster_tests=""
if [ "${1:-}" != all ]; then
    server_tests="access caching expiry inside persistence replication:: server_integration tools"
    cluster_tests="slot_import:: routing"
fi
# With --workspace, as make test builds them: another choice of packages is another build.
# A filter that fits no test any more would pass by running nothing.
fits() {
    for filter in $2; do
        cargo test -q --workspace --test "$1" -- --list "$filter" | grep ': test$' >/dev/null || { echo "no test of $1 fits $filter" >&2; exit 1; }
    done
}
fits server "$server_tests"
fits cluster "$cluster_tests"
failed=""
for name in $(sh scripts/servers.sh list); do
    REDIS_SERVER="$(cd "$servers" && pwd)/$name/server"
    export REDIS_SERVER
    for suite in server cluster; do
        [ "$suite" = server ] && filters=$server_tests || filters=$cluster_tests
        echo "== $suite tests on $("$REDIS_SERVER" --version)"
        # shellcheck disable=SC2086
        cargo test -q --workspace --test "$suite" -- $filters || failed="$failed $name/$suite"
    done
done
if [ -s "$servers/missing" ]; then
    echo "NOT TESTED, the server could not be had:" >&2
    cat "$servers/missing" >&2
    [ "${STOCK_REQUIRE_SERVERS:-}" != 1 ] || exit 1
fi
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
