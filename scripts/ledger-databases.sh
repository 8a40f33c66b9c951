#!/bin/sh
# Runs the ledger's tests on the databases of scripts/databases.sh, one after the other: the matrix in docs/internals/ledger.md.
# ONLY=postgres-18 runs one of them. A database that cannot be had is named at the end.
set -eu
cd "$(dirname "$0")/.."
databases="${CARGO_TARGET_DIR:-target}/databases"
sh scripts/databases.sh || [ $? = 3 ]
databases=$(cd "$databases" && pwd)
failed=""
ran() {
    echo "== $name: $*"
    cargo test -q --workspace --test ledger -- "$@" || failed="$failed $name"
}
for name in $(sh scripts/databases.sh list); do
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$name" ] || continue
    export LEDGER_POSTGRES="" LEDGER_MYSQL=""
    case $name in
    postgres-*)
        LEDGER_POSTGRES="$databases/$name"
        ran postgres:: pgbouncer_transaction:: postgres_serializable::
        ;;
    *)
        LEDGER_MYSQL="$databases/$name"
        ran mariadb:: mariadb_serializable::
        ;;
    esac
done
export LEDGER_POSTGRES="" LEDGER_MYSQL=""
name="Galera, with Debian's MariaDB"
[ -n "${ONLY:-}" ] || ran --ignored galera
if [ -s "$databases/missing" ]; then
    echo "NOT TESTED, the database could not be had:" >&2
    cat "$databases/missing" >&2
fi
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
