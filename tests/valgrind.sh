#!/usr/bin/env bash
# The C programs of tests-c under valgrind's memcheck, on this library with the epoll driver (valgrind cannot see what the
# kernel does through a ring). Any invalid access, use of undefined memory or lost block fails.
#
#   bash tests/valgrind.sh LIBRARY [program...]
#
# A program is a file of tests-c, or two socket types that exchange messages as tests/interop.rs has them do, PUSH:PULL, each side
# in a process of its own. Without programs: all of them, as many at a time as there are processors.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$library" "$work/libzmq.so.5"
ln -s "$library" "$work/libzmq.so"

# Limits for what hangs; the slowest program takes about a minute, an exchange a few seconds.
limit_seconds=300
exchange_seconds=90
# What one exchange sends.
messages=100

# The slow ones first.
slow=(hwm_net threads proxy hwm_inproc fd_events)
exchanges=(PAIR:PAIR PUB:SUB PUB:XSUB XPUB:SUB XPUB:XSUB PUSH:PULL REQ:REP REQ:ROUTER DEALER:REP DEALER:DEALER DEALER:ROUTER
    ROUTER:DEALER ROUTER:ROUTER)
# Memcheck keeps descriptors above the limit for itself, so that a program which sets the limit to what it has does not come to its end.
without="interop_peer monitor_events"
# These wait for most of their time, several minutes under memcheck: they are run when they are named.
without+=" mechanisms routers"
programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    programs=("${slow[@]}")
    for source in "$here"/../tests-c/*.c; do
        name=$(basename "$source" .c)
        case " $without ${slow[*]} " in *" $name "*) ;; *) programs+=("$name") ;; esac
    done
    programs+=("${exchanges[@]}")
fi

build() {
    cc -g -O1 -I"$here/../include" -o program "$here/../tests-c/$1.c" -L"$work" -Wl,-rpath,"$work" -lzmq -lpthread
}

# memcheck LOG ARGUMENT...: the program, with its arguments.
memcheck() {
    MONOCOQUE_DRIVER=epoll timeout "$limit_seconds" valgrind --quiet --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --error-exitcode=99 --log-file="$1.log" ./program "${@:2}" > "$1.out" 2>&1
}

single() {
    build "$1" || return
    # What the libzmq of the zmq crate lacks, programs show only when asked.
    memcheck "$1" full
}

# exchange SENDER RECEIVER: over ipc, where the sender connects, and over tcp, where it binds, at an address of this run.
exchange() {
    build interop_peer || return
    local port="127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).$((RANDOM % 250 + 1)):5555" failed=0
    local limit_seconds=$exchange_seconds
    peers "$1" "$2" connect bind "ipc://socket" || failed=$?
    peers "$1" "$2" bind connect "tcp://$port" || failed=$?
    return "$failed"
}

peers() {
    local failed=0 sender board=${5%%:*}.board
    # The fourth of its twelve numbers says that nobody is to be killed any more.
    head -c 96 /dev/zero > "$board"
    printf '\1' | dd of="$board" bs=1 seek=24 conv=notrunc status=none
    memcheck "${5%%:*}.sender" send "$1" "$2" "$3" "$5" "$board" "$messages" &
    sender=$!
    memcheck "${5%%:*}.receiver" receive "$2" "$1" "$4" "$5" "$board" "$messages" || failed=$?
    wait "$sender" || failed=$?
    return "$failed"
}

check() {
    local name=$1 started=$SECONDS status=0
    mkdir -p "$work/$name"
    cd "$work/$name"
    case $name in
        *:*) exchange "${name%:*}" "${name#*:}" || status=$? ;;
        *) single "$name" || status=$? ;;
    esac
    if [ "$status" -ne 0 ]; then
        echo "FAILED $name ($status)"
        tail -n 5 -- *.out
        cat -- *.log | grep -v 'unhandled amd64-linux syscall\|write your own handler\|README_MISSING\|consider this a bug\|bug_reports' |
            head -60
        return 1
    fi
    echo "clean $name ($((SECONDS - started)) s)"
}
export -f build memcheck single exchange peers check
export work here limit_seconds exchange_seconds messages

status=0
printf '%s\n' "${programs[@]}" | xargs -P "$(nproc)" -I{} bash -c 'check {}' | tee "$work/results" || status=1
clean=$(grep -c '^clean ' "$work/results" || true)
echo "valgrind: $clean passed, $((${#programs[@]} - clean)) failed"
exit "$status"
