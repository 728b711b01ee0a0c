"""The whole description, and its one written form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from axis.core.problems import TABLE, TYPE_PREFIX, Kind
from axis.web.dto import BatchItem, StatusBody
from axis.web.openapi.operations import MOST_STATUSES, OPERATIONS
from axis.web.openapi.row import Body, Good, Named, Operation
from axis.web.openapi.schema import REFS, Schema, Schemas, name_of
from axis.web.shapes import NoticeFacts, ProblemFacts, Words
from signing.verdict import VERSION, Sentence, Verdict

RESPONSES: Final = "#/components/responses/"
PROBLEM_JSON: Final = "application/problem+json"
BATCH: Final[Schema] = {
    "description": "Nhiều trạng thái · Each item is judged by itself: one that is wrong has its problem in the answer.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "statuses": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_STATUSES,
            "items": {"$ref": REFS + BatchItem.__name__},
        }
    },
    "required": ["statuses"],
}
INFO: Final = {
    "title": "Trục liên thông văn bản",
    "version": "1",
    "summary": "API cho hệ thống quản lý văn bản · The API for document-management systems",
    "description": (
        "Từng bước, kèm ví dụ: docs/endpoints.md. Mọi lỗi: docs/problems.md. · Step by step, with examples: "
        "docs/endpoints.md. All problems: docs/problems.md. A method that a path does not have is answered with 405 "
        "`method-not-allowed` and `Allow`, an unknown path with 404 `not-found`; HEAD is answered as GET. Members and "
        "headers may be added to answers: pass over those that you do not know."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
ACCESS: Final = {
    "certificate": {"type": "mutualTLS", "description": "chứng thư số của kết nối · the connection's certificate"},
    "key": {"type": "http", "scheme": "bearer", "bearerFormat": "axk_…", "description": "khóa API · an API key"},
}
_RETRY: Final = {
    "Retry-After": {
        "required": True,
        "description": "sau bao nhiêu giây thì thử lại · seconds after which the same request may be repeated",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_ALLOWED: Final = {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}}


def _both(said: Sentence) -> str:
    return said.vi if said.vi == said.en else f"{said.vi} · {said.en}"


def document() -> Schema:
    """The description as JSON has it."""
    schemas = Schemas()
    schemas.of(Verdict)
    schemas.named[Verdict.__name__]["properties"] |= {"version": {"const": VERSION}, "sentence": schemas.of(Sentence)}
    schemas.of(NoticeFacts)
    schemas.of(ProblemFacts)
    paths: dict[str, Schema] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in ACCESS],
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**schemas.named, **_bodies()}.items())),
            "responses": {kind.value: _problem([kind]) for kind in _alone(paths)},
            "securitySchemes": ACCESS,
        },
    }


@cache
def written() -> bytes:
    """The same as octets, as it is served."""
    return orjson.dumps(document())


def _operation(one: Operation, schemas: Schemas) -> Schema:
    told: Schema = {"operationId": one.id, "summary": _both(one.said)}
    if one.roles:
        told["description"] = f"Cho kết nối loại · For connections of the role: {', '.join(one.roles)}."
    if not one.known:
        told["security"] = []
    places = (("path", one.parts), ("query", one.query), ("header", one.headers))
    if parameters := [_parameter(named, place) for place, those in places for named in those]:
        told["parameters"] = parameters
    if one.body is not None:
        told["requestBody"] = _body(one.body)
    good = filter(None, (one.answer, one.part))
    told["responses"] = {**{str(each.status): _good(each, schemas) for each in good}, **_problems(one.problems)}
    return told


def _alone(paths: Schema) -> list[Kind]:
    """The kinds that stand by themselves under a status somewhere."""
    met = {
        answer["$ref"].removeprefix(RESPONSES)
        for of in paths.values()
        for one in of.values()
        for answer in one["responses"].values()
        if "$ref" in answer
    }
    return [kind for kind in TABLE if kind.value in met]


def _parameter(named: Named, place: str) -> Schema:
    return {
        "name": named.name,
        "in": place,
        "required": named.required,
        "description": _both(named.said),
        "schema": named.described,
    }


def _body(body: Body) -> Schema:
    bound = "" if body.most is None else f"; nhiều nhất · at most {body.most} octets"
    return {
        "required": True,
        "description": _both(body.said) + bound,
        "content": {
            media: {"schema": {"$ref": REFS + shape} if isinstance(shape, str) else dict(shape.schema)}
            for media, shape in body.content.items()
        },
    }


def _good(good: Good, schemas: Schemas) -> Schema:
    told: Schema = {
        "description": _both(good.said),
        "content": {media: {"schema": _shape(shape, schemas)} for media, shape in good.content.items()},
    }
    if good.headers:
        told["headers"] = {
            one.name: {"required": one.required, "description": _both(one.said), "schema": one.described}
            for one in good.headers
        }
    return told


def _shape(shape: Any, schemas: Schemas) -> Schema:
    if isinstance(shape, Words):
        return dict(shape.schema)
    if isinstance(shape, tuple):
        return {"oneOf": [schemas.of(one) for one in shape]}
    return schemas.of(shape)


def _problems(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """By status: which kinds it may be, in the order of their table. One alone stands among the components."""
    by_status: dict[int, list[Kind]] = {}
    for kind in sorted(kinds, key=list(TABLE).index):
        by_status.setdefault(TABLE[kind].http, []).append(kind)
    return {
        str(status): {"$ref": RESPONSES + those[0].value} if len(those) == 1 else _problem(those)
        for status, those in sorted(by_status.items())
    }


def _problem(kinds: list[Kind]) -> Schema:
    lines = [f"- `{kind.value}`: {TABLE[kind].vi} · {TABLE[kind].en}" for kind in kinds]
    narrowed = {"properties": {"type": {"enum": [TYPE_PREFIX + kind.value for kind in kinds]}}}
    told: Schema = {
        "description": "\n".join(lines),
        "content": {PROBLEM_JSON: {"schema": {"allOf": [{"$ref": REFS + name_of(ProblemFacts)}, narrowed]}}},
    }
    if all(TABLE[kind].temporary for kind in kinds):
        told["headers"] = _RETRY
    if Kind.UNAUTHENTICATED in kinds:
        told["headers"] = _ALLOWED
    return told


def _bodies() -> dict[str, Schema]:
    """What is sent as JSON, by the models that read it."""
    found: dict[str, Schema] = {"Batch": BATCH}
    for model in (StatusBody, BatchItem):
        told = TypeAdapter(model).json_schema(ref_template=REFS + "{model}")
        for name, one in told.pop("$defs", {}).items():
            found[name] = _plain(one)
        found[model.__name__] = _plain(told)
    return found


def _plain(schema: Mapping[str, Any]) -> Schema:
    """Without the titles and the defaults that the library adds: they say what the names say, and what `required`
    does."""
    told = {name: value for name, value in schema.items() if name != "title"}
    if "properties" in told:
        told["properties"] = {
            name: {word: said for word, said in one.items() if word not in ("title", "default")}
            for name, one in told["properties"].items()
        }
    return told
