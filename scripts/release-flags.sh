# Sourced at the root of the sources: how release builds for other machines are compiled (dist.sh,
# images-test.sh), so that what one has built the other uses. QUICK=1 leaves optimisation out: for
# trying the scripts, not for anybody's server.
# A directory of its own, so that flags of other builds do not show. No path of this machine gets in.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/dist-build"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
RUSTFLAGS="--remap-path-prefix=$PWD=/redis-stock --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"
RUSTFLAGS="$RUSTFLAGS --remap-path-prefix=$CARGO_TARGET_DIR=/target"
# The same for the C that SQLite and TLS bring.
CFLAGS="-ffile-prefix-map=$PWD=/redis-stock -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$CARGO_TARGET_DIR=/target"
if [ -n "${QUICK:-}" ]; then
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
fi
export SOURCE_DATE_EPOCH CARGO_TARGET_DIR RUSTFLAGS CFLAGS
