"""Runs pyzmq's tests file by file on one library, or on the wheel's own one, and compares what passed.

Every file has a process of its own. Where a process dies or hangs, the test that was running counts as crashed or hung,
and the rest of the file runs in another process. The results are a table: test id, tab, outcome.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TEST_SECONDS_MAX = 60
# A test that does not even end at its own limit (it blocks signals, or is stuck in a call) is killed a while later.
SILENT_SECONDS_MAX = 90
RESTARTS_MAX = 20
# Files with a test that does not wait for what it needs, on any library: when that one fails the file runs again, so often.
# test_blank_root_topic publishes right after it subscribes, over tcp; most of the time a program that does the same misses the
# message, on libzmq too. It is the first of its file; when it fails it leaves its handler behind, and the rest fails with it.
RACY = {"test_log": ("tests/test_log.py::TestPubLog::test_blank_root_topic", 4)}

PROBE = """
import ctypes, os, sys, zmq
class Info(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]
# The extension module's own view: the first definition in the global scope, or the wheel's library behind it.
import zmq.backend.cython._zmq as extension
scope = ctypes.CDLL(extension.__file__) if not sys.argv[1] else ctypes.CDLL(None)
info = Info()
ctypes.CDLL(None).dladdr(ctypes.cast(scope.zmq_ctx_new, ctypes.c_void_p), ctypes.byref(info))
print(os.path.realpath(info.file.decode()), zmq.zmq_version(), zmq.__version__)
"""


def environment(library):
    result = dict(os.environ)
    result.pop("LD_PRELOAD", None)
    if library:
        result["LD_PRELOAD"] = str(library)
    return result


def probe(python, library):
    """Says which file the zmq functions come from, and fails if it is not the library asked for."""
    output = subprocess.run(
        [python, "-c", PROBE, str(library or "")], env=environment(library), capture_output=True, text=True
    )
    if output.returncode != 0:
        sys.exit(f"pyzmq does not load on {library or 'its own library'}:\n{output.stderr}")
    where, version, binding = output.stdout.split()
    if library and where != os.path.realpath(library):
        sys.exit(f"the functions come from {where}, not from {library}")
    print(f"zmq {version} from {where}, pyzmq {binding}", flush=True)


def wait(process, record):
    """Waits for the process while its record grows; says whether it had to be killed."""
    size, grown = -1, time.monotonic()
    while True:
        try:
            process.wait(1)
            return False
        except subprocess.TimeoutExpired:
            pass
        if record.exists() and record.stat().st_size != size:
            size, grown = record.stat().st_size, time.monotonic()
        elif time.monotonic() - grown > SILENT_SECONDS_MAX:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True


def read(record):
    """The planned tests, the outcomes, and the test that had started but not ended."""
    planned, outcomes, running = [], {}, None
    for line in record.read_text().splitlines() if record.exists() else []:
        line = json.loads(line)
        if "planned" in line:
            planned = line["planned"]
        elif "started" in line:
            running = line["started"]
        else:
            outcomes[line["ended"]] = line["outcome"]
            running = None
    return planned, outcomes, running


def run_file(options, library, file, folder):
    """The outcomes of one file's tests."""
    outcomes, deselected = {}, []
    for attempt in range(RESTARTS_MAX):
        record = folder / f"{file}.{attempt}.jsonl"
        record.unlink(missing_ok=True)
        command = [options.python, "-m", "pytest", "-q", "-p", "record", "-p", "no:cacheprovider"]
        command += [f"--timeout={TEST_SECONDS_MAX}", f"tests/{file}.py"]
        command += [argument for test in deselected for argument in ("--deselect", test)]
        with open(folder / f"{file}.{attempt}.log", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=options.suite,
                env=environment(library) | {"PYZMQ_RECORD": str(record), "PYTHONPATH": str(HERE)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            killed = wait(process, record)
        planned, ended, running = read(record)
        outcomes |= ended
        if not planned and not deselected:
            return {f"tests/{file}.py": f"not collected (exit {process.returncode})"}
        if running is None:
            missing = [test for test in planned if test not in outcomes]
            if killed or process.returncode < 0:
                outcomes[f"tests/{file}.py::end of the process"] = "hung" if killed else f"signal {-process.returncode}"
            if not missing:
                return outcomes
            deselected += list(ended)
            continue
        outcomes[running] = "hung" if killed else f"crashed ({process.returncode})"
        deselected += [*ended, running]
    return outcomes


def run_all(options, library, name):
    """The outcomes of all files; the logs and a table go to a folder of that name."""
    folder = options.work / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    probe(options.python, library)
    outcomes = {}
    for file in options.files:
        begun = time.monotonic()
        racy, tries = RACY.get(file, (None, 0))
        for again in range(tries, -1, -1):
            found = run_file(options, library, file, folder)
            if again == 0 or found.get(racy) != "failed":
                break
            print(f"  {file}: failed, runs again", flush=True)
        outcomes |= found
        counts = {}
        for outcome in found.values():
            counts[outcome] = counts.get(outcome, 0) + 1
        summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        print(f"  {file}: {summary} in {time.monotonic() - begun:.0f} s", flush=True)
    table = "".join(f"{test}\t{outcome}\n" for test, outcome in sorted(outcomes.items()))
    (folder / "results.tsv").write_text(table)
    print(f"{name}: {sum(outcome == 'passed' for outcome in outcomes.values())} passed; {folder}/results.tsv", flush=True)
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True)
    parser.add_argument("--suite", type=pathlib.Path, required=True, help="the folder that holds pytest.ini and tests")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="where results and logs go")
    parser.add_argument("--library", type=pathlib.Path, help="preloaded; without it only the stock library runs")
    parser.add_argument("--stock", action="store_true", help="run on the wheel's own library as well, and compare")
    parser.add_argument("--baseline", type=pathlib.Path, help="a results.tsv of an earlier stock run, to compare with")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()

    stock = None
    if options.baseline:
        stock = dict(line.split("\t") for line in options.baseline.read_text().splitlines())
    elif options.stock or not options.library:
        stock = run_all(options, None, "stock")
    if not options.library:
        return
    ours = run_all(options, options.library.resolve(), options.library.stem)
    good = ("passed", "skipped", "xfailed")
    if stock is None:
        worse = [(test, "", outcome) for test, outcome in ours.items() if outcome not in good]
    else:
        files = tuple(f"tests/{file}.py" for file in options.files)
        worse = [
            (test, outcome, ours.get(test, "not run"))
            for test, outcome in stock.items()
            if test.startswith(files) and outcome == "passed" and ours.get(test) != "passed"
        ]
        worse += [(test, "", outcome) for test, outcome in ours.items() if test not in stock and outcome not in good]
    for test, theirs, outcome in sorted(worse):
        print(f"WORSE {test}: {outcome}" + (f", {theirs} on stock" if theirs else ""))
    print(f"{len(worse)} worse" + (" than stock" if stock is not None else ""))
    sys.exit(1 if worse or not any(outcome == "passed" for outcome in ours.values()) else 0)


if __name__ == "__main__":
    main()
