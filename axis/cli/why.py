"""`axis why`: what became of a document, and why (hành trình văn bản)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli.output import (
    Answer,
    Exit,
    config_option,
    end_with_faults,
    give_up,
    json_option,
    local,
    need_config,
    say,
    say_json,
)

if TYPE_CHECKING:
    from axis.config import Config
    from axis.core.journey.dossier import Dossier
    from axis.core.journey.reached import Reached
    from axis.core.journey.step import Step
    from axis.core.journey.told import Journey, Sealed
    from axis.core.model import Document
    from axis.core.registry import Registry
    from schemas.codes import AgencyCode

SHOWN: Final = 12
"""Steps of one kind that are printed: more fill a screen and tell nothing new. --all prints them."""


@click.command()
@click.argument("document")
@config_option
@click.option("--all", "whole", is_flag=True, help=f"Print every step, also beyond {SHOWN} of one kind.")
@json_option
def why(document: str, config_path: Path, whole: bool, as_json: bool) -> None:
    """Tell what became of DOCUMENT, in order of time, and what it waits for now.

    DOCUMENT is the axis' reference from the receipt, the sender's DocumentId, the official number (số, ký hiệu), or the
    id of a delivery. Reads the store, beside a running daemon or without one; changes nothing.

    Exit 0 when it is told, 1 when there is no such document, 2 when several have that id: it names them.
    """
    config = need_config(config_path, as_json, secrets=False)
    from axis.cli.daemon import destinations
    from axis.cli.remedy import of_store
    from axis.config import ConfigError
    from axis.config.bindings import registry_of
    from axis.core.journey.step import Around
    from axis.core.journey.told import journey
    from axis.sql.driver import StoreError
    from axis.sql.engine import open_readonly

    try:
        registry = registry_of(config)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    try:
        with open_readonly(config.store_url) as books:
            books.session.run(books.session.snapshot)  # one moment, also beside a running node
            dossier = books.dossier(_one(books.find(document), as_json).ref)
    except StoreError as error:
        give_up(Exit.UNSURE, str(error), of_store(error, config), as_json=as_json)
    assert dossier is not None, "read in the same snapshot"
    known = destinations(config)
    around = Around(
        routes=config.routing_table(registry),
        known=frozenset(one.name for one in config.endpoint),
        called=frozenset(one.name for one in config.endpoint if one.adapter != "mailbox"),
        hold=config.limits.hold,
        lifetime=config.delivery.retry.lifetime,
        signed=_signed(config),
        shut=_shut(known or ()),
    )
    found = journey(dossier, around)
    if as_json:
        steps = {"past": [_step(one) for one in found.past], "present": [_step(one) for one in found.present]}
        sealed = {"entries": found.sealed.entries, "signed": found.sealed.signed, "head": found.sealed.size}
        at = {"recipients": [_reached(one) for one in found.reached]}
        say_json({"ok": True, "document": _facts(dossier), **at, **steps, "log": sealed, "running": known is not None})
    else:
        _show(dossier, found, registry, whole)
        if known is None and found.present:
            say("  trục không chạy hoặc không trả lời (the daemon does not run, or does not answer)", "yellow")
    raise Answer(Exit.YES)


def _one(found: Sequence[Document], as_json: bool) -> Document:
    """The document that was meant, or the end of the command."""
    from axis.core.problems import Kind

    if not found:
        give_up(
            Exit.NO,
            f"{Kind.NOT_FOUND}: không có văn bản nào như vậy ở đây (there is no such document here)",
            "văn bản bị từ chối không được lưu: axis log show --kind refused (what was refused is not stored); "
            "mất khi khôi phục: axis log lost (what a restore lost)",
            as_json=as_json,
            problem=Kind.NOT_FOUND.value,
        )
    if len(found) == 1:
        return found[0]
    if not as_json:
        for one in found:
            say(f"{one.ref}  {local(one.accepted_at)}  {one.sender.text}  {one.kind.slug}  {one.number}")
    give_up(
        Exit.USAGE,
        f"{len(found)} văn bản mang mã đó ({len(found)} documents have that id)",
        "name one by its reference" + (f": {', '.join(one.ref for one in found)}" if as_json else ", as listed"),
        as_json=as_json,
        refs=[one.ref for one in found],
    )


def _shut(known: Sequence[Mapping[str, Any]]) -> dict[str, datetime | None]:
    """The endpoints whose breaker is open, and until when."""
    from axis.core.times import parse_rfc3339

    opened = (one for one in known if one["breaker"] == "open")
    return {one["endpoint"]: parse_rfc3339(one["until"]) if one["until"] else None for one in opened}


def _signed(config: Config) -> int:
    """How many entries the published head covers; none where it cannot be read: `axis log verify` says more."""
    from axis.log.files import Damaged, LogFolder
    from axis.log.reading import published_size

    try:
        return published_size(LogFolder(config.node.log))
    except (Damaged, OSError):
        return 0


def _facts(dossier: Dossier) -> dict[str, Any]:
    from axis.core.times import rfc3339

    one = dossier.document
    return {
        "ref": one.ref,
        "document_id": one.document_id,
        "number": one.number,
        "kind": one.kind.slug,
        "sender": one.sender.text,
        "recipients": [code.text for code in one.recipients],
        "state": one.state.value,
        "accepted_at": rfc3339(one.accepted_at),
        "verdict": one.verdict.indication.value,
        "reason": one.verdict.reason.value,
    }


def _reached(one: Reached) -> dict[str, Any]:
    from axis.core.times import rfc3339

    return {
        "recipient": one.recipient.text,
        "told": {"vi": one.told.vi, "en": one.told.en},
        "code": one.code,
        "at": rfc3339(one.at) if one.at else None,
        "reason": one.reason or None,
    }


def _step(one: Step) -> dict[str, Any]:
    from axis.core.times import rfc3339

    told = {"vi": one.told.vi, "en": one.told.en}
    return {
        "at": rfc3339(one.at),
        "what": one.what.value,
        "told": told,
        "code": one.code,
        "about": one.about,
        "endpoint": one.endpoint,
        "agencies": [code.text for code in one.agencies],
        "until": rfc3339(one.until) if one.until else None,
        "ends": rfc3339(one.ends) if one.ends else None,
        "turn": one.turn.split(", ") if one.turn else None,
        "next": {"vi": one.then.vi, "en": one.then.en} if one.then else None,
        "command": one.command,
    }


def _show(dossier: Dossier, found: Journey, registry: Registry, whole: bool) -> None:
    document = dossier.document
    say(f"{document.number}  {document.kind.slug}  {document.state.value}  {document.ref}")
    say(f"  từ (from)    {_who(document.sender, registry)}")
    codes = document.recipients if whole else document.recipients[:4]
    more = len(document.recipients) - len(codes)
    for place, code in enumerate(codes):
        say(f"  {'đến (to)' if not place else '':<11}  {_who(code, registry)}")
        _how_far(next((one for one in found.reached if one.recipient == code), None))
    if more:
        say(f"  {'':<11}  … +{more}")
    _lines(found.past, whole)
    say()
    if found.present:
        say("bây giờ (now)")
        _lines(found.present, whole, present=True)
    else:
        say("bây giờ (now): xong, không chờ gì (done, nothing waits)", "green")
    _show_sealed(found.sealed)


def _how_far(one: Reached | None) -> None:
    """What is known of the document at one recipient."""
    if one is not None:
        at = f", {local(one.at)}" if one.at else ""
        reason = f" «{one.reason}»" if one.reason else ""
        say(f"  {'':<11}    {one.told.vi}{reason} ({one.told.en}){at}", "red" if one.code == "failed" else "")


def _who(code: AgencyCode, registry: Registry) -> str:
    agency = registry.find(code)
    return f"{code.text}  {agency.name if agency else '(không có trong danh mục, not registered)'}"


def few(steps: Sequence[Step], whole: bool) -> tuple[Sequence[Step], str]:
    """The first steps of each kind, as many as one can read, and how many of which are left out."""
    seen, shown, left = Counter[str](), list[Any](), Counter[str]()
    for step in steps:
        seen[step.what.value] += 1
        if whole or seen[step.what.value] <= SHOWN:
            shown.append(step)
        else:
            left[step.what.value] += 1
    return shown, ", ".join(f"{what} +{number}" for what, number in left.items())


def _lines(steps: Sequence[Step], whole: bool, present: bool = False) -> None:
    shown, left = few(steps, whole)
    for step in shown:
        _line(step)
        if present:
            _onward(step)
    if left:
        say(f"{'':>21}còn nữa (more): {left}; --all", "yellow")


def _line(step: Step) -> None:
    from axis.core.journey.step import What

    style = {
        What.FAILED: "red",
        What.DROPPED: "red",
        What.UNREADABLE: "red",
        What.REFUSED: "red",
        What.UNFETCHED: "yellow",
        What.HELD: "yellow",
        What.ON_HOLD: "yellow",
        What.PARKED: "yellow",
    }
    codes = " ".join(code.text for code in step.agencies[:4]) + (" …" if len(step.agencies) > 4 else "")
    where = "  ".join(part for part in (codes, step.endpoint or "") if part)
    code = f"  [{step.code}]" if step.code else ""
    say(f"{local(step.at)}  {step.what.value:<11} {where}{code}", style.get(step.what, ""))
    say(f"{'':>21}{step.told.vi} ({step.told.en})")


def _onward(step: Step) -> None:
    """Until when, whose turn it is, and what they can do."""
    from axis.core.journey.turn import turn_words

    until = f"đến (until) {local(step.until)}" if step.until else ""
    ends = f"hạn cuối (given up at) {local(step.ends)}" if step.ends else ""
    if until or ends:
        say(f"{'':>21}{', '.join(part for part in (until, ends) if part)}")
    turn = turn_words(step.turn)
    say(f"{'':>21}đến lượt (whose turn): {turn.vi} ({turn.en})")
    if step.then:
        say(f"{'':>21}→ {step.then.vi}")
        say(f"{'':>21}  ({step.then.en})")
    if step.command:
        say(f"{'':>21}→ {step.command}", "cyan")


def _show_sealed(sealed: Sealed) -> None:
    told = f"nhật ký (log): {sealed.entries} bản ghi (entries)"
    if sealed.entries and sealed.signed == sealed.entries:
        say(f"{told}, đều nằm dưới mốc đã ký (all under the signed head of) {sealed.size}")
    else:
        missing = sealed.entries - sealed.signed
        say(f"{told}, {missing} chưa dưới mốc đã ký (not under the signed head of) {sealed.size}", "yellow")
