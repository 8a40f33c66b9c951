#!/bin/sh
# The images without Docker and without a registry: buildah (vfs, chroot isolation, nothing pulled)
# builds the targets `server`, `ledger`, `shop` and `stockctl` of the Dockerfile on a debootstrap of Debian 12; then
# the first sale is made in the server's image, the ledger is run, and the shop opens. Needs root,
# buildah, debootstrap. The target `build` needs a base image with Rust: its commands are run on this
# machine instead, in a copy of what it copies; or BINARIES is a directory with what they make.
set -eu
cd "$(dirname "$0")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work="$target/images-test"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
port=${PORT:-7932}
. scripts/release-flags.sh
[ "$(id -u)" = 0 ] || { echo "This needs root" >&2; exit 1; }
for tool in buildah debootstrap; do
    command -v $tool >/dev/null 2>&1 || { echo "This needs $tool: apt install $tool" >&2; exit 1; }
done
mkdir -p "$work"
b() { buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
if ! b images -q localhost/debian-base 2>/dev/null | grep -q .; then
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=redis-server,ca-certificates bookworm "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1
    rm -rf "$work/base/var/cache/apt/archives"/*.deb
    from=$(b from scratch)
    b add -q "$from" "$work/base" / >/dev/null
    b commit -q "$from" localhost/debian-base >/dev/null
    b rm "$from" >/dev/null
    rm -rf "$work/base"
fi
# What stands in place of the target `build`: a directory with `out` in it.
rm -rf "$work/build" "$work/tree"
mkdir -p "$work/build/out" "$work/tree"
if [ -z "${BINARIES:-}" ]; then
    sed -n '/ AS build$/,/ AS server$/s/^COPY //p' Dockerfile | while read -r words; do
        # shellcheck disable=SC2086
        set -- $words
        # The last word says where to: the same place.
        while [ $# -gt 1 ]; do
            mkdir -p "$work/tree/$(dirname "$1")"
            # With its times, so that what was compiled of these very files is not compiled again.
            cp -rp "$1" "$work/tree/$1"
            shift
        done
    done
    grep -o 'cargo build [^\\]*' Dockerfile | while read -r line; do
        # shellcheck disable=SC2086
        (cd "$work/tree" && $line) || fail "$line"
    done || exit 1
    echo "compiled from what the Dockerfile copies"
    BINARIES="$CARGO_TARGET_DIR/release"
fi
for file in libredis_stock.so stock-ledger stockctl stock-shop; do strip -o "$work/build/out/$file" "$BINARIES/$file"; done
for image in server ledger shop stockctl; do
    b bud -q --isolation chroot --pull-never --format docker --target $image --build-context "build=$work/build" \
        --build-arg SERVER=localhost/debian-base --build-arg BASE=localhost/debian-base \
        -t "localhost/stock-$image" . >"$work/$image.log" 2>&1 ||
        { tail -20 "$work/$image.log"; fail "$image"; }
    user=$(b inspect --type image --format '{{.Docker.Config.User}}' "localhost/stock-$image")
    case $user in redis | ledger | stockctl) ;; *) fail "$image runs as '$user'" ;; esac
    b inspect --type image --format '{{.Docker.Config.Healthcheck}}' "localhost/stock-$image" | grep -q CMD || [ "$image" = stockctl ] || fail "$image has no health check"
    echo "built: $image, user $user"
done
server=$(b from --pull-never localhost/stock-server)
ledger=$(b from --pull-never localhost/stock-ledger)
log="$work/server.txt"
b run --isolation chroot "$server" -- server-entrypoint --port "$port" --bind 127.0.0.1 >"$log" 2>&1 &
trap 'b run --isolation chroot "$server" -- redis-cli -p "$port" shutdown nosave >/dev/null 2>&1; wait; b rm "$server" "$ledger" >/dev/null' EXIT
ask() { b run --isolation chroot "$server" -- redis-cli -p "$port" "$@" | tr '\n' ' '; }
for _ in $(seq 60); do
    [ "$(ask ping 2>/dev/null)" = "PONG " ] && break
    sleep 0.5
done
[ "$(ask STOCK.SET sku:618 100)" = "OK " ] || { tail -5 "$log"; fail "no sale"; }
case $(ask STOCK.RESERVE sku:618 order-1 2) in "OK 2 98 "*) ;; *) fail "RESERVE" ;; esac
case $(ask CONFIG GET maxmemory-policy) in *noeviction*) ;; *) fail "the server evicts" ;; esac
echo "sold in the server's image"
for command in init "run --once"; do
    # shellcheck disable=SC2086
    b run --isolation chroot -e "STOCK_LEDGER_REDIS_URL=redis://127.0.0.1:$port/0" -e STOCK_LEDGER_DATABASE_URL=sqlite:/data/stock.db \
        "$ledger" -- stock-ledger --log error $command || fail "stock-ledger $command"
done
echo "the ledger ran in its image"
stockctl=$(b from --pull-never localhost/stock-stockctl)
b run --isolation chroot -e "STOCKCTL_URL=redis://127.0.0.1:$port" "$stockctl" -- stockctl pools --json | grep -q 'sku:618' || fail "stockctl pools"
b rm "$stockctl" >/dev/null
echo "stockctl asked in its image"

shop=$(b from --pull-never localhost/stock-shop)
b run --isolation chroot "$shop" -- stock-shop --module /usr/lib/redis/modules/libredis_stock.so --dir /data/shop --bind 0.0.0.0 \
    >"$work/shop.txt" 2>&1 &
shop_pid=$!
for n in $(seq 60); do
    b run --isolation chroot "$shop" -- stock-shop healthy 2>"$work/shop-health.txt" && break
    [ "$n" -lt 60 ] || { cat "$work/shop.txt" "$work/shop-health.txt"; fail "the shop does not open"; }
    sleep 0.5
done
kill "$shop_pid"
wait "$shop_pid" || true
b rm "$shop" >/dev/null
echo "the shop opened in its image"
