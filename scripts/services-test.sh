#!/bin/sh
# The services of the packages under systemd itself, in a debootstrap of Debian 12 (or "$1": trixie)
# that is booted in namespaces of its own, without a network: the server with the module turned on
# while it runs, stock-ledger with its hardening, upgraded while it runs, the exporter. Needs root and
# the packages of `make packages`; what `make packages-test` has unpacked is copied, not unpacked again.
set -eu
cd "$(dirname "$0")/.."
suite=${1:-bookworm}
target=$(realpath "${CARGO_TARGET_DIR:-target}")
base="$target/packages-test/$suite"
root="$target/services-test/$suite"
[ "$(id -u)" = 0 ] || { echo "This needs root" >&2; exit 1; }
[ -e "$base/.ready" ] || { echo "This needs what make packages-test unpacks" >&2; exit 1; }
log="$root.log"
fail() {
    echo "FAILED: $*" >&2
    for unit in redis-server stock-ledger stockctl-metrics; do within journalctl -q --no-pager -u "$unit" -n 15 >&2 2>/dev/null || true; done
    exit 1
}
say() { printf '\n== %s\n' "$*"; }

mkdir -p "$root"
if [ ! -e "$root/.ready" ]; then
    say "a $suite with systemd"
    rm -rf "$root"
    cp -a "$base" "$root"
    rm -f "$root/.ready"
    # Nothing is started before it is booted: policy-rc.d of the copy says so until then.
    chroot "$root" env -u TMPDIR DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        systemd systemd-sysv ca-certificates sqlite3 curl procps >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
    rm "$root/usr/sbin/policy-rc.d"
    touch "$root/.ready"
fi
rm -rf "$root/var/lib/redis"/* "$root/var/lib/private" "$root/var/lib/stock-ledger"
for package in redis-stock stock-ledger stockctl; do
    chroot "$root" env -u TMPDIR dpkg --purge "$package" >/dev/null 2>&1 || true
    cp "$(ls "$target"/packages/${package}_*.deb)" "$root/root/$package.deb"
done
# As the distribution has it; packages-test gives it a port.
sed -i "s/^port .*/port 6379/" "$root/etc/redis/redis.conf"

# Its own processes, mounts, names, control groups and network. systemd needs a control group that is
# its own, not the root of all.
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$groups" ] || { echo "This needs control groups of version 2" >&2; exit 1; }
group="$groups/stock-services-$$"
mkdir "$group"
cat >"$root.boot" <<BOOT
set -eu
ip link set lo up 2>/dev/null || ifconfig lo up
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch dev/\$device; mount --bind /dev/\$device dev/\$device; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
# PrivateDevices= needs it.
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mkdir -p run/old
pivot_root . run/old
umount -l run/old
# As a container's manager does it: systemd mounts the credentials of a service in a process of its own.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb /sbin/init systemd.unit=multi-user.target
BOOT
sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --uts --ipc --cgroup --net sh "$2"' \
    sh "$group" "$root.boot" >"$log" 2>&1 &
outer=$!
init=""
within() { nsenter -t "$init" --mount --pid --uts --ipc --net --cgroup --root --wd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# The groups below are systemd's; they are empty when it is gone.
trap '[ -z "$init" ] || kill -KILL "$init" 2>/dev/null; kill "$outer" 2>/dev/null; wait 2>/dev/null
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    init=$(pgrep -P "$outer" 2>/dev/null | head -1 || true)
    if [ -n "$init" ]; then
        case $(within systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
    fi
    sleep 0.3
done
[ -n "$init" ] && within systemctl list-units >/dev/null 2>&1 || { tail -20 "$log"; echo "FAILED: systemd does not boot here" >&2; exit 1; }
say "booted: systemd $(within systemctl --version | head -1)"

say "the server, with the module turned on while it runs"
within systemctl start redis-server || fail "it does not start"
[ "$(within redis-cli SET customer 1)" = OK ] || fail "SET"
within apt-get install -y -q --no-install-recommends /root/redis-stock.deb >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within redis-stock-enable
[ "$(within redis-cli GET customer)" = 1 ] || fail "what the server held is gone"
answer=$(within redis-cli STOCK.SET sku:618 100 | tr '\n' ' ')
[ "$answer" = "OK " ] || fail "SET answers $answer"
within redis-cli STOCK.RESERVE sku:618 order-1 2 | head -1 | grep -q OK || fail "RESERVE"
# As Sentinel does it: the server writes its configuration itself.
[ "$(within redis-cli CONFIG REWRITE)" = OK ] || fail "CONFIG REWRITE"
within systemctl restart redis-server || fail "it does not start with the configuration that it has written"
[ "$(within redis-cli STOCK.AVAILABLE sku:618 | head -1)" = 98 ] || fail "the order is gone after a restart"

say "stock-ledger, with its hardening"
within apt-get install -y -q --no-install-recommends /root/stock-ledger.deb >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within systemctl is-enabled --quiet stock-ledger && fail "on before its addresses are set"
within systemctl is-active --quiet stock-ledger && fail "started before its addresses are set"
within sed -i 's|^url = "postgres.*|url = "sqlite:/var/lib/stock-ledger/stock.db"|' /etc/stock-ledger/stock-ledger.toml
# An SQLite file of the service's user; its folder is given to that user at the start.
within install -d -m 700 /var/lib/private/stock-ledger
within ln -sfn private/stock-ledger /var/lib/stock-ledger
within stock-ledger --log error --config /etc/stock-ledger/stock-ledger.toml init
within sqlite3 /var/lib/stock-ledger/stock.db "INSERT INTO stock (sku, on_hand) VALUES ('700', 50)"
within stock-ledger --log error --config /etc/stock-ledger/stock-ledger.toml preload
within systemctl enable -q --now stock-ledger
within redis-cli STOCK.RESERVE sku:700 order-7 3 >/dev/null
within redis-cli STOCK.CONFIRM sku:700 order-7 >/dev/null
row=""
for _ in $(seq 50); do
    row=$(within sqlite3 /var/lib/stock-ledger/stock.db "SELECT on_hand FROM stock WHERE sku = '700'")
    [ "$row" != 47 ] || break
    sleep 0.2
done
[ "$row" = 47 ] || fail "the row says $row"
within systemctl is-active --quiet stock-ledger || fail "it ended"
user=$(within ps -o user= -p "$(within systemctl show -p MainPID --value stock-ledger)")
[ "$user" != root ] || fail "it runs as root"
before=$(within systemctl show -p MainPID --value stock-ledger)
within apt-get install -y -q --reinstall /root/stock-ledger.deb >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within systemctl is-active --quiet stock-ledger || fail "it does not run after an upgrade"
[ "$(within systemctl show -p MainPID --value stock-ledger)" != "$before" ] || fail "the program from before the upgrade still runs"
within systemctl stop stock-ledger
[ "$(within systemctl show -p Result --value stock-ledger)" = success ] || fail "it does not end well"
within apt-get install -y -q --reinstall /root/stock-ledger.deb >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within systemctl is-active --quiet stock-ledger && fail "an upgrade starts it, though it was stopped"
echo "ran as $user; $(within systemd-analyze security --no-pager stock-ledger | tail -1)"

say "the exporter"
within apt-get install -y -q --no-install-recommends /root/stockctl.deb >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within systemctl is-active --quiet stockctl-metrics && fail "started before its servers are named"
within systemctl enable -q --now stockctl-metrics
for _ in $(seq 50); do
    ! within curl -sf http://127.0.0.1:9127/metrics 2>/dev/null | grep -q '^stock_up.* 1' || break
    sleep 0.2
done
within curl -sf http://127.0.0.1:9127/metrics | grep -q '^stock_up.* 1' || fail "no metrics"
user=$(within ps -o user= -p "$(within systemctl show -p MainPID --value stockctl-metrics)")
[ "$user" != root ] || fail "it runs as root"
echo "ran as $user; $(within systemd-analyze security --no-pager stockctl-metrics | tail -1)"

say "removed while they run: not while there are pools"
if within apt-get remove -y -q redis-stock >"$log" 2>&1; then fail "removed, and the server could not load its pools"; fi
grep -q "the server has pools" "$log" || { tail -5 "$log"; exit 1; }
[ "$(within redis-cli STOCK.AVAILABLE sku:618 | head -1)" = 98 ] || fail "the pool is gone"
within redis-cli DEL sku:618 sku:700 >/dev/null

say "then: the services end, the server goes on without the module, and has what else it held"
within apt-get purge -y -q redis-stock stock-ledger stockctl >"$log" 2>&1 || { tail -5 "$log"; exit 1; }
within systemctl is-active --quiet stockctl-metrics && fail "the exporter still runs"
[ "$(within redis-cli PING)" = PONG ] || fail "the server does not run any more"
[ "$(within redis-cli GET customer)" = 1 ] || fail "what the server held is gone"
within redis-cli STOCK.AVAILABLE sku:618 | grep -q "unknown command" || fail "the module is still there"
say "passed on $suite"
