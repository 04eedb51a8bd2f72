#!/usr/bin/env bash
# The C programs of tests-c under valgrind's memcheck, on this library with the epoll driver (valgrind cannot see what the
# kernel does through a ring). Any invalid access, use of undefined memory or lost block fails.
#
#   bash tests/valgrind.sh LIBRARY [program...]
#
# hwm_net is left out by default: it fills the kernel's socket buffers message by message, which takes half an hour here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$library" "$work/libzmq.so.5"
ln -s "$library" "$work/libzmq.so"
programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    for source in "$here"/../tests-c/*.c; do
        name=$(basename "$source" .c)
        [ "$name" = hwm_net ] || programs+=("$name")
    done
fi

check() {
    local name=$1
    mkdir -p "$work/$name"
    cd "$work/$name"
    cc -g -O1 -I"$here/../include" -o program "$here/../tests-c/$name.c" -L"$work" -Wl,-rpath,"$work" -lzmq -lpthread
    local status=0
    MONOCOQUE_DRIVER=epoll timeout 280 valgrind --quiet --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --error-exitcode=99 --log-file=log ./program > out 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAILED $name ($status)"
        grep -v 'unhandled amd64-linux syscall\|write your own handler\|README_MISSING\|consider this a bug\|bug_reports' log | head -40
        return 1
    fi
    echo "clean $name"
}
export -f check
export work here

printf '%s\n' "${programs[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check {}' || exit 1
echo "valgrind: ${#programs[@]} passed, 0 failed"
