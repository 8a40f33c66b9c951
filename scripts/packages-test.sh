#!/bin/sh
# The Debian packages as a user meets them, in a debootstrap of Debian 12 (or "$1": trixie): install,
# enable, first sale, restart, upgrade with data in place, remove, purge. Needs root, debootstrap and
# the packages of `make packages`. Everything is below target/packages-test.
set -eu
cd "$(dirname "$0")/.."
suite=${1:-bookworm}
target=${CARGO_TARGET_DIR:-target}
root="$target/packages-test/$suite"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
[ "$(id -u)" = 0 ] || { echo "This needs root" >&2; exit 1; }
command -v debootstrap >/dev/null 2>&1 || { echo "This needs debootstrap: apt install debootstrap" >&2; exit 1; }
module=$(ls "$target"/packages/redis-stock_*.deb | sort -V | head -1)
# The same build under the next revision, to upgrade to.
if cargo deb --version >/dev/null 2>&1; then
    rm -rf "$target/packages-newer"
    mkdir -p "$target/packages-newer"
    cargo deb --no-build --no-strip -q -p redis-stock -o "$target/packages-newer/" --deb-revision 2 >/dev/null
fi
newer=$(ls "$target"/packages-newer/redis-stock_*.deb 2>/dev/null | sort -V | tail -1 || true)
ledger=$(ls "$target"/packages/stock-ledger_*.deb | sort -V | head -1)

say() { printf '\n== %s\n' "$*"; }
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# The server of the package, as its service starts it, without systemd.
started=""
start() {
    inside su -s /bin/sh redis -c "redis-server /etc/redis/redis.conf --port $port --daemonize yes --dir /var/lib/redis --supervised no" >/dev/null
    started=1
    for _ in $(seq 100); do
        inside redis-cli -p "$port" ping 2>/dev/null | grep -q PONG && return 0
        sleep 0.1
    done
    inside tail -5 /var/log/redis/redis-server.log || true
    fail "the server does not start"
}
stop() {
    [ -n "$started" ] || return 0
    inside redis-cli -p "$port" shutdown >/dev/null 2>&1 || true
    started=""
    sleep 0.5
}
asks() {
    answer=$(inside redis-cli -p "$port" "$@" 2>&1 | tr '\n' ' ')
    echo "$* -> $answer"
}
expect() {
    wanted=$1
    shift
    asks "$@"
    case $answer in $wanted) ;; *) fail "$* answered '$answer', not '$wanted'" ;; esac
}
port=${PORT:-7931}
trap 'stop; umount "$root/proc" 2>/dev/null || true' EXIT

if [ ! -e "$root/.ready" ]; then
    say "a bare $suite with redis-server"
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    inside apt-get update -q >>"$root.log" 2>&1
    inside apt-get install -y -q --no-install-recommends redis-server procps >>"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
    touch "$root/.ready"
fi
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
cp "$module" "$root/tmp/redis-stock.deb"
cp "$ledger" "$root/tmp/stock-ledger.deb"
# What an earlier run left; a package that was never there is no error.
for package in redis-stock stock-ledger; do inside dpkg --purge $package >/dev/null 2>&1 || true; done
rm -rf "$root/var/lib/redis/appendonlydir" "$root/var/lib/redis/dump.rdb"

say "two commands to the first sale"
began=$(date +%s%N)
inside apt-get install -y -q --no-install-recommends /tmp/redis-stock.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
grep -q "redis-stock-enable" "$root.log" || fail "the installation does not say how to go on"
grep -qF "redis-stock.conf" "$root/etc/redis/redis.conf" && fail "the module is on before it was enabled"
inside redis-stock-enable
start
expect "OK *" STOCK.SET sku:618 100
expect "OK 2 98 *" STOCK.RESERVE sku:618 order-1 2 FOR user 42
expect "OK 2 *" STOCK.CONFIRM sku:618 order-1
echo "from the package to the first sale: $((($(date +%s%N) - began) / 1000000)) ms"

say "restart: the data are there"
stop
start
expect "98*" STOCK.AVAILABLE sku:618

say "enabling twice changes nothing"
inside redis-stock-enable
[ "$(grep -cF redis-stock.conf "$root/etc/redis/redis.conf")" = 1 ] || fail "two include lines"

say "upgrade with the data in place"
stop
if [ -n "$newer" ]; then
    cp "$newer" "$root/tmp/newer.deb"
    inside apt-get install -y -q /tmp/newer.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
else
    inside apt-get install -y -q --reinstall /tmp/redis-stock.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
fi
grep -qF "include /etc/redis/redis-stock.conf" "$root/etc/redis/redis.conf" || fail "the upgrade turned the module off"
start
expect "98*" STOCK.AVAILABLE sku:618
expect "EXISTS sku:618 confirmed 2*" STOCK.RESERVE sku:618 order-1 2 FOR user 42

say "stock-ledger: the row, the manual, the completions, the service"
inside apt-get install -y -q --no-install-recommends /tmp/stock-ledger.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside stock-ledger --version
for file in /usr/share/man/man1/stock-ledger.1.gz /usr/share/bash-completion/completions/stock-ledger \
    /etc/stock-ledger/stock-ledger.toml; do
    inside test -s "$file" || fail "$file is missing"
done
[ "$(inside stat -c %a /etc/stock-ledger/stock-ledger.toml)" = 640 ] || fail "everybody can read the ledger's passwords"
unit=$(inside sh -c 'ls /lib/systemd/system/stock-ledger.service /usr/lib/systemd/system/stock-ledger.service 2>/dev/null | head -1')
[ -n "$unit" ] || fail "there is no service"
inside sh -c "cd /tmp && rm -f x.db && stock-ledger --redis redis://127.0.0.1:$port --database sqlite:/tmp/x.db init" || fail "init"

say "remove: the server starts again, without the module"
stop
inside redis-cli --version >/dev/null
inside rm -rf /var/lib/redis/appendonlydir /var/lib/redis/dump.rdb
inside apt-get remove -y -q redis-stock stock-ledger >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
grep -qF "redis-stock.conf" "$root/etc/redis/redis.conf" && fail "redis.conf still includes the module"
start
expect "ERR unknown command*" STOCK.AVAILABLE sku:618
stop

say "purge: nothing is left"
inside apt-get purge -y -q redis-stock stock-ledger >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
for left in etc/redis/redis-stock.conf etc/stock-ledger usr/lib/redis/modules/libredis_stock.so usr/bin/stock-ledger; do
    [ ! -e "$root/$left" ] || fail "$left is left behind"
done
say "passed on $suite: $(inside dpkg-query -W -f '${Version}' redis-server)"
