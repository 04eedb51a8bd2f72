#!/usr/bin/env bash
# Jupyter on this library: kernels (ipykernel) started and driven by jupyter_client and nbclient, client and kernels with the
# library preloaded, in a virtual environment with wheels from the package index.
#
#   bash tests/jupyter.sh LIBRARY [--stock] [check...]
#   bash tests/jupyter.sh --stock [check...]
#
# With --stock the checks run on the libzmq of pyzmq's wheel, before those on LIBRARY if there is one: nothing may fail on either.
# MONOCOQUE_DRIVER chooses the driver. JUPYTER_WORK is the folder of the virtual environment (target/jupyter).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${JUPYTER_WORK:-${CARGO_TARGET_DIR:-$here/../target}/jupyter}

library=
stock=
checks=()
while [ $# -gt 0 ]; do
    case $1 in
        --stock) stock=yes ;;
        -*) echo "usage: $0 LIBRARY [--stock] [check...]" >&2; exit 2 ;;
        *.so | *.so.*) library=$(realpath "$1") ;;
        *) checks+=("$1") ;;
    esac
    shift
done
if [ -z "$library$stock" ]; then
    echo "usage: $0 LIBRARY [--stock] [check...]" >&2
    exit 2
fi

mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -e "$work/ready" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
        --only-binary :all: pyzmq ipykernel jupyter_client nbclient nbformat
    touch "$work/ready"
fi

# run NAME COMMAND...: what the kernels write to stderr goes to a log, which is shown if a check fails.
code=0
run() {
    local log=$work/$1.log
    shift
    env -u LD_PRELOAD "$@" "${checks[@]}" 2> "$log" && return
    code=1
    echo "the end of $log:"
    grep -v "without encryption" "$log" | tail -n 60
}

[ -z "$stock" ] || run stock "$work/venv/bin/python" "$here/jupyter/run.py"
[ -z "$library" ] || run preloaded LD_PRELOAD="$library" "$work/venv/bin/python" "$here/jupyter/run.py" --library "$library"
exit $code
