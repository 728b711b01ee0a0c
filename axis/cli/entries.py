"""`axis log show`: read what the log says, of one document or of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli.given import Moment, Through, Whole
from axis.cli.output import Answer, Exit, give_up, json_option, local, say, say_json
from axis.cli.vietnamese import in_vietnamese
from axis.core.model import EntryKind
from axis.core.times import parse_rfc3339

if TYPE_CHECKING:
    from axis.log.entries import ReadEntry

_KINDS: Final = click.Choice([kind.value for kind in EntryKind])
_REF: Final = re.compile("[a-z0-9]{26}")
_BY_REF: Final = (
    "the log names documents by the axis' reference, as the receipt and axis why tell it; numbers are not in it"
)
_SILENT: Final = "_commitment", "policy_sha256"
"""Facts that prove something and tell a reader nothing: only with --json."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--about", metavar="REF", help="Only entries about it: the axis' reference of a document, a delivery or a status."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=_KINDS,
    help="Only these; may repeat.",
)
@click.option("--since", type=Moment(), help="Only from this day or time on: 02/12/2026, 2026-12-02, 2026-12-02T08:30.")
@click.option("--until", type=Through(), help="Only up to this day, the whole day included, or before this time.")
@click.option("--from", "first", type=Whole(0), default=0, help="Begin at this index.")
@click.option("--limit", type=Whole(1, 100_000), default=200, show_default=True, help="At most so many.")
@json_option
def show(
    folder: Path,
    about: str | None,
    kinds: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    first: int,
    limit: int,
    as_json: bool,
) -> None:
    """Show what the log in FOLDER says, oldest first. Verifies nothing: `axis log verify` says whether it is whole.

    Exit 0 when there are such entries, 1 when there are none.
    """
    from axis.core.entry import ENTRY_MEANING
    from axis.log.files import Damaged, LogFolder
    from axis.log.reading import entries, published_size

    log = LogFolder(folder)
    try:
        size = published_size(log)
    except Damaged as error:
        give_up(Exit.NO, str(error), "axis log verify says more", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, str(error), as_json=as_json)
    if not size:
        give_up(Exit.NO, "there is no checkpoint yet", f"is {folder} the folder of a log?", as_json=as_json)

    def wanted() -> Iterator[tuple[int, ReadEntry]]:
        for index, entry in entries(log, size, first):
            at = parse_rfc3339(entry.at)
            if (
                (about is None or about == entry.subject or about in entry.facts.values())
                and (not kinds or entry.kind in kinds)
                and (since is None or at >= since)
                and (until is None or at < until)
            ):
                yield index, entry

    try:
        found = [one for one, _ in zip(wanted(), range(limit + 1), strict=False)]
    except OSError as error:
        give_up(Exit.UNSURE, str(error), as_json=as_json)
    more = found[limit][0] if len(found) > limit else None
    if as_json:
        say_json({"entries": [_facts(*one) for one in found[:limit]], "next": more})
    else:
        for index, entry in found[:limit]:
            told = f"{index:>6}  {local(parse_rfc3339(entry.at))}  {entry.kind:<14}  {entry.actor}  {entry.subject}"
            say(told.rstrip(), "red" if entry.kind in (EntryKind.FAILED, EntryKind.REFUSED) else "")
            if facts := _told(entry.facts):
                say(f"{'':>6}  {facts}")
        if found:
            say()
            for kind in dict.fromkeys(entry.kind for _, entry in found[:limit]):
                say(f"{kind:<16}{ENTRY_MEANING[kind].vi} ({ENTRY_MEANING[kind].en})")
        else:
            say("không có bản ghi nào như vậy (no such entries)")
            if about is not None and not _REF.fullmatch(about):
                hint = _BY_REF
                say(f"  hint: {hint}")
                say(f"  gợi ý: {in_vietnamese(hint)}")
        if more is not None:
            say(f"còn nữa (more): --from {more}")
    raise Answer(Exit.YES if found else Exit.NO)


def _facts(index: int, entry: ReadEntry) -> dict[str, Any]:
    named = {name: getattr(entry, name) for name in ("at", "actor", "subject")}
    return {"index": index, "kind": entry.kind.value, **named, "facts": dict(entry.facts)}


def _told(facts: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in facts.items() if value not in (None, []) and not name.endswith(_SILENT)}
    return ", ".join(
        f"{name} {_time(value) if name.endswith('_at') else _flat(value)}" for name, value in plain.items()
    )


def _time(value: Any) -> str:
    """A fact that is a time stands in the log as Unix seconds."""
    try:
        return local(datetime.fromtimestamp(value, UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        return _flat(value)


def _flat(value: Any) -> str:
    return "[" + " ".join(map(_flat, value)) + "]" if isinstance(value, list) else str(value)
