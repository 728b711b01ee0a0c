"""What becomes of a node whose PostgreSQL loses its disk, has no more places, or is another one."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest

from axis.sql import migrate
from axis.sql.address import connect
from axis.sql.group import FULL_S
from tests.contract.test_rights import CLERK, clerk
from tests.faults.broken import BY_FAULT, Broken
from tests.faults.field import HEALTH, LARGE, Field, field_of
from tests.faults.test_database import asked, refused, stored
from tests.faults.trace import fired, following
from tests.history.event import Operation
from tests.history.logbook import Logbook
from tests.mutations.edit import Edit, Mutation
from tests.postgres import Server, server
from tests.site import HOME_AFFAIRS, OFFICE, until
from tests.tools import lacking

pytestmark = pytest.mark.faults


@contextmanager
def own_server(
    folder: Path, *settings: str, mutation: Mutation | None = None, on: Path | None = None
) -> Iterator[tuple[Field, Server]]:
    """A node on a server of its own, whose files lie `on` a disk of theirs; it has taken one document in."""
    with server(*settings, folder=None if on is None else str(on)) as own:
        url = own.database()
        migrate.upgrade(url)
        with field_of(folder, {}, store=url, mutation=mutation) as field:
            field.patience_s = 30
            field.insist(field.package((HOME_AFFAIRS,)))
            if mutation is None:
                field.quiet()
            yield field, own


def is_ready(field: Field) -> bool:
    """What the operator's listener says; that it is alive it says in any case."""
    assert urlopen(f"{field.site.pages}/healthz").status == 200
    try:
        return bool(urlopen(f"{field.site.pages}/readyz").status == 200)
    except HTTPError:
        return False


# --- its disk -----------------------------------------------------------------------------------------------------


def test_a_commit_that_does_not_reach_the_servers_disk_is_unknown_and_the_node_goes_on(tmp_path: Path) -> None:
    """F02. The server ends by itself and recovers from its log; the node finds it again."""
    with own_server(tmp_path) as (field, own):
        writes = "SELECT pid FROM pg_stat_activity WHERE application_name = 'axis main: writes'"
        backend = int(asked(own.url("postgres"), writes))
        package = field.package()
        with following(backend, tmp_path / "backend", "fdatasync", "-e", "inject=fdatasync:error=EIO") as record:
            named = {"sender": package.sender, "kind": package.kind, "document_id": package.document_id}
            told = {"sha256": package.sha256, "recipients": list(package.recipients)}
            with field.history.doing(package.sender, Operation.SUBMIT, **named, **told):
                assert field.site.send(package.octets, package.sender).status == 503
            assert fired(record), "the fault never fired"
        assert b"PANIC" in (own.folder.parent / "server.log").read_bytes()
        field.insist(package)
        assert stored(field, package.document_id) == 1
        assert field.site.running
        field.settled()


SMALL = ("max_wal_size=64MB", "min_wal_size=32MB")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 170 MB in memory. Its path is short: the server has its socket there."""
    with tempfile.TemporaryDirectory(prefix="axis-full-") as place:
        mounted = ["mount", "-t", "tmpfs", "-o", "size=170m,mode=0755", "tmpfs", place]
        if subprocess.run(mounted, capture_output=True, check=False).returncode:
            lacking("needs the right to mount a disk in memory: root")
        Path(place).chmod(0o755)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Inside, nothing more has room there."""
    with (place / "filled").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    try:
        yield
    finally:
        (place / "filled").unlink()


def full(field: Field, place: Path) -> None:
    """Whoever has no receipt is told to come back, whoever has one keeps it; operators hear of it."""
    before = field.package(size=LARGE // 4)
    field.insist(before)
    with filled(place):
        packages = [field.package(size=LARGE // 4) for _ in range(8)]
        taken = [package for package in packages if field.submit(package)]
        assert len(taken) < len(packages), "the fault never fired"
        until("it is told in the log", lambda: lines(field, "store_lost"), 10)
        assert b"the disk of the database server is full" in lines(field, "store_lost")[-1]
        refused_there(field, packages[-1].octets)
        began = time.monotonic()
        while time.monotonic() - began < FULL_S + 4:
            assert not is_ready(field), "what changes a row finds room, and it says that it is ready"
            time.sleep(0.3)
        assert field.site.running
    for package in packages:
        field.insist(package)
    until("it says that it is ready", lambda: is_ready(field), 40)
    assert all(stored(field, package.document_id) == 1 for package in (before, *packages))
    field.settled()


def test_a_server_whose_disk_is_full_is_said_to_be_and_nothing_is_lost(small_disk: Path, tmp_path: Path) -> None:
    """F111."""
    with own_server(tmp_path / "node", *SMALL, on=small_disk) as (field, _):
        full(field, small_disk)


def test_a_server_whose_own_log_has_no_room_ends_and_nothing_is_lost(small_disk: Path, tmp_path: Path) -> None:
    """F111. It cannot commit and panics; somebody makes room and starts it, and the node finds it."""
    with own_server(tmp_path / "node", *SMALL, on=small_disk) as (field, own):
        assert own.process is not None
        package = field.package()
        with filled(small_disk):
            with suppress(psycopg.OperationalError):
                for _ in range(40):
                    own.run("SELECT pg_current_xact_id(); SELECT pg_switch_wal()")
            assert field.submit(package) is None
            assert own.process.wait(30) == 1
            assert b"PANIC" in (own.folder.parent / "server.log").read_bytes(), "the fault never fired"
            until("it says that it is not ready", lambda: not is_ready(field))
            refused_there(field, package.octets)
        own.start()
        field.insist(package)
        assert is_ready(field)
        field.settled()


@pytest.mark.parametrize("broken", BY_FAULT["F111"], ids=lambda broken: broken.mutation.defence)
def test_without_the_word_nobody_hears_of_a_full_disk(broken: Broken, small_disk: Path, tmp_path: Path) -> None:
    few = own_server(tmp_path / "node", *SMALL, on=small_disk, mutation=broken.mutation)
    with few as (field, _), pytest.raises(AssertionError, match=broken.says):
        full(field, small_disk)


# --- it is away ---------------------------------------------------------------------------------------------------


def pushes(field: Field) -> list[str]:
    return [got.headers["axis-delivery"] for got in field.listener.got if got.headers["axis-cargo"] == "document"]


def lines(field: Field, event: str) -> list[bytes]:
    """What the operational log says of an event."""
    return [line for line in field.site.log.read_bytes().splitlines() if f'"{event}"'.encode() in line]


@pytest.mark.parametrize("beyond_the_lease", [False, True])
def test_what_was_handed_over_while_the_server_is_away_is_written_when_it_is_back(
    beyond_the_lease: bool, tmp_path: Path
) -> None:
    """F27. It is not made again, and not counted as an attempt that broke: nobody but the server was in trouble."""
    with own_server(tmp_path) as (field, own):
        field.listener.go.clear()
        package = field.package((HEALTH,))
        document = field.insist(package)["document"]
        until("it is under way", lambda: pushes(field))
        own.stop(signal.SIGQUIT)
        field.listener.go.set()
        until("the fault has fired", lambda: field.site.said("delivery_not_settled"))
        if beyond_the_lease:
            time.sleep(4)
        own.start()
        written = "SELECT state, attempts, breaks FROM delivery WHERE cargo = 'document' AND cargo_ref = ?"
        until("it is written", lambda: field.site.rows(written, document) == [("delivered", 1, 0)], 15)
        assert len(pushes(field)) == 1
        assert field.site.said("delivery_not_settled") == 1, "it is told once"
        assert all(
            b"OperationalError" in line or b"AdminShutdown" in line for line in lines(field, "delivery_not_settled")
        )
        field.settled()


# --- its places ---------------------------------------------------------------------------------------------------


@contextmanager
def no_more_places(field: Field, own: Server) -> Iterator[None]:
    """Inside, the server has given every place away, and the node has lost all that it had."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'axis main: %'"
    with ExitStack() as stack:
        boss = stack.enter_context(psycopg.connect(own.conninfo("postgres"), autocommit=True))

        def taken() -> bool:
            if boss.execute(end).fetchall():
                return False  # its place is free when it has ended, and whoever asks first has it
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(own.conninfo("postgres"), autocommit=True))
            return not boss.execute(end.replace("pg_terminate_backend(pid)", "pid")).fetchall()

        until("nobody has a place but the test", taken)
        yield


def test_a_server_without_places_is_waited_for_and_said_so(tmp_path: Path) -> None:
    """F29. Who asks is told to come back, and whether the node lives can be asked meanwhile."""
    with own_server(tmp_path, "max_connections=30") as (field, own):
        package = field.package()
        with no_more_places(field, own):
            for _ in range(3):
                refused_there(field, package.octets)
            until("it says that it is not ready", lambda: not is_ready(field))
            assert b"too many clients" in field.site.log.read_bytes(), "the fault never fired"
        field.insist(package)
        assert is_ready(field)
        field.settled()


def refused_there(field: Field, octets: bytes) -> None:
    began = time.monotonic()
    reply = field.site.send(octets, OFFICE)
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) > 0
    assert time.monotonic() - began < 10


# --- another server in its place ----------------------------------------------------------------------------------


def test_a_server_that_turns_into_a_standby_is_given_nothing_until_it_is_the_first_again(tmp_path: Path) -> None:
    """F30. It answers every question and takes nothing; the node says which of the two it is."""
    with own_server(tmp_path) as (field, own):
        own.stop()
        (own.folder / "data" / "standby.signal").touch()
        own.start()
        assert asked(own.url("postgres"), "SELECT pg_is_in_recovery()"), "the fault would be none"
        package = field.package()
        refused(field, package)
        until("it says that it is not ready", lambda: not is_ready(field))
        until("it is told in the log", lambda: b"this server is a standby" in field.site.log.read_bytes(), 10)
        own.run("SELECT pg_promote()")
        field.insist(package)
        assert is_ready(field)
        field.settled()


@contextmanager
def behind(own: Server, body: Callable[[], None]) -> Iterator[None]:
    """Inside, another server has taken over, that had not got what `body` did. Then the first one is back."""
    data = own.folder / "data"
    own.stop()
    subprocess.run(["cp", "-a", data, own.folder / "behind"], check=True)
    own.start()
    body()
    own.stop(signal.SIGQUIT)
    data.rename(own.folder / "newest")
    (own.folder / "behind").rename(data)
    own.start()
    try:
        yield
    finally:
        own.stop(signal.SIGQUIT)
        data.rename(own.folder / "behind")
        (own.folder / "newest").rename(data)
        own.start()


def given_nothing(field: Field, why: bytes) -> None:
    """Nothing is taken from the first moment on; the process lives, and says what is wrong."""
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        refused(field, field.package((HOME_AFFAIRS,)))
    assert not is_ready(field)
    assert field.site.running
    assert why in field.site.log.read_bytes()


def goes_on(field: Field) -> None:
    until("it says that it is ready", lambda: is_ready(field))
    until("it is told in the log", lambda: field.site.said("store_back"))
    field.insist(field.last)
    field.settled()


def test_a_server_that_has_lost_what_was_signed_is_not_started_on(tmp_path: Path) -> None:
    """F30. Nobody remembers the document, but the log's heads know more than the server does."""
    with own_server(tmp_path) as (field, own):

        def taken() -> None:
            field.insist(field.package((HOME_AFFAIRS,)))
            field.quiet()
            field.site.kill()

        with behind(own, taken):
            assert stored(field, field.last.document_id) == 0, "the fault would be none"
            for _ in range(2):
                with pytest.raises(AssertionError, match="the node ended"):
                    field.site.start()
            assert field.site.log.read_bytes().count(b"store-behind: the database knows") == 2
        field.site.start()
        field.settled()


def lost_unlogged(field: Field, own: Server) -> None:
    """A document that is in no log yet: only the process knows that it gave a receipt for it."""
    lost = field.package((HOME_AFFAIRS,))
    receipts: list[str] = []
    with behind(own, lambda: receipts.append(field.insist(lost)["document"])):
        assert stored(field, lost.document_id) == 0, "the fault would be none"
        logbook = field.logbook()
        assert isinstance(logbook, Logbook)
        assert receipts[0].encode() not in b"".join(logbook.entries), "the fault would be none"
        given_nothing(field, b"for which a receipt was given")
    goes_on(field)


def lost_logged(field: Field, own: Server) -> None:
    """An acknowledgement, which the log has: the newest document is still there."""

    def acknowledged() -> None:
        (item,) = until("it is listed", lambda: field.listed(HOME_AFFAIRS))
        until("it is fetched", lambda: field.fetch(HOME_AFFAIRS, item))
        until("it is acknowledged", lambda: field.ack(HOME_AFFAIRS, item["delivery"]))
        field.quiet()

    with behind(own, acknowledged):
        given_nothing(field, b"leaves of the log")
    goes_on(field)


UNLOGGED = Mutation(
    "",
    (
        Edit("axis/flow/sequence.py", "FEW: Final = 16", "FEW: Final = 0"),
        Edit("axis/flow/sequence.py", "PATIENCE: Final = 2 / 5", "PATIENCE: Final = 4"),
    ),
)
"""The log lets even one entry wait for others, for twenty seconds."""
LOSSES = {"unlogged": (lost_unlogged, UNLOGGED), "logged": (lost_logged, None)}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_server_that_takes_over_without_the_newest_commits_is_given_nothing(loss: str, tmp_path: Path) -> None:
    """F30. From the first moment on, until the other one is back: without a restart."""
    body, edits = LOSSES[loss]
    with own_server(tmp_path, mutation=edits) as (field, own):
        body(field, own)


# --- its rights -----------------------------------------------------------------------------------------------------


def is_named(field: Field) -> bool:
    return any(f"{CLERK} lacks INSERT on document:".encode() in line for line in lines(field, "store_lost"))


def test_a_right_that_is_taken_away_is_named_and_with_it_the_node_goes_on(postgres_store: str, tmp_path: Path) -> None:
    """F33. A role that has what it needs, and no more, is enough for everything before and after."""
    with clerk(postgres_store) as (url, owner), field_of(tmp_path, {}, store=url) as field:
        first = field.package()
        document = field.insist(first)["document"]
        field.drain()
        assert field.status(HOME_AFFAIRS, document, "03")
        field.insist(field.recall(first))
        owner.execute(f"REVOKE INSERT ON document FROM {CLERK}")
        package = field.package()
        refused(field, package)
        until("it is told in the log", lambda: is_named(field), 10)
        assert not is_ready(field)
        owner.execute(f"GRANT INSERT ON document TO {CLERK}")
        field.insist(package)
        assert is_ready(field)
        field.settled()


# --- somebody else's long transaction ------------------------------------------------------------------------------


def test_a_report_that_takes_an_hour_holds_nobody_up(postgres: Server, template: str, tmp_path: Path) -> None:
    """F35. What is read goes by what is written in the rows, not by how old the oldest transaction is."""
    with field_of(tmp_path, {}, store=postgres.database(template)) as field:
        field.patience_s = 15
        with (
            connect(field.site.store, "report", idle_in_transaction_session_timeout="0") as report,
            report.transaction(),
        ):
            report.execute("SELECT pg_current_xact_id(), count(*) FROM document")
            for _ in range(5):
                field.insist(field.package())
            field.drain()
            horizon = "SELECT age(backend_xid) FROM pg_stat_activity WHERE application_name = 'report'"
            assert int(asked(field.site.store, horizon) or 0) >= 5, "the fault would be none"
        field.settled()
