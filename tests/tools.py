"""External tools that tests hold our own results against."""

import os
import shutil
from types import MappingProxyType
from typing import Never

import pytest

PACKAGES = MappingProxyType(
    {
        "chromium": "chromium",
        "curl": "curl",
        "go": "golang-go golang-golang-x-mod-dev",
        "ip": "iproute2",
        "openssl": "openssl",
        "softhsm2-util": "softhsm2",
        "strace": "strace",
        "xmllint": "libxml2-utils",
        "xmlsec1": "xmlsec1",
    }
)
"""Which Debian packages bring a tool. `.ci/run` installs the same list."""


def need(tool: str) -> str:
    """Return the path of `tool`, or skip the test and say what to install.

    With `AXIS_TEST_REQUIRE_TOOLS=1` a missing tool fails the test instead, so that a build
    which was meant to run everything cannot pass by skipping.
    """
    path = shutil.which(tool)
    if path is not None:
        return path
    return lacking(f"needs {tool}: apt-get install {PACKAGES[tool]}")


def lacking(reason: str) -> Never:
    """Skip the test for this reason, or fail it where nothing may be skipped for lack of a tool."""
    if os.environ.get("AXIS_TEST_REQUIRE_TOOLS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
