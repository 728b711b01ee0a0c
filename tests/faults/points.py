"""The kill matrix: where the process ends, what was being done, and what must be there afterwards."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Final, Literal

from axis.demo.client import bearer
from axis.demo.network import HOST
from tests.faults.field import HEALTH, LARGE, Field
from tests.faults.place import Place
from tests.faults.trace import killed_at
from tests.history.event import Operation
from tests.history.package import Package
from tests.site import AGENCIES, HOME_AFFAIRS, until

Stored = Literal["no", "yes", "either"]
Again = Callable[[], object]
Act = Callable[[Field], Package | Again]


@dataclass(frozen=True)
class Point:
    """`act` brings the node to its end and returns the package that was being sent, or how its caller asks again.

    `stored` is what a restarted node must know of it before it is sent again.
    """

    id: str
    where: str
    act: Act
    stored: Stored = "yes"
    only: Literal["", "sqlite", "postgres"] = ""


PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "spooled": Place("axis.flow.receive", "judge", "before"),
        "judged": Place("axis.flow.receive", "judge", "after"),
        "spool written": Place("axis.blobs", "os.write", "before"),
        "to be synced": Place("axis.blobs", "os.fdatasync", "before"),
        "folder to be synced": Place("axis.blobs", "sync_folder", "before"),
        "synced": Place("axis.blobs", "os.fdatasync", "after"),
        "named": Place("axis.blobs", "Blobs.publish", "after"),
        "changed": Place("axis.sql.ledger", "SqlLedger._change", "after"),
        "applied": Place("axis.sql.ledger", "SqlLedger.apply", "after"),
        "told": Place("axis.sql.gather", "GatheringSession._tell", "after"),
        "commit sent": Place("axis.sql.postgres", "PostgresConnection.commit", "sent"),
        "before commit": Place("axis.sql.sqlite", "SqliteConnection.commit", "before"),
        "committed": Place("axis.flow.receive", "give_receipt", "before"),
        "log read": Place("axis.flow.sequence", "Sequencer._finish", "before"),
        "log journal": Place("axis.log.writer", "write_bundles", "before"),
        "log bundles": Place("axis.log.writer", "write_tiles", "before"),
        "log tiles": Place("axis.log.writer", "LogWriter._sign", "before"),
        "log signed": Place("axis.log.heads", "CheckpointStore.advance", "before"),
        "log head": Place("axis.log.heads", "CheckpointStore.advance", "after"),
        "log marked": Place("axis.log.writer", "LogWriter.publish", "before"),
        "log published": Place("axis.log.writer", "LogWriter.publish", "after"),
        "claimed": Place("axis.flow.attempt", "consign", "before"),
        "answered": Place("axis.flow.dispatch", "settle", "before"),
        "settled": Place("axis.flow.dispatch", "settle", "after"),
        "ack decided": Place("axis.flow.mailbox", "decide_handover", "after"),
        "ack stored": Place("axis.flow.mailbox", "acknowledge", "after"),
        "status stored": Place("axis.web.api", "record_told", "after"),
    }
)


# --- inside the node


def sending(place: str, *, size: int = 500, skip: int = 0) -> Act:
    """Send a document; the node ends at `place`, on the way in or when it goes on with it."""

    def act(field: Field) -> Package:
        package = field.package(size=size)
        with field.armed(place, skip=skip):
            field.submit(package)
            field.dies()
        return package

    return act


def at_commit(field: Field) -> Package:
    """SQLite has written the transaction and is about to put it on stable storage."""
    package = field.package((HOME_AFFAIRS,))
    with killed_at(field, "fdatasync"):
        field.submit(package)
        field.dies()
    return package


def acknowledging(place: str) -> Act:
    def act(field: Field) -> Again:
        field.insist(field.package((HOME_AFFAIRS,)))
        (item,) = until("it lies there", lambda: field.listed(HOME_AFFAIRS))
        assert field.fetch(HOME_AFFAIRS, item) is not None
        field.quiet()
        with field.armed(place):
            field.ack(HOME_AFFAIRS, item["delivery"])
            field.dies()
        return lambda: field.ack(HOME_AFFAIRS, item["delivery"])

    return act


def telling(place: str) -> Act:
    """A status goes to a sender that is called; the node ends at `place`."""

    def act(field: Field) -> Again:
        document = field.insist(field.package((HOME_AFFAIRS,), by=HEALTH))["document"]
        field.drain()
        with field.armed(place):
            field.status(HOME_AFFAIRS, document, "03")
            field.dies()
        return lambda: field.status(HOME_AFFAIRS, document, "03")

    return act


# --- from outside


@contextmanager
def conversation(field: Field, package: Package) -> Iterator[ssl.SSLSocket]:
    """A connection for one submission by hand. Nobody hears an answer: it ends as unknown."""
    said = {
        "sender": package.sender,
        "kind": package.kind,
        "document_id": package.document_id,
        "sha256": package.sha256,
        "recipients": list(package.recipients),
    }
    context = ssl.create_default_context(cafile=str(field.site.pki.tls_ca))
    with (
        field.history.doing(package.sender, Operation.SUBMIT, **said),
        socket.create_connection((HOST, field.site.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        yield secure


def head_of(field: Field, package: Package) -> bytes:
    shown = bearer(field.site.key(AGENCIES[package.sender]))
    lines = {**shown, "Host": HOST, "Content-Type": "application/xml", "Content-Length": str(len(package.octets))}
    return "\r\n".join(["POST /v1/documents HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items()), "", ""]).encode()


def connected(field: Field) -> Package:
    package = field.package()
    with conversation(field, package):
        field.site.kill()
    return package


def heads_read(field: Field) -> Package:
    package = field.package()
    with conversation(field, package) as connection:
        connection.sendall(head_of(field, package))
        field.site.kill()
    return package


def half_sent(field: Field) -> Package:
    package = field.package(size=4 * LARGE)
    with conversation(field, package) as connection:
        connection.sendall(head_of(field, package) + package.octets[: len(package.octets) // 2])
        until("half of it is spooled", lambda: any(path.stat().st_size for path in field.spooled()))
        field.site.kill()
    assert field.spooled(), "the fault never fired"
    return package


def answer_cut(field: Field) -> Package:
    package = field.package()
    with conversation(field, package) as connection:
        connection.sendall(head_of(field, package) + package.octets)
        assert connection.recv(20).startswith(b"HTTP/1.1 202")
        field.site.kill()
    return package


def answer_read(field: Field) -> Package:
    package = field.package()
    assert field.submit(package)
    field.site.kill()
    return package


def push_cut(field: Field) -> Package:
    """The agency that is called has read a part of the document when the node ends."""
    package = field.package((HEALTH,), size=8 * LARGE)
    read: list[int] = []

    def part(handler: BaseHTTPRequestHandler) -> None:
        read.append(len(handler.rfile.read(1000)))
        field.site.kill()
        handler.close_connection = True

    with field.listener.cut(part):
        field.submit(package)
        field.dies()
    assert read == [1000], "the fault never fired"
    return package


def listed(field: Field) -> Package:
    package = field.package((HOME_AFFAIRS,))
    field.insist(package)
    until("it lies there", lambda: field.listed(HOME_AFFAIRS))
    field.site.kill()
    return package


def narrow(port: int) -> socket.socket:
    """A connection that takes little before it is read: on a busy machine the whole answer would be on its way else."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    plain.settimeout(20)
    plain.connect((HOST, port))
    return plain


def download_cut(field: Field) -> Package:
    package = field.package((HOME_AFFAIRS,), size=8 * LARGE)
    field.insist(package)
    (item,) = until("it lies there", lambda: field.listed(HOME_AFFAIRS))
    context = ssl.create_default_context(cafile=str(field.site.pki.tls_ca))
    connection = http.client.HTTPSConnection(HOST, field.site.port, timeout=20, context=context)
    connection.sock = context.wrap_socket(narrow(field.site.port), server_hostname=HOST)
    with closing(connection), field.history.doing(HOME_AFFAIRS, Operation.FETCH, **item):
        connection.request(
            "GET", f"/v1/deliveries/{item['delivery']}/package", headers=bearer(field.site.key(AGENCIES[HOME_AFFAIRS]))
        )
        answer = connection.getresponse()
        assert len(answer.read(1000)) == 1000
        field.site.kill()
        rest = b""
        with suppress(OSError, http.client.HTTPException):
            rest = answer.read()
        assert len(rest) < len(package.octets) - 1000, "the fault never fired: the whole was on its way"
    return package


POINTS: Final = (
    Point("K01", "connection accepted, TLS done", connected, "no"),
    Point("K02", "headers read, before the body", heads_read, "no"),
    Point("K03", "half of the body in the spool", half_sent, "no"),
    Point("K04", "body complete, nothing synced", sending("spooled", size=LARGE), "no"),
    Point("K05", "octets synced, before they have their name", sending("synced", size=LARGE), "no"),
    Point("K06", "judged, before BEGIN", sending("judged"), "no"),
    Point("K07", "name and folder synced, before BEGIN", sending("named", size=LARGE), "no"),
    Point("K08", "in the transaction, document added", sending("changed"), "no"),
    Point("K09", "in the transaction, two of three deliveries added", sending("changed", skip=2), "no"),
    Point("K10", "in the transaction, log intents added", sending("applied"), "no"),
    Point("K10a", "rows of four tables told, those of others not", sending("told", skip=3), "no", only="sqlite"),
    Point("K11", "COMMIT begun, not synced", at_commit, "either", only="sqlite"),
    Point("K11", "COMMIT sent, answer not read", sending("commit sent"), "either", only="postgres"),
    Point("K12", "committed, before the answer", sending("committed"), "yes"),
    Point("K13", "answer cut", answer_cut, "yes"),
    Point("K14", "answer read, connection open", answer_read, "yes"),
    Point("K15", "intents read by the sequencer", sending("log read")),
    Point("K15a", "journal written, entry bundles not", sending("log journal")),
    Point("K16", "entry bundles written, tiles not", sending("log bundles")),
    Point("K17", "tiles written, checkpoint not signed", sending("log tiles")),
    Point("K18", "checkpoint signed, not stored", sending("log signed")),
    Point("K19", "checkpoint stored, indexes not", sending("log head")),
    Point("K19a", "indexes stored, checkpoint not published", sending("log marked")),
    Point("K19b", "checkpoint published", sending("log published")),
    Point("K21", "delivery claimed, before it is sent", sending("claimed")),
    Point("K22", "half of the request to the receiver sent", push_cut),
    Point("K23", "receiver answered 2xx, not recorded", sending("answered")),
    Point("K24", "recorded as delivered", sending("settled")),
    Point("K25", "mailbox: list answered, document not fetched", listed),
    Point("K26", "mailbox: download cut", download_cut),
    Point("K27", "mailbox: acknowledgement decided, not committed", acknowledging("ack decided")),
    Point("K28", "mailbox: acknowledgement committed, answer lost", acknowledging("ack stored")),
    Point("K29", "status committed, not passed on", telling("status stored")),
    Point("K30", "status passed on, not recorded", telling("answered")),
)


def endures(field: Field, point: Point) -> None:
    """Bring the running node to its end at this point, start it again, and hold everything against the rules."""
    field.quiet()
    package = point.act(field)
    field.dies()
    field.site.start()
    goes_on(field, point, package)


def goes_on(field: Field, point: Point, package: Package | Again) -> None:
    """The node that ended at `point` runs again: everything is as it must be, and what was begun is done."""
    assert not field.spooled(), "what was begun is not swept away"
    if not isinstance(package, Package):
        until("it is answered", package, field.patience_s)
    else:
        found = field.site.rows("SELECT ref FROM document WHERE document_id = ?", package.document_id)
        assert len(found) in {"no": (0,), "yes": (1,), "either": (0, 1)}[point.stored], f"{len(found)} are stored"
        field.insist(package)
        field.submit(package)  # the receipt is the same, however often
    field.settled()
