#!/bin/sh
# Installs missing packages with apt: redis-server, and libclang to build the bindings. With `tests`
# also what the tests need: PostgreSQL, pgbouncer, MariaDB, Python and Node.js with apt, the client libraries with
# pip and npm inside the project's directories, Prometheus unpacked in target/monitoring.
set -eu
cd "$(dirname "$0")/.."
tests=""
[ "${1:-}" != tests ] || tests=1
want=""
command -v "${REDIS_SERVER:-redis-server}" >/dev/null 2>&1 || want="$want redis-server"
command -v redis-cli >/dev/null 2>&1 || want="$want redis-tools"
command -v cc >/dev/null 2>&1 || want="$want build-essential"
has_one_of() {
    for found in "$@"; do
        [ ! -e "$found" ] || return 0
    done
    return 1
}
has_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    # Not libclang-cpp, which other packages bring and which the bindings cannot use.
    for directory in /usr/lib/llvm-*/lib /usr/lib/* /usr/lib /usr/lib64 /usr/local/lib /opt/homebrew/opt/llvm/lib; do
        has_one_of "$directory"/libclang.so* "$directory"/libclang-[0-9]*.so* "$directory"/libclang.dylib && return 0
    done
    return 1
}
has_libclang || want="$want libclang-dev"
if [ -n "$tests" ]; then
    # The tests of stock-ledger run on real database servers, which they start themselves.
    has_one_of /usr/lib/postgresql/*/bin/initdb /usr/local/bin/initdb /usr/bin/initdb || want="$want postgresql"
    has_one_of /usr/sbin/mariadbd /usr/bin/mariadbd /usr/local/bin/mariadbd || want="$want mariadb-server"
    has_one_of /usr/sbin/pgbouncer /usr/bin/pgbouncer /usr/local/bin/pgbouncer || want="$want pgbouncer"
    # A Python without ensurepip makes no environment with pip in it: Debian ships it apart.
    python3 -c "import venv, ensurepip" >/dev/null 2>&1 || want="$want python3 python3-venv"
    command -v node >/dev/null 2>&1 || want="$want nodejs"
    php -r 'exit(extension_loaded("redis") ? 0 : 1);' >/dev/null 2>&1 || want="$want php-cli php-redis"
    command -v npm >/dev/null 2>&1 || want="$want npm"
    # The Java client library needs 17 or newer.
    command -v javac >/dev/null 2>&1 || want="$want openjdk-17-jdk-headless"
    command -v mvn >/dev/null 2>&1 || want="$want maven"
fi

install_wanted() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install:$want" >&2
        exit 1
    fi
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    echo "Installing:$want"
    # A server started by the package would take the port that make run wants: none is started.
    policy=/usr/sbin/policy-rc.d
    made=""
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod +x "$policy" && made=1
    fi
    status=0
    { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $want; } || status=$?
    [ -z "$made" ] || $sudo rm -f "$policy"
    return $status
}

# The libraries, again when their pinned versions have changed.
install_libraries() {
    python="${CARGO_TARGET_DIR:-target}/python"
    pins=clients/python/requirements.txt
    if ! cmp -s "$pins" "$python/installed"; then
        python3 -m venv --clear "$python"
        "$python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins"
        cp "$pins" "$python/installed"
    fi
    pins=clients/node/package-lock.json
    modules=clients/node/node_modules
    if ! cmp -s "$pins" "$modules/.installed"; then
        (cd clients/node && npm ci --silent --no-audit --no-fund)
        cp "$pins" "$modules/.installed"
    fi
}

# The browser that the shop is tested in, and what drives it. Without them that one test is skipped, and says so.
install_browser() {
    if ! has_one_of /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome && [ -z "${CHROMIUM:-}" ]; then
        want=" chromium"
        install_wanted || return 1
    fi
    browser="${CARGO_TARGET_DIR:-target}/browser"
    pins=shop/tests/requirements.txt
    if ! cmp -s "$pins" "$browser/installed"; then
        python3 -m venv --clear "$browser" || return 1
        "$browser/bin/python" -m pip install --quiet --disable-pip-version-check -r "$pins" || return 1
        cp "$pins" "$browser/installed"
    fi
}

# Prometheus, and its exporter of Redis: unpacked and not installed, 22 MB. Without them their tests are skipped, and say so.
fetch_monitoring() {
    to="${CARGO_TARGET_DIR:-target}/monitoring"
    [ ! -e "$to/usr/bin/promtool" ] || return 0
    command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 || return 1
    mkdir -p "$to"
    (cd "$to" && apt-get -o APT::Sandbox::User=root download -qq prometheus prometheus-redis-exporter && for package in *.deb; do
        dpkg -x "$package" . && rm "$package" || exit 1
    done)
}

# predis 3 out of Debian's experimental suite, pinned by hash, and the interfaces that it needs: unpacked and not installed.
fetch_predis() {
    to="${CARGO_TARGET_DIR:-target}/predis"
    [ ! -e "$to/usr/share/php/Predis" ] || return 0
    . scripts/apt-lists.sh
    has_debian || return 1
    work=$(mktemp -d)
    own_lists "$work" experimental sid
    export APT_CONFIG="$work/apt.conf"
    apt-get update -q >"$work/log" 2>&1 &&
        (cd "$work" && apt-get download -q php-predis=3.7.0-1 php-psr-http-message=2.0-2 >"$work/log" 2>&1 && printf '%s  %s\n%s  %s\n' \
            dd9db74956d68aa73693e8d6617596ddb6026a38cb6ceda4571e4196f58d9631 php-predis_*.deb \
            3e1616bf5b13da1a32a465f250bca65aac1a6d8b67adbd65b4c72289086aa198 php-psr-http-message_*.deb | sha256sum --check --quiet) &&
        mkdir -p "$to" && for package in "$work"/*.deb; do
            dpkg -x "$package" "$to"
        done
    status=$?
    [ $status = 0 ] || tail -n 3 "$work/log" >&2
    rm -rf "$work"
    return $status
}

[ -z "$want" ] || install_wanted
[ -z "$tests" ] || install_libraries
[ -z "$tests" ] || (fetch_predis) || echo "No predis 3 could be had: its tests will be skipped." >&2
[ -z "$tests" ] || (fetch_monitoring) || echo "No Prometheus could be had: the tests of deploy/ will be skipped." >&2
[ -z "$tests" ] || (install_browser) || echo "No browser could be had: the shop's browser test will be skipped." >&2
