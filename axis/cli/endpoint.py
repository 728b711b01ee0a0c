"""`axis inbox`, `fetch`, `ack`, `status`: the receiving half of an endpoint, at the command line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from axis.cli.client import Acknowledged, AxisClient, Fetched, Inbox, Item
from axis.cli.connection import Connection, connection_options
from axis.cli.given import CODE, Moment, Whole
from axis.cli.output import Answer, Exit, json_option, local, say, say_json, size
from axis.core.times import parse_rfc3339
from schemas.codes import AgencyCode
from schemas.envelope import Priority
from schemas.status import BY_WIRE, REASON_REQUIRED, STANDING_LABEL, Standing, read_wire

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


@click.command()
@connection_options
@click.option("--after", type=Whole(0), default=0, help="Begin behind this number (the column `seq`).")
@click.option("--limit", type=Whole(1, 200), default=50, show_default=True, help="At most so many.")
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
        if item.document is not None:
            say(f"{'':>6}  {item.document}  tham chiếu văn bản (document)")
    if page.next is not None:
        say(f"còn nữa (more): axis inbox --after {page.next}")


def _what(item: Item) -> str:
    if item.notice is not None:
        return _notice(item, item.notice)
    if item.status is not None:
        status = item.status
        label = status.get("label") or "?"
        told = f"trạng thái {status['code']} {label} của {item.number or item.document_id}"
        reason = f": {status['description']}" if status.get("description") else ""
        return f"{told}, {status['reporter']}, {local(parse_rfc3339(status['at']))}{reason}"
    urgency = _URGENCY.get(Priority(item.priority)) if item.priority in list(Priority) else None
    mark = f" [{urgency}]" if urgency else ""
    attached = _attached((item.attached_pdfs or {}).get("outcome"))
    return f"{item.number} từ {item.sender}{mark}  {item.subject} ({size(item.size or 0)}){attached}"


def _attached(outcome: str | None) -> str:
    """A mark where the axis found something about the signatures inside attached PDFs that a reader should know."""
    from signing.verdict import OUTCOMES, PdfOutcome

    if outcome not in (PdfOutcome.INVALID, PdfOutcome.INDETERMINATE):
        return ""
    words = OUTCOMES[PdfOutcome(outcome)]
    return f"  [chữ ký trong tệp PDF: {words.vi} ({words.en})]"


def _notice(item: Item, notice: Mapping[str, Any]) -> str:
    """What became of a document after its receipt. Codes that are not known here are shown as they came."""
    about = item.number or item.document_id or item.document or "?"
    match str(notice.get("outcome")):
        case "released":
            return f"thông báo: {about} đã được nhận (released)"
        case "refused":
            return f"thông báo: {about} bị từ chối (refused): {_reason(notice)}"
        case "undelivered":
            recipients = notice.get("recipients")
            to = ", ".join(map(str, recipients)) if isinstance(recipients, list) else "?"
            what = f"trạng thái {notice.get('code')} của {about}" if notice.get("cargo") == "status" else about
            return f"thông báo: {what} không chuyển được đến {to} (undelivered): {_problem(notice)}"
        case other:
            return f"thông báo: {about} {other}"


def _reason(notice: Mapping[str, Any]) -> str:
    from signing.verdict import REASONS, Reason

    code = str(notice.get("reason"))
    sentence = REASONS[Reason(code)] if code in list(Reason) else None
    return f"{sentence.vi} ({code}: {sentence.en})" if sentence else _problem(notice)


def _problem(notice: Mapping[str, Any]) -> str:
    from axis.core.problems import TABLE, Kind

    code = str(notice.get("reason"))
    row = TABLE[Kind(code)] if code in list(Kind) else None
    return f"{row.vi} ({code}: {row.en})" if row else code


def _item_json(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Item.__slots__}


@click.command()
@click.argument("delivery")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to; default DELIVERY.edxml, DELIVERY.parts for a package in parts, DELIVERY.json for a notice.",
)
@connection_options
@json_option
def fetch(connection: Connection, delivery: str, output: Path | None, as_json: bool) -> None:
    """Fetch the package of a delivery into a file; an existing file is left alone.

    The delivery keeps waiting until `axis ack`. Exit 0 when it is saved, 1 when the axis refuses, 3 when nobody knows.
    """
    if str(output) == "-":
        raise click.UsageError("a package goes into a file: half of one must never be taken for it; name one with -o")
    folder = output.parent if output else Path()
    for taken in [output] if output else [Path(f"{delivery}{suffix}") for suffix in (".edxml", ".parts", ".json")]:
        if taken.exists():
            raise click.UsageError(f"{taken} exists already; name another file with -o")

    # Half a file must never be taken for the package: it gets its name when it is whole.
    try:
        handle, name = tempfile.mkstemp(prefix=".axis-fetch.", dir=folder)
    except OSError as error:
        raise click.UsageError(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    try:
        with os.fdopen(handle, "wb") as file:

            async def ask(axis: AxisClient) -> Fetched:
                return await axis.fetch_to(delivery, file)

            fetched = connection.run(ask, as_json=as_json)
            file.flush()
            os.fsync(file.fileno())
        target = output or Path(f"{delivery}{fetched.suffix}")
        os.link(name, target)
    finally:
        Path(name).unlink()
    if as_json:
        told = {"delivery": delivery, "file": str(target), "bytes": fetched.octets}
        say_json({**told, "attached_pdfs": fetched.attached_pdfs})
    else:
        mark = _attached(fetched.attached_pdfs)
        say(f"đã lưu (saved) {target}, {size(fetched.octets)}; rồi (then): axis ack {delivery}{mark}")


@click.command()
@click.argument("deliveries", nargs=-1, required=True, metavar="DELIVERY...")
@connection_options
@json_option
def ack(connection: Connection, deliveries: tuple[str, ...], as_json: bool) -> None:
    """Confirm that deliveries were taken over. Repeating is harmless.

    For a document the axis then records 01 Đã đến, where it owns that status. Exit 0 when all were, 1 when the axis
    refuses one, 3 when nobody knows: repeat it.
    """

    done: list[dict[str, Any]] = []

    async def ask(axis: AxisClient) -> None:
        for delivery in deliveries:
            one = await axis.ack(delivery)
            done.append({name: getattr(one, name) for name in ("delivery", "document", "state", "arrived")})
            if not as_json:  # what was taken over is told even if the next one is refused
                _show_acknowledged(one)

    connection.run(ask, as_json=as_json, so_far=lambda: {"acknowledged": done})
    if as_json:
        say_json(done)


def _show_acknowledged(one: Acknowledged) -> None:
    arrived = f", 01 Đã đến {local(one.arrived_at)}" if one.arrived_at else ""
    say(f"{one.delivery}  đã nhận ({one.state}){arrived}")
    if one.document is not None:
        say(f"{one.document}  tham chiếu văn bản (document)")


@click.command()
@click.argument("document")
@click.argument("code", type=WireCode())
@click.option("--receiver", type=CODE, help="Whose status it is, where this endpoint serves several recipients.")
@click.option("--at", type=Moment(), help="When it happened; default now.")
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

    DOCUMENT is the axis' reference: the second line of each item of `axis inbox`, and of the answer of `axis ack`.

    Exit 0 when it is recorded, 1 when the axis refuses, 3 when nobody knows: repeat it with the same --at.
    """
    if BY_WIRE[code] in REASON_REQUIRED and not (note or "").strip():
        raise click.UsageError(f"{code} {BY_WIRE[code].label} needs the reason: --note")
    people = {name: value for name, value in staff.items() if value}

    async def ask(axis: AxisClient) -> Any:
        return await axis.post_status(
            document, code, receiver=receiver.text if receiver else None, at=at, description=note, staff=people
        )

    answer = connection.run(ask, as_json=as_json)
    if as_json:
        say_json(answer)
    else:
        standing = answer["standing"]
        told = f"{STANDING_LABEL[Standing(standing)]} ({standing})" if standing in list(Standing) else standing
        say(f"{code} {BY_WIRE[code].label}: {told}", "yellow" if standing == Standing.CONFLICT else "")
        say(f"  {answer['status']}  mã lần báo (status)")
