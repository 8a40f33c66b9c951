#!/bin/sh
# The Debian packages as a user meets them, in a debootstrap of Debian 12 (or "$1": trixie): install,
# enable, first sale, restart, upgrade with data in place, remove, purge; where lintian is installed, it
# reads them. Needs root, debootstrap, cargo-deb and the packages of `make packages`. BEFORE is the
# module of an older build, to upgrade from; without it the same build is the older package, too.
# Everything is below target/packages-test.
set -eu
cd "$(dirname "$0")/.."
suite=${1:-bookworm}
target=${CARGO_TARGET_DIR:-target}
root="$target/packages-test/$suite"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
[ "$(id -u)" = 0 ] || { echo "This needs root" >&2; exit 1; }
command -v debootstrap >/dev/null 2>&1 || { echo "This needs debootstrap: apt install debootstrap" >&2; exit 1; }
rm -f "$target"/packages/*-0~before_*.deb
ONLY=redis-stock DEB_REVISION=0~before MODULE=${BEFORE:-} sh scripts/packages.sh >/dev/null
before=$(ls "$target"/packages/redis-stock_*-0~before_*.deb)
mkdir -p "$target/packages-before"
mv "$before" "$target/packages-before/"
before="$target/packages-before/$(basename "$before")"
# As it was before: the file that the configuration includes loads the module itself.
older="$target/packages-before/tree"
rm -rf "$older"
dpkg-deb -R "$before" "$older"
echo "loadmodule /usr/lib/redis/modules/libredis_stock.so" >>"$older/etc/redis/redis-stock.conf"
dpkg-deb --root-owner-group -b "$older" "$before" >/dev/null
module=$(ls "$target"/packages/redis-stock_*.deb)
ledger=$(ls "$target"/packages/stock-ledger_*.deb)
stockctl=$(ls "$target"/packages/stockctl_*.deb)

say() { printf '\n== %s\n' "$*"; }
inside() { chroot "$root" env -u TMPDIR DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# The server of the package, as its service starts it, without systemd.
started=""
start() {
    inside su -s /bin/sh redis -c "redis-server /etc/redis/redis.conf --daemonize yes --supervised no" >/dev/null
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
# In the configuration, too: redis-stock-enable asks the server there.
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
cp "$before" "$root/tmp/redis-stock-before.deb"
cp "$module" "$root/tmp/redis-stock.deb"
cp "$ledger" "$root/tmp/stock-ledger.deb"
cp "$stockctl" "$root/tmp/stockctl.deb"
# What an earlier run left; a package that was never there is no error.
rm -rf "$root/var/lib/redis/appendonlydir" "$root/var/lib/redis/dump.rdb"
for package in redis-stock stock-ledger stockctl; do inside dpkg --purge $package >/dev/null 2>&1 || true; done
sed -i "s/^port .*/port $port/" "$root/etc/redis/redis.conf"

if command -v lintian >/dev/null 2>&1; then
    lintian --no-cfg --profile debian --fail-on error "$module" "$ledger" "$stockctl" || fail "lintian calls that an error"
fi

say "a server that has data keeps them"
start
expect "OK*" SET customer 1
inside apt-get install -y -q --no-install-recommends /tmp/redis-stock.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside redis-stock-enable
stop
start
expect "1*" GET customer
inside redis-stock-enable --off
stop
inside dpkg --purge redis-stock >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
rm -rf "$root/var/lib/redis/appendonlydir" "$root/var/lib/redis/dump.rdb"

say "two commands to the first sale"
began=$(date +%s%N)
inside apt-get install -y -q --no-install-recommends /tmp/redis-stock.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
grep -q "redis-stock-enable" "$root.log" || fail "the installation does not say how to go on"
grep -qF "redis-stock.conf" "$root/etc/redis/redis.conf" && fail "the module is on before it was enabled"
inside test -s /usr/share/man/man8/redis-stock-enable.8.gz || fail "redis-stock-enable has no manual"
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

say "it stays on while there are pools, and the package cannot be removed"
cp "$root/etc/redis/redis.conf" "$root/tmp/redis.conf.before"
if inside redis-stock-enable --off 2>"$root.log"; then fail "turned off, and the server could not load its pools"; fi
grep -q "the server has pools (1," "$root.log" || fail "it says $(cat "$root.log")"
if inside apt-get remove -y -q redis-stock >"$root.log" 2>&1; then fail "removed, and the server could not load its pools"; fi
cmp -s "$root/etc/redis/redis.conf" "$root/tmp/redis.conf.before" || fail "the configuration has changed"
expect "98*" STOCK.AVAILABLE sku:618
inside dpkg -s redis-stock | grep -q "^Status: install ok installed" || inside apt-get install -y -q --reinstall /tmp/redis-stock.deb >"$root.log" 2>&1
stop
if inside redis-stock-enable --off 2>"$root.log"; then fail "turned off, without an answer whether there are pools"; fi

say "the build before is there, with data of its own: an order held, one paid, a limit"
inside rm -rf /var/lib/redis/appendonlydir /var/lib/redis/dump.rdb
inside dpkg --purge redis-stock >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside apt-get install -y -q --no-install-recommends /tmp/redis-stock-before.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside redis-stock-enable
if grep -q "^loadmodule" "$root/etc/redis/redis.conf"; then fail "the module would be loaded twice"; fi
start
expect "OK *" STOCK.SET sku:618 100
expect "OK *" STOCK.LIMIT sku:618 user 3 PER DAY
expect "OK 2 98 *" STOCK.RESERVE sku:618 order-1 2 FOR user 42
expect "OK 2 *" STOCK.CONFIRM sku:618 order-1
expect "OK 1 97 *" STOCK.RESERVE sku:618 held 1 EX 86000 FOR user 42
# Without RDB preamble in it the file has commands only; half of the data is in either form.
expect "Background append only file rewriting started*" BGREWRITEAOF
sleep 1
expect "OK 1 96 *" STOCK.RESERVE sku:618 other 1 EX 86000 FOR user 43
asks INFO stock
encoding=$(echo "$answer" | grep -o 'stock_encoding_version:[0-9]*' || echo "stock_encoding_version:1")

say "upgrade ($encoding) while the server runs: it goes on selling, and is the new one after a restart"
inside apt-get install -y -q /tmp/redis-stock.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
grep -qF "include /etc/redis/redis-stock.conf" "$root/etc/redis/redis.conf" || fail "the upgrade turned the module off"
[ "$(grep -c "^loadmodule" "$root/etc/redis/redis.conf")" = 1 ] || fail "redis.conf does not load the module once"
expect "OK 1 95 *" STOCK.RESERVE sku:618 during 1 EX 86000 FOR user 44
stop
start
expect "95*" STOCK.AVAILABLE sku:618
expect "EXISTS sku:618 confirmed 2*" STOCK.RESERVE sku:618 order-1 2 FOR user 42
expect "LIMITED sku:618 user/day*" STOCK.RESERVE sku:618 more 1 FOR user 42
expect "OK 1 *" STOCK.CONFIRM sku:618 held
expect "OK 1 *" STOCK.CONFIRM sku:618 during
expect "OK *" STOCK.VERIFY sku:618
asks INFO stock
case $answer in *stock_divergences:0*stock_*) ;; *) fail "what the build before wrote does not fit" ;; esac
case $answer in *stock_encoding_version:*) ;; *) fail "the new build says no version" ;; esac

say "stock-ledger: a sale reaches the database, the manual, the completions, the service"
inside apt-get install -y -q --no-install-recommends /tmp/stock-ledger.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside apt-get install -y -q --no-install-recommends sqlite3 zsh fish >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
inside stock-ledger --version
for file in /usr/share/man/man1/stock-ledger.1.gz /usr/share/bash-completion/completions/stock-ledger \
    /usr/share/zsh/vendor-completions/_stock-ledger /usr/share/fish/vendor_completions.d/stock-ledger.fish \
    /etc/stock-ledger/stock-ledger.toml; do
    inside test -s "$file" || fail "$file is missing"
done
[ "$(inside stat -c %a /etc/stock-ledger/stock-ledger.toml)" = 640 ] || fail "everybody can read the ledger's passwords"
unit=$(inside sh -c 'ls /lib/systemd/system/stock-ledger.service /usr/lib/systemd/system/stock-ledger.service 2>/dev/null | head -1')
[ -n "$unit" ] || fail "there is no service"
database=/tmp/stock.db
inside rm -f $database
# The configuration of the package; the addresses as the service may have them in its environment.
ledger() {
    inside env STOCK_LEDGER_CONFIG=/etc/stock-ledger/stock-ledger.toml "STOCK_LEDGER_REDIS_URL=redis://127.0.0.1:$port/0" \
        "STOCK_LEDGER_DATABASE_URL=sqlite:$database" stock-ledger "$@" || fail "stock-ledger $*"
}
rows() { inside sqlite3 $database "$1"; }
ledger init
rows "INSERT INTO stock (sku, on_hand) VALUES ('700', 50)"
ledger preload
expect "OK 3 47 *" STOCK.RESERVE sku:700 order-7 3 FOR user 42
expect "OK 3 *" STOCK.CONFIRM sku:700 order-7
ledger run --once
[ "$(rows "SELECT on_hand FROM stock WHERE sku = '700'")" = 47 ] || fail "the row says $(rows 'SELECT * FROM stock')"
[ "$(rows "SELECT state, qty FROM stock_lines WHERE order_id = 'order-7'")" = "confirmed|3" ] || fail "no line of the order"
ledger audit
ledger status

say "stockctl: installed and used, the manual, the completions, the service"
inside apt-get install -y -q --no-install-recommends /tmp/stockctl.deb >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
ctl() { inside stockctl -u "redis://127.0.0.1:$port" "$@"; }
ctl explain sku:618 1 --for user=7 || fail "explain: exit code $?"
ctl explain sku:618 1 --for user=42 >"$root.log" && fail "user 42 has reached the limit"
grep -q LIMITED "$root.log" || fail "explain says nothing of the limit"
ctl pools --json | grep -q '"sku:618"' || fail "pools"
ctl holds sku:618 --csv | grep -q other || fail "holds"
ctl verify --on-primary || fail "verify"
ctl top --once --json >"$root.log" || fail "top"
ctl metrics --once | grep -q '^stock_up.* 1' || fail "metrics"
for file in /usr/share/man/man1/stockctl.1.gz /usr/share/man/man1/stockctl-explain.1.gz \
    /usr/share/bash-completion/completions/stockctl /usr/share/zsh/vendor-completions/_stockctl \
    /usr/share/fish/vendor_completions.d/stockctl.fish /usr/share/doc/stockctl/prometheus/rules.yml \
    /etc/stockctl/environment; do
    inside test -s "$file" || fail "$file is missing"
done
for program in stock-ledger stockctl; do
    inside bash -n /usr/share/bash-completion/completions/$program || fail "the completions of $program are no bash"
    inside zsh -n /usr/share/zsh/vendor-completions/_$program || fail "the completions of $program are no zsh"
    inside fish -n /usr/share/fish/vendor_completions.d/$program.fish || fail "the completions of $program are no fish"
done
# As lintian reads them: a page that troff warns of is an error.
if command -v man >/dev/null 2>&1; then
    for page in "$root"/usr/share/man/man1/stock*.1.gz "$root/usr/share/man/man8/redis-stock-enable.8.gz"; do
        warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
        [ -z "$warnings" ] || fail "$page: $warnings"
    done
fi
[ "$(inside stat -c %a /etc/stockctl/environment)" = 640 ] || fail "everybody can read the exporter's password"
unit=$(inside sh -c 'ls /lib/systemd/system/stockctl-metrics.service /usr/lib/systemd/system/stockctl-metrics.service 2>/dev/null | head -1')
[ -n "$unit" ] || fail "there is no service"
# As the service starts it: its line, with the options of its environment.
options=$(inside sed -n 's/^STOCKCTL_METRICS=//p' /etc/stockctl/environment)
line=$(inside sed -n 's/^ExecStart=//p' "$unit" | sed "s|\$STOCKCTL_METRICS|$options|")
# shellcheck disable=SC2086
inside env "STOCKCTL_URL=redis://127.0.0.1:$port" $line --once | grep -q '^stock_up.* 1' || fail "$line"

say "remove: the server starts again, without the module, and with what else it held"
expect "OK*" SET customer 1
for key in sku:618 sku:700; do expect "1*" DEL $key; done
inside apt-get remove -y -q redis-stock stock-ledger stockctl >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
grep -qF "redis-stock.conf" "$root/etc/redis/redis.conf" && fail "redis.conf still includes the module"
stop
start
expect "1*" GET customer
expect "ERR unknown command*" STOCK.AVAILABLE sku:618
stop

say "purge: nothing is left"
inside apt-get purge -y -q redis-stock stock-ledger stockctl >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
for left in etc/redis/redis-stock.conf etc/stock-ledger etc/stockctl usr/lib/redis/modules/libredis_stock.so usr/bin/stock-ledger \
    usr/bin/stockctl usr/share/man/man1/stockctl.1.gz; do
    [ ! -e "$root/$left" ] || fail "$left is left behind"
done
say "passed on $suite: $(inside dpkg-query -W -f '${Version}' redis-server)"
