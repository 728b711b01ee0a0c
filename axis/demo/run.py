"""The demo from beginning to end: write, start, watch, collect, compare, tell, clean up."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from axis.demo.client import Client, Door, NoAnswer
from axis.demo.collect import Books, collect, open_doors, open_operator
from axis.demo.compare import Comparison, compare
from axis.demo.layout import Layout, Ports, write_layout
from axis.demo.network import HOST, Network, NetworkFailed, Program, free_ports
from axis.demo.plan import DEFAULT_DOCUMENTS, NATIONAL, NATIONAL_TITLE, NODES, PARTIES, Access, Plan, make_plan
from axis.demo.progress import count
from axis.demo.report import Result
from axis.demo.show import Screen
from axis.log.findings import LogReport
from axis.log.verify import verify_log
from schemas.dates import VIETNAM

STALL_S: Final = 30.0
"""After so long without a new line in any journal the demo gives up and shows what it has."""
SETTLE_S: Final = 15.0
"""How long the axes may take to know what the receivers have told."""
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    documents: int = DEFAULT_DOCUMENTS
    keep: Path | None = None
    serve: bool = False


class Stopped(Exception):
    """Somebody asked the demo to end: Ctrl-C or SIGTERM."""


@contextmanager
def folder_for(options: Options) -> Iterator[Path]:
    """The folder to work in. One of our own is gone afterwards, unless `leave` was called on the way."""
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        yield options.keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="axis-demo-")).resolve()
    try:
        yield folder
    finally:
        if not (folder / _LEFT).exists():
            shutil.rmtree(folder, ignore_errors=True)


_LEFT: Final = ".left-to-look-at"


def leave(folder: Path) -> None:
    """Something went wrong: whoever wants to know why needs the logs."""
    (folder / _LEFT).touch()


def plan_for(options: Options) -> Plan:
    return make_plan(datetime.now(VIETNAM).date(), options.documents)


Serving = Callable[[Layout, Result, Callable[[], None]], None]
"""What to do while the network stays up. The last argument is to be called often: it raises when it is time to end."""


def run(plan: Plan, folder: Path, screen: Screen, serving: Serving | None = None) -> Result:
    """Play the plan in `folder`. `NetworkFailed` when the network does not come up or breaks, `Stopped` when asked to.

    With `serving` the network stays up after the result, until that returns or somebody asks to stop.
    """
    began = time.monotonic()
    with _stoppable() as interrupt, screen, Network(interrupt) as network:
        screen.step(f"Viết khóa, chứng thư và cấu hình vào {folder}")
        layout = write_layout(folder, plan, _ports(), datetime.now(UTC))
        screen.step("Khởi động trục quốc gia mô phỏng, trục tỉnh, trục huyện")
        _start_axes(network, layout)
        screen.step(f"Khởi động hệ thống của {len(PARTIES)} cơ quan; văn bản bắt đầu đi")
        _start_agencies(network, layout)
        books = Books(layout)
        _watch(plan, books, network, screen, began)
        screen.step("Hỏi trục quốc gia và các nút, đối chiếu với nơi nhận")
        comparison = _settle(plan, layout, books, network)
        seconds = time.monotonic() - began
        if serving is not None:
            result = Result(plan, comparison, _verify_logs(layout), seconds, tuple(books.broken()), folder)
            screen.close()
            with contextlib.suppress(Stopped):
                serving(layout, result, network.check)
            return result
        screen.step("Dừng mạng, kiểm nhật ký ký số từ tệp")
        network.stop()
        return Result(plan, comparison, _verify_logs(layout), time.monotonic() - began, tuple(books.broken()), folder)


def _ports() -> Ports:
    found = iter(free_ports(2 * len(NODES) + 1))
    agencies = {node.name: next(found) for node in NODES}
    return Ports(agencies, {node.name: next(found) for node in NODES}, next(found))


def _start_axes(network: Network, layout: Layout) -> None:
    network.start(Program(NATIONAL_TITLE, national_arguments(layout), layout.log(NATIONAL)))
    # What `axis migrate` does, once for both: importing it takes two seconds, in which the national axis comes up.
    from axis.sql.migrate import upgrade

    for node in NODES:
        layout.data(node.name).mkdir()
        upgrade(f"sqlite:///{layout.data(node.name) / 'axis.db'}")
        network.start(
            Program(node.title, ["-m", "axis", "serve", "-c", str(layout.config(node.name))], layout.log(node.name))
        )
    urls = [layout.national_url, *(layout.node_url(node.name) for node in NODES)]
    for url in urls:
        network.wait_until(lambda url=url: _answers(url, layout), url)  # type: ignore[misc]


def national_arguments(layout: Layout) -> list[str]:
    """How the simulated national axis is started: by the command that an integrator would use."""
    tls = layout.pki / "tls"
    return [
        *("-m", "axis", "national", "serve", "--data", str(layout.national_data), "--seeds", str(layout.seeds)),
        *("--listen", f"{HOST}:{layout.ports.national}"),
        *("--cert", str(tls / "truc-quoc-gia.pem"), "--key", str(tls / "truc-quoc-gia.key")),
        *("--operator-token-file", str(layout.operator_token_file)),
    ]


def _start_agencies(network: Network, layout: Layout) -> None:
    for party in PARTIES:
        module = "axis.demo.ministry" if party.access is Access.VXP else "axis.demo.endpoint"
        network.start(Program(party.title, ["-m", module, str(layout.settings(party))], layout.log(party.name)))


def _answers(url: str, layout: Layout) -> bool:
    """Say whether a server answers anything at all over TLS."""
    client = Client(Door(url, layout.tls_ca), timeout_s=2, patience_s=0)
    try:
        client.get("/healthz")
        return True
    except NoAnswer:
        return False
    finally:
        client.close()


def _watch(plan: Plan, books: Books, network: Network, screen: Screen, began: float) -> None:
    """Until everything has happened, or nothing happens any more."""
    quiet_since = time.monotonic()
    while True:
        now = time.monotonic()
        if books.read():
            quiet_since = now
        progress = count(plan, books.lines, now - began)
        screen.progress(progress)
        if progress.finished or books.broken() or now - quiet_since > STALL_S:
            return
        network.check()
        time.sleep(_LOOK_S)


def _settle(plan: Plan, layout: Layout, books: Books, network: Network) -> Comparison:
    """Compare, again and again until it is good or the time is up: the last statuses may still be under way."""
    doors, operator = open_doors(layout), open_operator(layout)
    deadline = time.monotonic() + SETTLE_S
    while True:
        books.read()
        comparison = compare(plan, collect(plan, layout, books, doors, operator))
        if comparison.good or time.monotonic() > deadline or books.broken():
            break
        network.check()
        time.sleep(_LOOK_S)
    for client in (*doors.values(), operator):
        client.close()
    return comparison


def _verify_logs(layout: Layout) -> dict[str, LogReport]:
    """Verify both signature logs as an auditor does: files, the store of heads, and the public key."""
    return {
        node.name: verify_log(
            layout.data(node.name) / "log", layout.log_key(node.name).read_text(), heads=layout.heads(node.name)
        )
        for node in NODES
    }


@contextmanager
def _stoppable() -> Iterator[Callable[[], None]]:
    """Note SIGTERM and Ctrl-C, and give a function that raises `Stopped` once one has come.

    Raising in the signal handler itself would be lost in whatever callback happens to run just then.
    """
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: asked.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }

    def interrupt() -> None:
        if asked:
            raise Stopped

    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["NetworkFailed", "Options", "Stopped", "folder_for", "leave", "plan_for", "run"]
