"""Holds what a node answers against the description of its API."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator

from axis.core.problems import TYPE_PREFIX, Kind
from axis.demo.client import Reply
from axis.web.openapi.document import document
from axis.web.openapi.operations import OPERATIONS
from axis.web.openapi.row import Operation

ROUTES: Final = tuple((re.compile(one.pattern), one) for one in OPERATIONS)
OPEN: Final = frozenset({"Problem", "ToldProblem"})
"""Shapes beside whose members others may stand."""


def operation_of(method: str, path: str) -> Operation | None:
    asked = "GET" if method == "HEAD" else method
    plain = path.partition("?")[0]
    return next((one for pattern, one in ROUTES if one.method == asked and pattern.fullmatch(plain)), None)


def kind_of(reply: Reply) -> Kind | None:
    """Which problem was answered, `None` where the answer is good."""
    if reply.status < 400:
        return None
    assert reply.headers["content-type"] == "application/problem+json"
    return Kind(str(reply.json()["type"]).removeprefix(TYPE_PREFIX))


def listed(method: str, path: str, reply: Reply) -> None:
    """The description has such an answer: its status, its type; of a refusal the kind. Costs next to nothing."""
    one = operation_of(method, path)
    if one is None or method == "HEAD":
        return
    kind = kind_of(reply)
    if kind is None:
        good = next((each for each in (one.answer, one.part) if each and each.status == reply.status), None)
        assert good is not None, f"{one.id}: {reply.status}"
        media = reply.headers["content-type"].partition(";")[0]
        assert media in good.content, f"{one.id}: {media}"
    else:
        assert kind in one.problems, f"{one.id}: {kind.value} is not described"


def hold(method: str, path: str, reply: Reply) -> None:
    """The same, and the whole answer is of the shape that is described: no member more, none less."""
    listed(method, path, reply)
    one = operation_of(method, path)
    assert one is not None, path
    described = _described()["paths"][one.path][one.method.lower()]["responses"][str(reply.status)]
    if "$ref" in described:
        described = _described()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    for name, header in described.get("headers", {}).items():
        told = reply.headers.get(name.lower())
        assert told is not None or not header["required"], f"{one.id}: no {name}"
        if told is not None and "pattern" in header["schema"]:
            assert re.search(header["schema"]["pattern"], told), f"{one.id}: {name}: {told}"
    media = reply.headers["content-type"].partition(";")[0]
    if media.endswith("json"):
        schema = {**described["content"][media]["schema"], "components": _described()["components"]}
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
            json.loads(reply.body)
        )


@cache
def _described() -> dict[str, Any]:
    """The description, in which nothing may stand beside what it names."""
    closed = copy.deepcopy(document())
    for name, one in closed["components"]["schemas"].items():
        if name not in OPEN and one.get("type") == "object":
            one["additionalProperties"] = False
    return closed
