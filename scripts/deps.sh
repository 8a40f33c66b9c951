#!/bin/sh
# Installs redis-server and libclang where they are missing and apt can: the module's bindings need libclang to build.
set -eu
want=""
command -v "${REDIS_SERVER:-redis-server}" >/dev/null 2>&1 || want="$want redis-server"
command -v redis-cli >/dev/null 2>&1 || want="$want redis-tools"
command -v cc >/dev/null 2>&1 || want="$want build-essential"
has_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    for found in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib/libclang*.so* /usr/lib64/libclang*.so* \
        /usr/local/lib/libclang*.so* /opt/homebrew/opt/llvm/lib/libclang*; do
        [ ! -e "$found" ] || return 0
    done
    return 1
}
has_libclang || want="$want libclang-dev"
[ -n "$want" ] || exit 0
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
if [ ! -e "$policy" ] && [ "$(id -u)" = 0 ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
fi
status=0
{ $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $want; } || status=$?
[ -z "$made" ] || rm -f "$policy"
exit $status
