#!/usr/bin/env bash
# The C programs of tests-c with AddressSanitizer in the library, in libsodium and in the programs, on each driver. Any access to memory
# that was given back, or beyond its end, fails: bodies of messages are not recycled in this build. What is lost is for memcheck
# (tests/valgrind.sh): LeakSanitizer does not see what only the table of handles refers to.
#
#   bash tests/asan.sh [program...]
#
# Without programs: all of them, as many at a time as there are processors. It builds the library into target/asan, which takes some minutes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$PWD
# For what hangs.
limit_seconds=300
# One half of an exchange between two processes, which tests/valgrind.sh runs.
without="interop_peer"

host=$(rustc -vV | sed -n 's/^host: //p')
runtime=$(echo "$(rustc --print sysroot)/lib/rustlib/$host/lib"/librustc-*_rt.asan.a)
target=$here/target/asan
mkdir -p "$target"
# A variable of the runtime that a shared library cannot reach, so it has its own: no fake stacks in the library.
echo 'int __asan_option_detect_stack_use_after_return;' | cc -x c -fPIC -c -o "$target/option.o" -
# Stable Rust has the instrumentation under another name. With a target given, what runs during the build is not instrumented.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$target \
    cargo rustc --locked --lib --target "$host" -- --cfg unpooled -Clink-arg="$target/option.o"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$target/$host/debug/libmonocoque.so" "$work/libzmq.so.5"
ln -s libzmq.so.5 "$work/libzmq.so"

programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    for source in tests-c/*.c; do
        name=$(basename "$source" .c)
        case " $without " in *" $name "*) ;; *) programs+=("$name") ;; esac
    done
fi

# A program has all of the runtime that the library was instrumented for, where the library finds it.
build() {
    cc -g -O1 -fsanitize=address -I"$here/include" -c -o program.o "$here/tests-c/$1.c" &&
        cc -rdynamic -o program program.o -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive -L"$work" -Wl,-rpath,"$work" \
            -lzmq -lpthread -ldl -lm -lrt
}

# on DRIVER: 0 if the program came to its end and nothing was reported, by its children either. An allocation may fail, as elsewhere. What
# the libzmq of the zmq crate lacks, programs show only when they are asked.
on() {
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:exitcode=99:log_path="$PWD/$1.report" MONOCOQUE_DRIVER=$1 \
        timeout "$limit_seconds" ./program full > "$1.out" 2>&1 && ! grep -qs 'ERROR: AddressSanitizer' "$1.out" "$1".report.*
}

check() {
    local driver started=$SECONDS code
    mkdir -p "$work/$1"
    cd "$work/$1"
    build "$1" || { echo "FAILED $1 (build)"; return 1; }
    for driver in epoll uring; do
        code=0
        on "$driver" || code=$?
        if [ "$code" -ne 0 ]; then
            echo "FAILED $1 on $driver ($code)"
            tail -n 5 "$driver.out"
            cat -- "$driver".report.* 2> /dev/null | head -60
            return 1
        fi
    done
    echo "clean $1 ($((SECONDS - started)) s)"
}
export -f build on check
export work here runtime limit_seconds

status=0
printf '%s\n' "${programs[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check {}' | tee "$work/results" || status=1
clean=$(grep -c '^clean ' "$work/results" || true)
echo "asan: $clean passed, $((${#programs[@]} - clean)) failed"
exit "$status"
