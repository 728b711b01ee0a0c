"""The result, for people as a table and a few plain lines, for programs as data."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from axis.demo.compare import Comparison, Fact, Refusal, Row
from axis.demo.layout import BASE_PATH, Layout
from axis.demo.plan import (
    BY_CODE,
    COMMUNE_20,
    DISTRICT,
    FLAW_TITLES,
    MB,
    MINISTRY,
    NATIONAL,
    NATIONAL_TITLE,
    NODES,
    PARTIES,
    PROVINCE,
    Access,
    Flaw,
    Plan,
)
from axis.log.findings import LogReport
from schemas.dates import VIETNAM

PLACES: Final = {NATIONAL: NATIONAL_TITLE, **{node.name: node.title for node in NODES}}
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the demo found out. `broken` is what went wrong on the way; `folder` where the data are."""

    plan: Plan
    comparison: Comparison
    logs: Mapping[str, LogReport]
    seconds: float
    broken: tuple[str, ...]
    folder: Path

    @property
    def logs_good(self) -> bool:
        return bool(self.logs) and all(log.ok and log.entries for log in self.logs.values())

    @property
    def good(self) -> bool:
        return self.comparison.good and self.logs_good and not self.broken


def show(result: Result, console: Console) -> None:
    """The table, what was refused, and the verdict in words."""
    console.print(_statuses(result.comparison.rows))
    console.print("* 01 do trục đặt khi giao văn bản; Bộ nói VXP nên tự báo 01.", style="dim", highlight=False)
    console.print(_refusals(result.comparison.refusals))
    for text, good in _sentences(result):
        console.print(f"{'✓' if good else '✗'} {text}", style="green" if good else "bold red", highlight=False)
    console.print(f"Xong sau {result.seconds:.0f} giây.", highlight=False)
    for text in _differences(result):
        console.print(f"  {text}", style="red", highlight=False, soft_wrap=True)


def _statuses(rows: Iterable[Row]) -> Table:
    table = Table(title="Trạng thái: nơi nhận đã báo, và trục đang có", title_justify="left", pad_edge=False)
    for name in ("Văn bản", "Từ", "Tới"):
        table.add_column(name, no_wrap=True)
    table.add_column("Cỡ", justify="right", no_wrap=True)
    for name in ("Nơi nhận đã báo", "Trục đang có", "Giờ báo", "Đối chiếu tại"):
        table.add_column(name, no_wrap=True)
    table.add_column("Khớp", justify="center")
    last = None
    for row in rows:
        first, last = row.document is not last, row.document
        table.add_row(
            row.document.name if first else "",
            BY_CODE[row.document.sender].short if first else "",
            BY_CODE[row.receiver].short,
            _size(sum(row.document.attachments)) if first else "",
            " ".join(one.fact.code + ("*" if one.by_axis else "") for one in row.told),
            " ".join(fact.code for fact in row.seen),
            _span(row.seen),
            PLACES[row.where],
            "✓" if row.good else "✗",
            style="" if row.good else "red",
        )
    return table


def _refusals(refusals: Iterable[Refusal]) -> Table:
    table = Table(title="Gói tin xấu: bị từ chối, vì sao", title_justify="left", pad_edge=False)
    for name in ("Gói", "Từ", "Điều xấu", "Trục trả lời", "Lý do"):
        table.add_column(name)
    table.add_column("Đã giao", justify="right")
    for refusal in refusals:
        document = refusal.document
        assert document.flaw is not None
        table.add_row(
            document.name,
            BY_CODE[document.sender].short,
            FLAW_TITLES[document.flaw],
            refusal.problem or "NHẬN",
            refusal.sentence or refusal.reason or "",
            str(len(refusal.delivered_to)),
            style="" if refusal.good else "red",
        )
    return table


def _sentences(result: Result) -> Iterable[tuple[str, bool]]:
    comparison, plan = result.comparison, result.plan
    verb = "BẰNG NHAU" if comparison.equal else "KHÁC NHAU"
    equal = f"{verb}: {comparison.matching}/{comparison.told} trạng thái (văn bản, nơi nhận, mã, giờ)"
    yield (
        f"{equal} trục đang có đúng như nơi nhận đã báo",
        comparison.equal and comparison.told == plan.expected_statuses,
    )
    delivered = sum(bool(row.told) and row.intact for row in comparison.rows)
    refusing = sum(len(document.refusers) for document in plan.good)
    arrived = f"{delivered}/{len(plan.rows)} lượt giao của {len(plan.good)} văn bản tới nơi nguyên vẹn"
    yield (
        f"{arrived}, {refusing} lượt nơi nhận từ chối (02); trạng thái đã về tới nơi gửi",
        comparison.complete,
    )
    reasons = ", ".join(str(refusal.reason) for refusal in comparison.refusals)
    refused = sum(refusal.problem is not None for refusal in comparison.refusals)
    leaked = sum(len(refusal.delivered_to) for refusal in comparison.refusals)
    yield f"{refused}/{len(plan.bad)} gói xấu bị từ chối ({reasons}); {leaked} gói lọt tới nơi nhận", comparison.refused
    logs = ", ".join(
        f"{PLACES[name].lower()} {log.entries} bản ghi{'' if log.ok else ' HỎNG'}" for name, log in result.logs.items()
    )
    yield f"nhật ký ký số kiểm được từ tệp và khóa công khai: {logs}", result.logs_good


def _differences(result: Result) -> Iterable[str]:
    """What exactly is not as it should be; a few of each, the rest is counted."""
    comparison = result.comparison
    found = list(result.broken)
    found += [
        f"{answer.document_id}: không được nhận ({answer.problem or 'chưa trả lời'}, {answer.reason or ''})"
        for answer in comparison.failed
    ]
    found += [text for row in comparison.rows if not row.good for text in _row_differences(row)]
    found += [f"trục quốc gia có thêm {_text(fact)}" for fact in comparison.strangers]
    for name, log in result.logs.items():
        found += [f"nhật ký {PLACES[name].lower()}: {finding}" for finding in log.findings if finding.fault]
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"... và {len(found) - _SHOWN} khác biệt nữa"


def _row_differences(row: Row) -> Iterable[str]:
    what = f"{row.document.name} → {BY_CODE[row.receiver].short}"
    told = {one.fact for one in row.told}
    yield from (f"{what}: trục thiếu {_text(fact)}" for fact in sorted(told - set(row.seen)))
    yield from (f"{what}: trục có thêm {_text(fact)}" for fact in sorted(set(row.seen) - told))
    if not row.complete:
        planned = " ".join(row.document.expected_codes(row.receiver))
        yield f"{what}: nơi nhận báo {' '.join(one.fact.code for one in row.told) or 'chưa gì'}, đáng lẽ {planned}"
    if not row.intact:
        yield f"{what}: chưa tới, hoặc tệp đính kèm không như lúc gửi"
    if row.heard != len(row.told):
        yield f"{what}: nơi gửi nhận lại {row.heard}/{len(row.told)} trạng thái"


def _text(fact: Fact) -> str:
    return f"{fact.code} lúc {_clock(fact.at)} của {fact.document_id} tại {fact.receiver}"


def _span(facts: Iterable[Fact]) -> str:
    times = sorted(fact.at for fact in facts)
    if not times:
        return ""
    return _clock(times[0]) if times[0] == times[-1] else f"{_clock(times[0])}–{_clock(times[-1])[3:]}"


def _clock(at: str) -> str:
    """The time of day in Vietnam."""
    return datetime.fromisoformat(at).astimezone(VIETNAM).strftime("%H:%M:%S")


def _size(octets: int) -> str:
    return f"{octets / MB:.0f} MB" if octets >= MB else f"{octets / 1024:.0f} KB"


def addresses(layout: Layout) -> Iterable[str]:
    """Where everything listens, and how to get in."""
    yield f"Mạng vẫn chạy, Ctrl-C để dừng. Thư mục: {layout.folder}"
    yield f"  {NATIONAL_TITLE:<14} {layout.national_url}{BASE_PATH}  (VXP)"
    for node in NODES:
        pages = layout.operator_url(node.name)
        yield f"  {node.title:<14} {layout.node_url(node.name)}/v1  · trang trạng thái {pages}/"
    party = next(party for party in PARTIES if party.access is Access.API_KEY)
    key = layout.agency(party) / "api.key"
    url = layout.node_url(party.home)
    yield f"  Thử, thay {party.title}:"
    yield f'    curl --cacert {layout.tls_ca} -H "Authorization: Bearer $(cat {key})" {url}/v1/inbox'
    yield "  Trạng thái mà trục quốc gia đang có:"
    token = layout.operator_token_file
    yield (
        f'    curl --cacert {layout.tls_ca} -H "X-Operator-Token: $(cat {token})"'
        f" {layout.national_url}/operator/statuses"
    )


def next_commands(folder: Path) -> Iterable[str]:
    """What to type next in a folder that was kept; with the path of `axis` where a shell would not find it."""
    axis = "axis" if shutil.which("axis") else Path(sys.executable).with_name("axis")
    node, below = folder / PROVINCE.name, folder / DISTRICT.name
    bad = folder / "co-quan" / COMMUNE_20.name / "goi-xau" / f"{Flaw.CHANGED}.edxml"
    yield f"Dữ liệu ở {folder}. Ba lệnh tiếp theo:"
    yield f"  {axis} log verify {node / 'data' / 'log'} --key {node / 'log.pub'} --heads {node / 'checkpoints'}"
    yield f"  {axis} verify {bad} -c {below / 'axis.toml'}"
    yield f"  {axis} explain -c {below / 'axis.toml'} --from {COMMUNE_20.code} --to {MINISTRY.code}"


def to_json(result: Result) -> dict[str, Any]:
    """The same as data: JSON types only, keys in English."""
    comparison = result.comparison
    return {
        "ok": result.good,
        "seconds": round(result.seconds, 1),
        "equal": comparison.equal,
        "complete": comparison.complete,
        "refused": comparison.refused,
        "logs_verify": result.logs_good,
        "statuses": {
            "expected": result.plan.expected_statuses,
            "told": comparison.told,
            "matching": comparison.matching,
        },
        "rows": [_row_json(row) for row in comparison.rows],
        "refusals": [_refusal_json(refusal) for refusal in comparison.refusals],
        "strangers": [_fact_json(fact) for fact in comparison.strangers],
        "logs": {
            name: {
                "ok": log.ok,
                "entries": log.entries,
                "kinds": dict(log.kinds),
                "findings": list(map(str, log.findings)),
            }
            for name, log in result.logs.items()
        },
        "differences": list(_differences(result)),
        "folder": str(result.folder),
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "document": row.document.name,
        "document_id": row.document.document_id,
        "sender": row.document.sender,
        "receiver": row.receiver,
        "size": sum(row.document.attachments),
        "compared_at": row.where,
        "told": [{**_fact_json(one.fact), "by": "axis" if one.by_axis else "agency"} for one in row.told],
        "seen": [_fact_json(fact) for fact in row.seen],
        "told_back_to_sender": row.heard,
        "intact": row.intact,
        "equal": row.equal,
        "ok": row.good,
    }


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    document = refusal.document
    return {
        "document": document.name,
        "document_id": document.document_id,
        "sender": document.sender,
        "flaw": str(document.flaw),
        "problem": refusal.problem,
        "reason": refusal.reason,
        "sub_indication": refusal.sub_indication,
        "delivered_to": list(refusal.delivered_to),
        "ok": refusal.good,
    }


def _fact_json(fact: Fact) -> dict[str, str]:
    return {"document_id": fact.document_id, "receiver": fact.receiver, "code": fact.code, "at": fact.at}
