#!/bin/sh
# The images by Docker itself: builds the four targets, compiling what the Dockerfile copies, measures a
# build after an edit of README.md, then sells in the server's image with a read-only root, follows
# with the ledger, asks by stockctl, opens the shop, and starts the three pods of the Kubernetes
# example. Needs a Docker daemon with BuildKit. OPTIONS are more options of `docker build`, such as
# `--network host --build-arg RUST=IMAGE`.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/docker-test.XXXXXX")
export DOCKER_BUILDKIT=1
name=stock-test-$$
containers="$name-server $name-shop $name-pod-0 $name-pod-1 $name-pod-2 $name-network"
trap 'docker rm -f -v $containers >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# A copy, whose README.md can be edited.
mkdir "$work/sources"
git ls-files -z | xargs -0 cp -p --parents -t "$work/sources"
cp .dockerignore "$work/sources/"
build() {
    # shellcheck disable=SC2086
    docker build -q ${OPTIONS:-} --target "$1" -t "stock-test/$1" "$work/sources" >"$work/$1.log" 2>&1 || { tail -40 "$work/$1.log"; fail "build of $1"; }
}
for image in server ledger stockctl shop; do
    began=$(milliseconds)
    build $image
    echo "built $image: $(($(milliseconds) - began)) ms, $(docker image inspect --format '{{.Size}}' "stock-test/$image") bytes, user $(docker image inspect --format '{{.Config.User}}' "stock-test/$image")"
done
# shellcheck disable=SC2086
docker build -q ${OPTIONS:-} -t stock-test/default "$work/sources" >/dev/null
[ "$(docker image inspect --format '{{.Config.Entrypoint}}' stock-test/default)" = "[server-entrypoint]" ] || fail "without a target it is not the server"
for document in README.md docs/reference/commands.md; do
    echo "An edit." >>"$work/sources/$document"
    for image in server ledger stockctl shop; do
        began=$(milliseconds)
        build $image
        took=$(($(milliseconds) - began))
        echo "after an edit of $document, $image: $took ms"
        [ $took -lt 5000 ] || fail "an edit of $document builds $image anew"
    done
done

# As compose.yaml runs them; no network but one of their own, so that nothing of this machine is in the way.
hardened="--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true"
healthy() {
    for _ in $(seq 60); do
        [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ] && return 0
        [ "$(docker inspect --format '{{.State.Running}}' "$1")" = true ] || break
        sleep 1
    done
    docker logs "$1" 2>&1 | tail -20
    fail "$1 is not healthy"
}
ask() {
    who=$1
    shift
    docker exec "$who" redis-cli "$@" | tr '\n' ' '
}
# A configuration file gives way to options, and the image's own settings to the file.
printf 'appendfsync always\nstock.hold-seconds 700\nmaxclients 777\n' >"$work/own.conf"
# shellcheck disable=SC2086
docker run -d --name "$name-server" --network none $hardened -v "$work/own.conf:/etc/own.conf:ro" stock-test/server /etc/own.conf \
    --stock.hold-seconds 600 >/dev/null
healthy "$name-server"
[ "$(ask "$name-server" STOCK.SET sku:618 100)" = "OK " ] || fail "no sale"
case $(ask "$name-server" STOCK.RESERVE sku:618 order-1 2) in "OK 2 98 "*) ;; *) fail "RESERVE" ;; esac
for setting in "maxmemory-policy noeviction" "appendonly yes" "appendfsync always" "maxclients 777" "stock.hold-seconds 600"; do
    [ "$(ask "$name-server" CONFIG GET "${setting% *}")" = "$setting " ] || fail "not $setting"
done
docker restart "$name-server" >/dev/null
healthy "$name-server"
[ "$(ask "$name-server" STOCK.AVAILABLE sku:618)" = "98 " ] || fail "the order is gone after a restart"
echo "sold in the server's image, root read-only; there after a restart"
ledger() {
    # shellcheck disable=SC2086
    docker run --rm --network "container:$name-server" $hardened -e STOCK_LEDGER_REDIS_URL=redis://127.0.0.1:6379/0 \
        -e STOCK_LEDGER_DATABASE_URL=sqlite:/data/stock.db stock-test/ledger --log error "$@" || fail "stock-ledger $*"
}
ledger init
docker run --rm --network "container:$name-server" -e STOCKCTL_URL=redis://127.0.0.1:6379 --read-only stock-test/stockctl pools --json |
    grep -q sku:618 || fail "stockctl pools"
echo "the ledger made its tables, stockctl asked, each in its image"
# shellcheck disable=SC2086
docker run -d --name "$name-shop" --network none $hardened stock-test/shop >/dev/null
healthy "$name-shop"
echo "the shop opened in its image, root read-only"

# The pods of the example: one name and one address each, in a network namespace of their own.
docker run -d --name "$name-network" --network none --entrypoint sleep stock-test/server 600 >/dev/null
chmod 755 "$work"
printf '127.0.0.1 localhost\n' >"$work/hosts"
for n in 0 1 2; do echo "127.0.3.$((n + 1)) redis-stock-$n.redis-stock redis-stock-$n" >>"$work/hosts"; done
# A block of the ConfigMap.
block() { awk -v name="  $1: |" '$0 == name { on = 1; next } on && !/^    / { exit } on { print substr($0, 5) }' deploy/kubernetes/redis-stock.yaml; }
for n in 0 1 2; do
    mkdir "$work/pod-$n" "$work/data-$n"
    # As fsGroup does it.
    chmod 777 "$work/data-$n"
    block start.sh >"$work/pod-$n/start.sh"
    { block redis.conf; echo "bind 127.0.3.$((n + 1))"; echo "bind-source-addr 127.0.3.$((n + 1))"; } >"$work/pod-$n/redis.conf"
    chmod -R go=rX "$work/pod-$n"
    # shellcheck disable=SC2086
    docker run -d --name "$name-pod-$n" --network "container:$name-network" --user 999:999 $hardened -v "$work/data-$n:/data" \
        -e "HOSTNAME=redis-stock-$n" -v "$work/hosts:/etc/hosts:ro" -v "$work/pod-$n:/etc/redis-stock:ro" \
        --entrypoint sh stock-test/server /etc/redis-stock/start.sh >/dev/null
done
pod() {
    n=$1
    shift
    docker exec "$name-network" redis-cli -h "127.0.3.$((n + 1))" "$@" | tr '\n' ' '
}
until_pod() {
    wanted=$1
    shift
    for _ in $(seq 60); do
        case $(pod "$@" 2>&1) in $wanted) return 0 ;; esac
        sleep 0.5
    done
    for n in 0 1 2; do docker logs "$name-pod-$n" 2>&1 | tail -8; done
    fail "pod $*: $(pod "$@" 2>&1), not $wanted"
}
until_pod "*connected_slaves:2*" 0 INFO replication
until_pod "OK *" 0 STOCK.SET sku:618 100
case $(pod 0 STOCK.RESERVE sku:618 order-1 2) in "OK 2 98 "*) ;; *) fail "RESERVE in a pod" ;; esac
[ "$(pod 0 WAIT 2 5000)" = "2 " ] || fail "the replicas are behind"
[ "$(pod 2 STOCK.AVAILABLE sku:618)" = "98 " ] || fail "the replica has other figures"
pod 0 FAILOVER TO redis-stock-1.redis-stock 6379 >/dev/null
until_pod "master *" 1 ROLE
docker restart -t 60 "$name-pod-0" >/dev/null
until_pod "slave redis-stock-1.redis-stock 6379 connected *" 0 ROLE
case $(pod 1 STOCK.CONFIRM sku:618 order-1) in "OK 2 "*) ;; *) fail "CONFIRM after the failover" ;; esac
echo "three pods of the Kubernetes example: sold, failed over, and the old primary follows the new one after its restart"
