"""How the answers of `axis cert` are told, to people and to programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from axis.cli.certs.forecast import KINDS, Event
from axis.cli.certs.inspect import row_facts, show_row
from axis.cli.certs.plan import Plan
from axis.cli.output import Answer, Exit, local, say, say_json
from axis.core.registry import Registry


def plain(value: Any) -> Any:
    """The same data with instants as ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def tell_bound(plan: Plan, registry: Registry, path: Path, now: datetime, accepted: str, as_json: bool) -> NoReturn:
    """What is true afterwards: for each agency that was touched, everything that speaks for it."""
    remarks = [*plan.remarks, *([accepted] if accepted else [])]
    rows = {
        code.text: [row_facts(row, registry, now) for row in registry.bindings.of_agency(code)]
        for code in plan.agencies
    }
    if as_json:
        say_json(plain({"ok": True, "path": str(path), "agencies": rows, "remarks": remarks}))
        raise Answer(Exit.YES)
    say(f"đã ghi (written) {path}", "green")
    for code, found in rows.items():
        name = found[0]["name"] or "" if found else ""
        say(f"{code} {name}".rstrip())
        for row in found:
            show_row(row, "  ", f"sha256:{row['certificate']}")
    for remark in remarks:
        say(f"  lưu ý (remark): {remark}", "yellow")
    say("nút đang chạy tự đọc lại trong 30 giây (a running node reads it again within 30 s)")
    raise Answer(Exit.YES)


def event_facts(event: Event, now: datetime) -> dict[str, Any]:
    row = KINDS[event.kind]
    facts = asdict(event)
    return {**facts, "in_days": (event.at - now).days, "already": event.at <= now, **asdict(row)}


def show_forecast(
    events: Sequence[Event], unread: Sequence[str], registry: Registry, now: datetime, until: datetime
) -> None:
    names = {agency.code.text: agency.name for agency in registry}
    if events:
        say(f"{'ngày (date)':<20} {'còn (left)':<11} điều gì hỏng (what breaks)")
    for event in events:
        row = KINDS[event.kind]
        left = "đã (already)" if event.at <= now else f"{(event.at - now).days} d"
        style = "red" if event.at <= now else "yellow"
        say(f"{local(event.at):<20} {left:<11} {row.vi} ({row.en}): {event.what} {event.why}".rstrip(), style)
        say(f"{'':<32}  {event.where}")
        if event.agencies:
            whom = ", ".join(f"{code} {names.get(code, '')}".rstrip() for code in event.agencies)
            again = f", đến (until) {local(event.again)}" if event.again else ""
            say(f"{'':<32}  {row.breaks_vi} ({row.breaks}){again}: {whom}")
        else:
            say(f"{'':<32}  {row.breaks_vi} ({row.breaks})")
        say(f"{'':<32}  -> {row.who_vi}: {row.remedy_vi}")
        say(f"{'':<32}     ({row.who}: {row.remedy})")
    for item in unread:
        say(f"không đọc được (could not be read): {item}", "yellow")
    count = len(events)
    told = f"{count} việc đến {local(until)} ({count} until then)"
    say(
        told if events else f"không có gì hỏng đến {local(until)} (nothing breaks until then)",
        "" if events else "green",
    )
