#!/bin/sh
# MariaDB removes, when it starts, every file in its tmpdir that looks like a temporary table: also those of another server that
# runs with the same tmpdir (/tmp by default). A statement of that server that has one then fails or warns. Seen with Debian's
# mariadb-server 10.11.19, as "Could not remove temporary table: '/tmp/#sql-temptable-…', error: 2" and "Unknown table" while two
# `mariadb-install-db` ran at the same time. Each server of ours, and each install, has a tmpdir of its own.
#
# Needs Debian's mariadb-server. Exits with 0 while MariaDB does this, with 1 when it does not any more.
set -eu
work=$(mktemp -d)
chmod 755 "$work"
as=""
if [ "$(id -u)" = 0 ]; then
    chown nobody "$work"
    as="setpriv --reuid=nobody --clear-groups"
fi
pids=""
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
$as mkdir "$work/tmp"
start() {
    $as mkdir "$work/tmp-$1"
    $as env TMPDIR="$work/tmp-$1" mariadb-install-db --no-defaults --datadir="$work/$1" --auth-root-authentication-method=normal \
        --skip-test-db >"$work/log-$1" 2>&1
    # shellcheck disable=SC2086
    $as mariadbd --no-defaults --datadir="$work/$1" --socket="$work/$1.sock" --pid-file="$work/$1.pid" --skip-networking \
        --tmpdir="$work/tmp" >>"$work/log-$1" 2>&1 &
    pids="$pids $!"
    for _ in $(seq 300); do
        mariadb -u root -S "$work/$1.sock" -e "SELECT 1" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    cat "$work/log-$1" >&2
    exit 2
}
files() { find "$work/tmp" -name '#sql-temptable*' | wc -l; }
start one
mariadb -u root -S "$work/one.sock" -e "CREATE TEMPORARY TABLE mysql.t (a TEXT) ENGINE=Aria;
    INSERT INTO mysql.t VALUES ('kept'); SELECT SLEEP(25); SELECT a FROM mysql.t" >"$work/answer" 2>&1 &
for _ in $(seq 100); do
    [ "$(files)" -eq 0 ] || break
    sleep 0.1
done
before=$(files)
start two
after=$(files)
echo "MariaDB $(mariadb -N -u root -S "$work/two.sock" -e "SELECT VERSION()")"
echo "files of the first server's temporary table: $before before the second server started, $after after it"
[ "$before" -gt 0 ] && [ "$after" -eq 0 ]
