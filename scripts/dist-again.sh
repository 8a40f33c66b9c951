#!/bin/sh
# Whether target/dist (`make dist`) can be made again: builds the same commit once more, in another
# directory with a target of its own, and compares every file of the tarball.
set -eu
cd "$(dirname "$0")/.."
first=$(ls "${CARGO_TARGET_DIR:-target}"/dist/*.tar.gz)
commit=$(tar -xOzf "$first" --wildcards '*/BUILD' | sed -n 's/.*commit \([0-9a-f]*\).*/\1/p')
[ -n "$commit" ] || { echo "$first names no commit" >&2; exit 1; }
if tar -xOzf "$first" --wildcards '*/BUILD' | grep -q 'with changes'; then
    echo "$first was built from changes that are in no commit" >&2
    exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/dist-again-with-a-longer-name.XXXXXX")
trap 'rm -rf "$work"' EXIT
git clone -q . "$work/sources"
git -C "$work/sources" checkout -q "$commit"
(cd "$work/sources" && CARGO_TARGET_DIR="$work/target" sh scripts/dist.sh >"$work/log" 2>&1) || { tail -20 "$work/log"; exit 1; }
second=$(ls "$work"/target/dist/*.tar.gz)
if cmp -s "$first" "$second"; then
    echo "the same bytes: $(sha256sum "$first" | cut -c1-64) $(basename "$first")"
    exit 0
fi
echo "different: $first and a second build of $commit" >&2
mkdir "$work/one" "$work/two"
tar -C "$work/one" -xzf "$first"
tar -C "$work/two" -xzf "$second"
diff -rq "$work/one" "$work/two" >&2 || true
exit 1
