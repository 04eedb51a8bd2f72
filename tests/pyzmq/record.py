"""A pytest plugin that writes down what each test did at once, so that a crash or a hang loses nothing but itself.

Lines of JSON go to the file named by PYZMQ_RECORD: {"planned": [ids]}, {"started": id}, {"ended": id, "outcome": ...}.
"""

import json
import os

_record = open(os.environ["PYZMQ_RECORD"], "a", buffering=1)
_outcomes = {}


def _write(**line):
    _record.write(json.dumps(line) + "\n")


def pytest_collection_finish(session):
    _write(planned=[item.nodeid for item in session.items])


def pytest_runtest_logstart(nodeid, location):
    _outcomes[nodeid] = "passed"
    _write(started=nodeid)


def pytest_runtest_logreport(report):
    if report.outcome == "failed":
        _outcomes[report.nodeid] = "failed"
    elif report.outcome == "skipped" and _outcomes[report.nodeid] == "passed":
        _outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else "skipped"


def pytest_runtest_logfinish(nodeid, location):
    _write(ended=nodeid, outcome=_outcomes[nodeid])
