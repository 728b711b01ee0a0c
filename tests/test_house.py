"""Who may import whom, and a few habits that a machine can keep better than we do. The map: CONTRIBUTING.md."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("adapters", "axis", "schemas", "signing")
EVERYTHING = "adapters axis schemas signing"

# Clock, chance, network, processes, logging: what a pure room never asks the world for.
WORLD = "time random secrets uuid logging socket ssl subprocess http urllib asyncio signal sqlite3"
STRICTLY = f"{WORLD} os io pathlib tempfile shutil threading concurrent importlib sys"


@dataclass(frozen=True)
class Room:
    """What the modules below `name` may import besides their own room and the standard library."""

    name: str
    ours: str = ""
    tools: str = ""
    never: str = ""  # of the standard library


# A module belongs to the room with the longest name that fits. A new rule is a new row.
ROOMS = (
    Room("schemas", tools="lxml pybase64", never=WORLD),
    Room("signing", "signing.asn1", "cryptography lxml orjson pyhanko pyhanko_certvalidator", never=WORLD),
    Room("signing.asn1", tools="asn1crypto", never=WORLD),  # the one file that knows the library
    Room("axis.core", "schemas signing.verdict", "orjson", never=STRICTLY),
    Room("axis.flow", "axis.core axis.log schemas signing", "lxml structlog"),
    Room("axis.log", "axis.core axis.durable axis.plain signing.cosignature signing.keys signing.note"),
    # A program of its own, which others run: it knows the log, and nothing of a node.
    Room("axis.witness", "axis.core axis.log axis.plain signing.cosignature", "aiohttp structlog"),
    Room("axis.sql", "axis.core axis.durable schemas signing.verdict", "alembic orjson psycopg sqlalchemy sqlmodel"),
    Room(
        "axis.web",
        "axis.core axis.flow axis.web.openapi schemas signing.verdict",
        "aiohttp jinja2 orjson prometheus_client pydantic structlog",
    ),
    # What the routes and the description of the API are made of: tables and types.
    Room(
        "axis.web.openapi", "axis.core axis.web.dto axis.web.shapes schemas signing.verdict", "orjson pydantic", WORLD
    ),
    Room("axis.config", "axis.core schemas signing.cosignature signing.keys", "pydantic pydantic_core"),
    Room("axis.demo", EVERYTHING, "aiohttp click lxml rich"),
    Room("axis.devpki", tools="cryptography"),  # the development authority issues; the judge only judges
    Room("axis.hsm", "axis.core signing.algorithm signing.keys", "cryptography structlog"),
    Room("axis.hsm.server", "axis.hsm.wire", "pkcs11"),  # the process that owns a token: nothing else may touch it
    Room("axis.evidence", "axis.core axis.flow axis.log schemas signing"),  # bundles: written, read, judged again
    # Looking after a node: fsck, backup, restore, collecting.
    Room(
        "axis.care",
        "axis.core axis.durable axis.plain axis.log axis.sql axis.blobs axis.holding signing.note signing.verdict",
        "structlog",
    ),
    Room("axis.objects", "axis.core axis.blobs axis.holding axis.kept axis.objects"),
    Room("axis.objects.bucket", tools="obstore"),  # the one file that knows the library
    Room("axis.process", "axis.config"),
    Room("axis.trust", "axis.config signing"),
    Room("axis.shelf", "axis.blobs axis.care axis.config axis.holding axis.objects"),
    Room("axis.hands", "adapters axis.config axis.core axis.tls axis.watch"),
    # Exchanges the configuration of a running node.
    Room(
        "axis.reload",
        "axis.config axis.core axis.flow axis.hands axis.process axis.trust axis.web.auth signing",
        "structlog",
    ),
    Room("axis.reread", "axis.config axis.core axis.flow axis.reload axis.watch", "structlog"),
    Room("axis.witnesses", "adapters axis.config axis.core axis.flow axis.log axis.tls axis.watch signing.cosignature"),
    Room("axis.docs", "axis.care.findings axis.core axis.web.openapi.document schemas signing.verdict"),
    Room("axis.app", EVERYTHING, "aiohttp structlog uvloop"),
    Room("axis.cli", EVERYTHING, "aiohttp click orjson rich structlog uvloop"),
    Room("axis.__main__", "axis.cli"),
    Room("axis", "axis.core schemas signing", "structlog"),  # single files: blobs, ids, logs, tls, trust
    Room("adapters", "axis.core schemas", "aiohttp orjson pydantic structlog"),
    # A program of its own, with a store of its own.
    Room("adapters.national.simulator", "adapters axis.core schemas", "aiohttp lxml sqlalchemy sqlmodel structlog"),
)


def within(module: str, rooms: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms.split())


def room_of(module: str) -> Room:
    return max((room for room in ROOMS if within(module, room.name)), key=lambda room: len(room.name))


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported anywhere in the file, at the top, in a function or for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(module: str, tree: ast.AST) -> list[str]:
    """What `module` imports and may not."""
    room, found = room_of(module), set[str]()
    for target in imported(tree):
        top = target.partition(".")[0]
        if top in PACKAGES:
            allowed = within(target, room.ours) or room_of(target) == room
        elif top in sys.stdlib_module_names:
            allowed = top not in room.never.split()
        else:
            allowed = top in room.tools.split()
        if not allowed:
            found.add(f"{module} imports {target}")
    return sorted(found)


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


FILES = dict(modules())


@cache
def tree_of(path: Path) -> ast.Module:
    """A file as it is read: once, for all who ask."""
    return ast.parse(path.read_text())


def test_everybody_imports_only_what_the_house_allows() -> None:
    assert [line for name, path in FILES.items() for line in violations(name, tree_of(path))] == []


PLANTED = [
    ("axis.core.model", "import time", "time"),
    ("axis.core.model", "from datetime import datetime", None),
    ("axis.core.model", "from axis.sql import tables", "axis.sql.tables"),
    ("axis.core.model", "from axis import sql", "axis.sql"),
    ("axis.core.model", "from signing.verdict import Verdict", None),
    ("axis.core.model", "from signing.chain import Trust", "signing.chain.Trust"),
    ("axis.core.model", "from axis.core.times import rfc3339", None),
    ("axis.core.model", "import structlog", "structlog"),
    ("schemas.codes", "import axis.core.model", "axis.core.model"),
    ("signing.verify", "from schemas import edxml", "schemas.edxml"),
    ("signing.verify", "import aiohttp", "aiohttp"),
    ("axis.flow.receive", "import sqlalchemy.orm", "sqlalchemy.orm"),
    ("axis.flow.receive", "from axis.sql.store import SqlStore", "axis.sql.store.SqlStore"),
    ("axis.sql.ledger", "from axis.flow import receive", "axis.flow.receive"),
    ("axis.web.api", "from axis.sql.views import SqlViews", "axis.sql.views.SqlViews"),
    ("axis.web.api", "import sqlmodel", "sqlmodel"),
    ("axis.ids", "import secrets", None),
    ("axis.ids", "import axis.web.api", "axis.web.api"),
    ("adapters.node", "from axis.web import api", "axis.web.api"),
    ("adapters.node", "from axis.core.ports import Sink", None),
    ("adapters.node", "from cryptography import x509", "cryptography.x509"),
    ("adapters.national.client", "import sqlmodel", "sqlmodel"),
    ("adapters.national.simulator.store", "import sqlmodel", None),
    ("axis.app", "from axis.sql.store import SqlStore", None),
    ("axis.app", "import sqlmodel", "sqlmodel"),
    ("axis.corets", "import time", None),  # a room is a folder, not the beginning of a name
    ("axis.core.model", "def late():\n    import random", "random"),
    ("axis.core.model", "if TYPE_CHECKING:\n    from axis.flow.context import Context", "axis.flow.context.Context"),
]


@pytest.mark.parametrize(("module", "source", "caught"), PLANTED)
def test_a_planted_import_is_caught(module: str, source: str, caught: str | None) -> None:
    assert violations(module, ast.parse(source)) == ([f"{module} imports {caught}"] if caught else [])


def test_every_room_exists_and_every_file_has_a_room() -> None:
    assert [name for name in FILES if not room_of(name)] == []
    assert len(FILES) > 60


PURE = ("schemas", "signing", "axis.core")
CLOCK = {"now", "today", "utcnow"}
WORLDLY = {"open", "print", "input", "exec", "eval", "__import__"}


def impure(tree: ast.AST) -> list[str]:
    """Calls by which a pure room would reach for the clock or the world without importing anything."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(f"line {node.lineno}: await")
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id="datetime" | "date" as owner), attr=attr) if attr in CLOCK:
                found.append(f"line {node.lineno}: {owner}.{attr}()")
            case ast.Name(id=name) if name in WORLDLY:
                found.append(f"line {node.lineno}: {name}()")
    return found


def test_a_pure_room_asks_neither_the_clock_nor_the_world() -> None:
    planted = ast.parse("x = datetime.now(UTC)\nopen('f')\nd.now()")
    assert impure(planted) == ["line 1: datetime.now()", "line 2: open()"]
    pure = {name: impure(tree_of(path)) for name, path in FILES.items() if within(name, " ".join(PURE))}
    assert {name: calls for name, calls in pure.items() if calls} == {}


def test_no_file_grows_beyond_what_fits_in_a_head() -> None:
    """About 400 lines is where we look for the second idea in a file; 450 is where we must have found it."""
    lengths = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: length for name, length in lengths.items() if length > 450} == {}


def test_a_module_is_named_after_what_it_does() -> None:
    empty = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
    assert [name for name in FILES if name.rpartition(".")[2] in empty] == []


def test_every_public_module_says_what_it_is() -> None:
    silent = [
        name
        for name, path in FILES.items()
        if path.stat().st_size  # an empty `__init__.py` only marks a folder
        and not any(part.startswith("_") for part in name.split("."))
        and "migrations" not in name
        and not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


def asks_twice(source: str) -> list[str]:
    """Functions that read `ctx.network` more than once: between the two a reload may have exchanged it."""
    found: dict[str, int] = {}

    def walk(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = f"{name}.{child.name}" if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else name
            if (
                isinstance(child, ast.Attribute)
                and child.attr == "network"
                and ast.unparse(child.value).endswith("ctx")
            ):
                found[inner] = found.get(inner, 0) + 1
            walk(child, inner)

    walk(ast.parse(source), "")
    return sorted(name for name, times in found.items() if times > 1)


def test_who_decides_asks_for_the_configuration_once() -> None:
    assert asks_twice("def a(ctx):\n    ctx.network.x\n    def b(): ctx.network.y\n") == []
    assert asks_twice("def a(self):\n    if self.ctx.network.x: self.ctx.network.y\n") == [".a"]
    flows = {name: asks_twice(path.read_text()) for name, path in FILES.items() if within(name, "axis.flow axis.web")}
    assert {name: twice for name, twice in flows.items() if twice} == {}
