"""What every test can rely on."""

import asyncio
import gc
import importlib
import inspect
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from axis.process import COLLECT, settle_memory
from axis.sql import migrate
from tests.buckets import Proxy, Rented, proxy
from tests.buckets import Server as BucketServer
from tests.buckets import server as bucket_server
from tests.drawn import is_drawn
from tests.postgres import Server, server

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("axis", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("axis")

# What a node in the test's process logs is for people: a traceback with every local value takes longer than the test.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

_set_up = structlog.configure


def _without_cache(**how: Any) -> None:
    """A command that a test runs in its own process sets logging up; whoever was first heard then would keep that, and
    the tests after it would listen in vain."""
    _set_up(**{**how, "cache_logger_on_first_use": False})


structlog.configure = _without_cache


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--drawn", metavar="TEXT", help="run a third of the tests, drawn by TEXT")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Every second process imports the test files from the last one on: what one has compiled, the other only loads.

    To rewrite and compile them takes longer than all else about collecting. What cannot be imported is told later.
    """
    gc.set_threshold(*COLLECT)  # what is collected here stays: not to look at it saves a seventh
    config = session.config
    second = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    if second and config.args_source is config.ArgsSource.TESTPATHS:
        for path in sorted(config.rootpath.joinpath("tests").rglob("test_*.py"), reverse=True):
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(".".join(path.relative_to(config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by = config.getoption("--drawn")
    if by:
        config.hook.pytest_deselected(items=[item for item in items if not is_drawn(item.nodeid, by)])
        items[:] = [item for item in items if is_drawn(item.nodeid, by)]


def pytest_collection_finish() -> None:
    """Eight thousand tests are there until the end: the garbage collector need not look at them again."""
    settle_memory()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on an event loop of its own; fixtures are the ordinary, synchronous ones.

    Six lines in place of pytest-asyncio, whose loop and playwright's cannot live in one process.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for the tests of this process; as durable as the store demands."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def template(postgres: Server) -> str:
    """The name of a database with an empty store: copying it costs some 50 ms, migrating costs a second."""
    postgres.run("CREATE DATABASE axis_template TEMPLATE template0")
    migrate.upgrade(postgres.url("axis_template"))
    return "axis_template"


@pytest.fixture
def postgres_store(postgres: Server, template: str) -> str:
    """The address of an empty store on PostgreSQL, for one test. It goes with the server: dropping costs a flush."""
    return postgres.database(template)


@pytest.fixture(scope="session")
def buckets() -> Iterator[BucketServer]:
    """One server that speaks S3 for the tests of this process."""
    with bucket_server() as running:
        yield running


@pytest.fixture
def bucket(buckets: BucketServer) -> Rented:
    """An empty bucket for one test. It goes with the server."""
    return buckets.rent()


@pytest.fixture
def broken(buckets: BucketServer) -> Iterator[Proxy]:
    """What passes on to the server, until it is told to break something."""
    with proxy(buckets) as between:
        yield between
