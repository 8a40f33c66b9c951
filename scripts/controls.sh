#!/bin/sh
# Puts one bug of tests/mutants/table.txt after the other into a copy of the sources. The tests that
# the table names must fail.
# usage: [FILTER="TESTS"] controls.sh [TEXT IN THE NAME]
set -eu
cd "$(dirname "$0")/.."
root=$PWD
only=${1:-}
work=${WORK:-"$root/target/controls"}
copy="$work/src"
rm -rf "$copy"
mkdir -p "$copy"
git ls-files | tar -cf - -T - | tar -xf - -C "$copy"
cd "$copy"
# Unoptimised, since each bug is one more build; so the tests run slower and make fewer calls.
export CARGO_TARGET_DIR="$work/target" CARGO_INCREMENTAL=1 CARGO_PROFILE_TEST_OPT_LEVEL=0 RUST_BACKTRACE=0
export STOCK_MODEL_OPS="${STOCK_MODEL_OPS:-20000}"
caught=0
missed=0
check() {
    name=$1 file=$2 arguments=$3 old=$4 new=$5
    case $name in *"$only"*) ;; *) return 0 ;; esac
    count=$(OLD=$old perl -0777 -ne 'my $n = () = /\Q$ENV{OLD}\E/g; print $n' "$copy/$file")
    if [ "$count" != 1 ]; then
        echo "STALE   $name: its text occurs $count times in $file, not once"
        missed=$((missed + 1))
        return 0
    fi
    cp "$copy/$file" "$work/good"
    OLD=$old NEW=$new perl -0777 -pe 's/\Q$ENV{OLD}\E/$ENV{NEW}/' "$work/good" >"$copy/$file"
    # shellcheck disable=SC2086
    if ! cargo test -q $arguments --no-run >"$work/log" 2>&1; then
        echo "BROKEN  $name: it does not compile"
        tail -5 "$work/log"
        missed=$((missed + 1))
    elif timeout 900 cargo test -q $arguments -- ${FILTER:-} >"$work/log" 2>&1; then
        echo "MISSED  $name"
        missed=$((missed + 1))
    else
        by=$(sed -n 's/^    \([a-z_]*::[a-z_:]*\)$/\1/p' "$work/log" | sort -u | head -3 | tr '\n' ' ')
        echo "caught  $name: ${by:-the tests were killed or hung}"
        caught=$((caught + 1))
    fi
    cp "$work/good" "$copy/$file"
}
name="" file="" arguments="" old=""
while IFS= read -r line; do
    case $line in
    "@ "*)
        rest=${line#@ }
        name=${rest%% | *}
        rest=${rest#* | }
        file=${rest%% | *}
        arguments=${rest#* | }
        ;;
    "- "*) old=${line#- } ;;
    "+ "*) check "$name" "$file" "$arguments" "$old" "${line#+ }" ;;
    esac
done <"$copy/tests/mutants/table.txt"
echo "$caught caught, $missed not"
[ "$missed" = 0 ]
