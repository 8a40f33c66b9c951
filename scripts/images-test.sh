#!/bin/sh
# The images without Docker and without a registry: buildah (vfs, chroot isolation, nothing pulled)
# builds the targets `server` and `ledger` of the Dockerfile on a debootstrap of Debian 12, with the
# binaries of `make packages`; then the first sale is made in the server's image, and the ledger is run.
# Needs root, buildah, debootstrap. The target `build`, which compiles, needs a base image with Rust:
# it is not built here.
set -eu
cd "$(dirname "$0")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work="$target/images-test"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
port=${PORT:-7932}
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
rm -rf "$work/out"
mkdir -p "$work/out"
for file in libredis_stock.so stock-ledger stockctl; do strip -o "$work/out/$file" "$target/release/$file"; done
from=$(b from scratch)
b add -q "$from" "$work/out" /out >/dev/null
b commit -q "$from" localhost/binaries >/dev/null
b rm "$from" >/dev/null
for image in server ledger; do
    b bud -q --isolation chroot --pull-never --format docker --target $image --build-arg BINARIES=localhost/binaries \
        --build-arg SERVER=localhost/debian-base --build-arg BASE=localhost/debian-base \
        --build-arg RUST=localhost/debian-base -t "localhost/stock-$image" . >"$work/$image.log" 2>&1 ||
        { tail -20 "$work/$image.log"; fail "$image"; }
    user=$(b inspect --type image --format '{{.Docker.Config.User}}' "localhost/stock-$image")
    case $user in redis | ledger) ;; *) fail "$image runs as '$user'" ;; esac
    b inspect --type image --format '{{.Docker.Config.Healthcheck}}' "localhost/stock-$image" | grep -q CMD || fail "$image has no health check"
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
[ "$(ask STOCK.SET sku:618 100)" = "OK 100 " ] || [ "$(ask STOCK.AVAILABLE sku:618)" = "100 " ] || { tail -5 "$log"; fail "no sale"; }
case $(ask STOCK.RESERVE sku:618 order-1 2) in "OK 2 98 "*) ;; *) fail "RESERVE" ;; esac
case $(ask CONFIG GET maxmemory-policy) in *noeviction*) ;; *) fail "the server evicts" ;; esac
echo "sold in the server's image"
for command in init "run --once"; do
    # shellcheck disable=SC2086
    b run --isolation chroot -e "STOCK_LEDGER_REDIS_URL=redis://127.0.0.1:$port/0" -e STOCK_LEDGER_DATABASE_URL=sqlite:/data/stock.db \
        "$ledger" -- stock-ledger --log error $command || fail "stock-ledger $command"
done
echo "the ledger ran in its image"
