"""A pytest plugin for the run on mutated code: only the tests that are asked for, and a report that a machine reads.

`AXIS_MUTATION_RUN` names a folder with `wanted.json`: a list of node ids, of which a test without its parameters
stands for all of them, and so does a file; and whether the first assertion that fails is enough. `report.json` says of
each test whether it passed, failed by an assertion of a test, or went wrong otherwise.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("AXIS_MUTATION_RUN", "."))
TESTS = Path(__file__).parents[1]
_SAID: dict[str, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    wanted = set(_wanted()["tests"])
    kept = [
        item for item in items if wanted & {item.nodeid, item.nodeid.partition("[")[0], item.nodeid.partition("::")[0]}
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.passed:
        _SAID.setdefault(item.nodeid, "passed")
    elif report.failed:
        _SAID[item.nodeid] = "asserted" if report.when == "call" and _is_assertion(call) else "broken"
        if _SAID[item.nodeid] == "asserted" and _wanted()["until_red"]:
            item.session.shouldstop = "red"
    return report


def _wanted() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / "wanted.json").read_text())
    return told


def _is_assertion(call: pytest.CallInfo[None]) -> bool:
    """An assertion of a test, not one of the product's own, nor anything that it raised."""
    assert call.excinfo is not None
    if call.excinfo.errisinstance(pytest.fail.Exception):
        return True
    if not call.excinfo.errisinstance(AssertionError):
        return False
    return Path(call.excinfo.traceback[-1].path).is_relative_to(TESTS)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    told = {"said": _SAID, "exit": int(exitstatus), "collected": session.testscollected}
    (FOLDER / "report.json").write_text(json.dumps(told))
