"""A process that has imported what others wrote and nothing of ours, and forks itself for every run of tests.

To import pytest, aiohttp and their kind takes longer than the tests. It reads a line of JSON, the arguments of pytest,
runs them in a child in its own working folder, and answers with the child's exit code; output goes to `output.txt`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

OTHERS = (
    "aiohttp.web alembic asn1crypto.cms asn1crypto.ocsp asn1crypto.tsp click cryptography.x509.ocsp hypothesis jinja2 "
    "lxml.etree orjson prometheus_client pybase64 pyhanko_certvalidator.validate pyhanko_certvalidator.policy_decl "
    "pydantic pytest rich.console sqlmodel structlog uvloop xdist.plugin signxml"
)
OURS = ("adapters", "axis", "schemas", "signing", "tests.refusals", "tests.unit")


def main() -> None:
    for name in OTHERS.split():
        with suppress(ImportError):
            importlib.import_module(name)
    assert not [name for name in sys.modules if name.startswith(OURS)]
    sys.path.insert(0, str(Path.cwd()))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(arguments: list[str]) -> None:
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import pytest

    code = int(pytest.main(arguments))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
