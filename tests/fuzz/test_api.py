"""A real node over TLS is asked all that its description permits, and much that it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from axis.docs import DESCRIPTION
from tests.fuzz.world import PROGRAM, ask_everything, serving, some_documents

pytestmark = pytest.mark.fuzz

SECONDS: Final = int(os.environ.get("FUZZ_SECONDS", "45"))


@pytest.fixture(autouse=True)
def _there() -> None:
    assert PROGRAM.exists(), "`make test-api` makes the environment that this needs"


def test_the_description_is_openapi() -> None:
    code = "import json, sys; from openapi_spec_validator import validate; validate(json.load(open(sys.argv[1])))"
    subprocess.run([PROGRAM.parent / "python", "-c", code, DESCRIPTION], check=True)


def test_a_node_keeps_to_its_description(tmp_path: Path) -> None:
    with serving(tmp_path / "node") as node:
        known = some_documents(node, tmp_path)
        told = ask_everything(node, known, SECONDS, tmp_path)
        said = (tmp_path / "node" / "serve.log").read_text(encoding="utf-8")
    assert told == "", told
    assert "request_broke" not in said
