"""`axis inbox`, `fetch`, `ack`, `status`: the receiving half of an endpoint, at the command line."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from axis.cli.client import Acknowledged, AxisClient, Inbox, Item
from axis.cli.connection import Connection, connection_options
from axis.cli.explain import CODE
from axis.cli.output import VIETNAM, Answer, Exit, json_option, local, say, say_json, size
from axis.core.times import parse_rfc3339
from schemas.codes import AgencyCode
from schemas.envelope import Priority
from schemas.status import BY_WIRE, read_wire

_URGENCY = {
    Priority.URGENT: "khẩn",
    Priority.VERY_URGENT: "thượng khẩn",
    Priority.EXPRESS: "hỏa tốc",
    Priority.EXPRESS_TIMED: "hỏa tốc hẹn giờ",
}


class WireCode(click.ParamType[str]):
    """A status code of one or two digits."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            code = read_wire(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if code not in BY_WIRE:
            self.fail(f"{value} is unknown; {', '.join(f'{w} {s.label}' for w, s in BY_WIRE.items())}", param, ctx)
        return code


class Instant(click.ParamType[datetime]):
    """An instant; without a zone Vietnam's time is meant."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("a time looks like 2026-11-23T08:30:00+07:00", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=VIETNAM)


@click.command()
@connection_options
@click.option("--after", type=int, default=0, help="Begin behind this number (the column `seq`).")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@json_option
def inbox(connection: Connection, after: int, limit: int, as_json: bool) -> None:
    """List what is waiting for this endpoint, oldest first. It waits until `axis ack`.

    Exit 0 when something waits, 1 when nothing does.
    """

    async def ask(axis: AxisClient) -> Inbox:
        return await axis.inbox(after, limit)

    page = connection.run(ask, as_json=as_json)
    if as_json:
        say_json({"items": [_item_json(item) for item in page.items], "next": page.next})
    elif not page.items:
        say("không có văn bản đến (nothing waits)")
    else:
        _table(page)
    raise Answer(Exit.YES if page.items else Exit.NO)


def _table(page: Inbox) -> None:
    for item in page.items:
        say(f"{item.seq:>6}  {item.delivery}  {_what(item)}")
    if page.next is not None:
        say(f"còn nữa (more): axis inbox --after {page.next}")


def _what(item: Item) -> str:
    if item.status is not None:
        status = item.status
        label = status.get("label") or "?"
        told = f"trạng thái {status['code']} {label} của {item.number or item.document_id}"
        reason = f": {status['description']}" if status.get("description") else ""
        return f"{told}, {status['reporter']}, {local(parse_rfc3339(status['at']))}{reason}"
    urgency = _URGENCY.get(Priority(item.priority)) if item.priority in list(Priority) else None
    mark = f" [{urgency}]" if urgency else ""
    return f"{item.number} từ {item.sender}{mark}  {item.subject} ({size(item.size or 0)})"


def _item_json(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Item.__slots__}


@click.command()
@click.argument("delivery")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to; default DELIVERY.edxml."
)
@connection_options
@json_option
def fetch(connection: Connection, delivery: str, output: Path | None, as_json: bool) -> None:
    """Fetch the package of a delivery into a file; an existing file is left alone.

    The delivery keeps waiting until `axis ack`.
    """
    target = output or Path(f"{delivery}.edxml")
    if target.exists():
        raise click.UsageError(f"{target} exists already; name another file with -o")

    # Half a file must never be taken for the package: it gets its name when it is whole.
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise click.UsageError(f"{target.parent}: {(error.strerror or str(error)).lower()}") from None
    try:
        with os.fdopen(handle, "wb") as file:

            async def ask(axis: AxisClient) -> int:
                return await axis.fetch_to(delivery, file)

            octets = connection.run(ask, as_json=as_json)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)
    finally:
        Path(name).unlink()
    if as_json:
        say_json({"delivery": delivery, "file": str(target), "bytes": octets})
    else:
        say(f"đã lưu (saved) {target}, {size(octets)}; then: axis ack {delivery}")


@click.command()
@click.argument("deliveries", nargs=-1, required=True, metavar="DELIVERY...")
@connection_options
@json_option
def ack(connection: Connection, deliveries: tuple[str, ...], as_json: bool) -> None:
    """Confirm that deliveries were taken over. Repeating is harmless.

    For a document the axis then records 01 Đã đến, where it owns that status.
    """

    async def ask(axis: AxisClient) -> list[Acknowledged]:
        return [await axis.ack(delivery) for delivery in deliveries]

    done = connection.run(ask, as_json=as_json)
    if as_json:
        say_json([{"delivery": one.delivery, "state": one.state, "arrived": one.arrived} for one in done])
        return
    for one in done:
        arrived = f", 01 Đã đến {local(one.arrived_at)}" if one.arrived_at else ""
        say(f"{one.delivery}  đã nhận ({one.state}){arrived}")


@click.command()
@click.argument("document")
@click.argument("code", type=WireCode())
@click.option("--receiver", type=CODE, help="Whose status it is, where this endpoint serves several recipients.")
@click.option("--at", type=Instant(), help="When it happened; default now.")
@click.option("--note", help="Ý kiến, lý do: required with 02 and 16.")
@click.option("--department", help="Who handles it: the department.")
@click.option("--staff", help="Who handles it: the person.")
@click.option("--mobile", help="Their telephone.")
@click.option("--email", help="Their e-mail.")
@connection_options
@json_option
def status(
    connection: Connection,
    document: str,
    code: str,
    receiver: AgencyCode | None,
    at: datetime | None,
    note: str | None,
    as_json: bool,
    **staff: str | None,
) -> None:
    """Report the status CODE of DOCUMENT: 03 Đã tiếp nhận, 04 Phân công, 05 Đang xử lý, 06 Hoàn thành, 02 Từ chối, ...

    DOCUMENT is the axis' reference, the column `document` of `axis inbox --json`.
    """
    people = {name: value for name, value in staff.items() if value}

    async def ask(axis: AxisClient) -> Any:
        return await axis.post_status(
            document, code, receiver=receiver.text if receiver else None, at=at, description=note, staff=people
        )

    answer = connection.run(ask, as_json=as_json)
    if as_json:
        say_json(answer)
    else:
        say(f"{code} {BY_WIRE[code].label}: {answer['standing']} ({answer['status']})")
