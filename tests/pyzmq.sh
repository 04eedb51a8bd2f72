#!/usr/bin/env bash
# pyzmq's own test-suite on this library: the wheel from the package index, its tests from the source package (which is
# not built), the library preloaded.
#
#   bash tests/pyzmq.sh LIBRARY [--stock | --baseline RESULTS] [test_file...]
#   bash tests/pyzmq.sh --stock [test_file...]
#
# With --stock the suite runs on the wheel's own libzmq as well, and a test that passes there must pass here; --baseline takes
# the results.tsv of an earlier stock run instead. Without either, nothing may fail. MONOCOQUE_DRIVER chooses the driver.
# PYZMQ_WORK is the folder of the virtual environment, the tests, logs and results (target/pyzmq).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${PYZMQ_WORK:-${CARGO_TARGET_DIR:-$here/../target}/pyzmq}
files=(test_context test_socket test_message test_multipart test_pair test_reqrep test_pubsub test_poll test_error test_etc
    test_constants test_version test_z85 test_retry_eintr test_decorators test_ext test_future test_asyncio test_zmqstream
    test_ioloop test_device test_monqueue test_proxy_steerable test_monitor test_cffi_backend test_cython test_draft
    test_imports test_includes test_log test_mypy test_ssh test_win32_shim test_security test_auth test_curve_keygen)

options=()
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
        --stock) options+=(--stock) ;;
        --baseline) options+=(--baseline "$2"); shift ;;
        -*) echo "usage: $0 LIBRARY [--stock | --baseline RESULTS] [test_file...]" >&2; exit 2 ;;
        *.so | *.so.*) options+=(--library "$(realpath "$1")") ;;
        *) chosen+=("$1") ;;
    esac
    shift
done
if [ ${#options[@]} -eq 0 ]; then
    echo "usage: $0 LIBRARY [--stock | --baseline RESULTS] [test_file...]" >&2
    exit 2
fi

[ ${#chosen[@]} -gt 0 ] || chosen=("${files[@]}")
mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -e "$work/ready" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
        --only-binary pyzmq pyzmq pytest pytest-asyncio pytest-timeout pytest-rerunfailures tornado gevent
    version=$("$work/venv/bin/python" -c 'import zmq; print(zmq.__version__)')
    # Only pyzmq itself as a source package: its build tools come as wheels, for the metadata alone.
    "$work/venv/bin/pip" download --quiet --disable-pip-version-check \
        --no-binary pyzmq --no-deps --dest "$work/source" "pyzmq==$version"
    rm -rf "$work/suite"
    mkdir -p "$work/suite"
    tar -xzf "$work/source/pyzmq-$version.tar.gz" -C "$work/suite" --strip-components=1 --wildcards \
        '*/tests/*' '*/pytest.ini'
    touch "$work/ready"
fi

exec "$work/venv/bin/python" "$here/pyzmq/run.py" --python "$work/venv/bin/python" --suite "$work/suite" --work "$work" \
    "${options[@]}" "${chosen[@]}"
