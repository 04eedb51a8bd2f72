#!/usr/bin/env bash
# The programs of tests/bindings, which use CZMQ and cppzmq, on the system's libzmq and with this library preloaded: they must print
# the same.
#
#   bash tests/bindings.sh LIBRARY [czmq | zauth | cppzmq]...
#
# It needs Debian's libczmq-dev and cppzmq-dev. The preloaded process has the system's libzmq.so.5 mapped as well, since the
# programs are linked with it; before main a constructor (bindings/where.c) shows where their calls go. MONOCOQUE_DRIVER chooses
# the driver. BINDINGS_WORK is the folder of the programs and of what they print (target/bindings).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${BINDINGS_WORK:-${CARGO_TARGET_DIR:-$here/../target}/bindings}
seconds_max=60

case ${1:-} in
    *.so | *.so.*) library=$(realpath "$1"); shift ;;
    *) echo "usage: $0 LIBRARY [czmq | zauth | cppzmq]..." >&2; exit 2 ;;
esac
programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=(czmq zauth cppzmq)

mkdir -p "$work"
work=$(cd "$work" && pwd)

build() {
    ${CC:-gcc} -O1 -g -Wall -fPIC -c -o "$work/where.o" "$here/bindings/where.c"
    case $1 in
        czmq | zauth) ${CC:-gcc} -O1 -g -Wall -o "$work/$1" "$here/bindings/$1.c" "$work/where.o" -lczmq -lzmq -ldl ;;
        cppzmq)
            ${CXX:-g++} -std=c++17 -O1 -g -Wall -Wno-deprecated-declarations -o "$work/cppzmq" \
                "$here/bindings/cppzmq.cpp" "$work/where.o" -lzmq -lpthread -ldl
            ;;
        *) echo "no program $1" >&2; return 2 ;;
    esac
}

# run PROGRAM NAME [VARIABLE=VALUE]: what it prints goes to PROGRAM.NAME, with its exit code at the end, and which library it runs
# on to PROGRAM.NAME.where.
run() {
    local out=$work/$1.$2 code=0
    # A program may make files where it is run.
    env -C "$work" -u LD_PRELOAD BINDINGS_WHERE="$out.where" "${@:3}" \
        timeout --kill-after=5 "$seconds_max" "$work/$1" > "$out" 2> "$out.stderr" || code=$?
    echo "exit code $code" >> "$out"
}

# check PROGRAM: says what is different.
check() {
    local program=$1
    build "$program" || return
    rm -f "$work/$program".*
    run "$program" stock
    run "$program" preloaded LD_PRELOAD="$library"
    for name in stock preloaded; do
        echo "$program, $name: $(cat "$work/$program.$name.where" || echo 'it did not start')"
    done
    # The functions come from the library asked for, and there is only that one where nothing is preloaded.
    [[ $(cat "$work/$program.stock.where") = *", io_uring 0, monocoque_counter 0, mapped 1" ]] ||
        { echo "FAILED $program: the stock run is not on the system's libzmq"; return 1; }
    [[ $(cat "$work/$program.preloaded.where") = "$library, io_uring "[01]", monocoque_counter 1, mapped 1" ]] ||
        { echo "FAILED $program: the preloaded run is not on $library"; return 1; }
    if [ "$(tail -n 1 "$work/$program.stock")" != "exit code 0" ]; then
        echo "FAILED $program on the system's libzmq:"
        tail -n 5 "$work/$program.stock" "$work/$program.stock.stderr"
        return 1
    fi
    if ! diff -au --label "$program on the system's libzmq" --label "$program on $library" \
        "$work/$program.stock" "$work/$program.preloaded"; then
        tail -n 5 "$work/$program.preloaded.stderr"
        echo "FAILED $program: it prints something else"
        return 1
    fi
    echo "ok $program: $(wc -l < "$work/$program.stock") lines are the same"
}

failed=0
for program in "${programs[@]}"; do
    check "$program" || failed=$((failed + 1))
done
echo "$((${#programs[@]} - failed)) passed, $failed failed"
[ "$failed" = 0 ]
