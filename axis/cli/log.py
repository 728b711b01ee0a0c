"""`axis log`: the signature log (nhật ký ký số), verified from its files and one public key."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axis.cli.entries import show
from axis.cli.lost import lost
from axis.cli.output import (
    Answer,
    Exit,
    config_option,
    give_up,
    json_option,
    local,
    need_config,
    public_of,
    say,
    say_json,
    witnesses_of,
)
from axis.cli.proof import prove, proven, read_receipt
from axis.cli.vietnamese import in_vietnamese

if TYPE_CHECKING:
    from axis.log.checkpoint import Checkpoint
    from axis.log.cosigned import Stands
    from axis.log.findings import Finding, LogReport
    from signing.cosignature import WitnessKey

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

Progress = Callable[[int, int], None]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def log() -> None:
    """The signature log: verified offline, from its files and one public key, on nobody's word."""


log.add_command(show)
log.add_command(lost)
log.add_command(prove)
log.add_command(proven)


@log.command()
@click.argument("folder", type=_FOLDER)
@click.option("--key", "key_file", type=_FILE, required=True, help="The log's verifier key, got from elsewhere.")
@click.option("--heads", type=_FOLDER, help="The store of signed heads (checkpoints), kept apart from the log.")
@click.option("--old", type=_FILE, help="A checkpoint that somebody kept; history must not have changed since.")
@click.option("--receipt", "receipts", type=_FILE, multiple=True, help="A receipt that the log must hold; may repeat.")
@click.option("--receipt-key", type=_FILE, help="The node's public key for receipts (PEM), got from elsewhere.")
@click.option("--witness-key", "witness_keys", multiple=True, help="The verifier key of a witness; may repeat.")
@click.option("--witness-quorum", type=click.IntRange(min=1), help="So many of them must stand for it. Default: all.")
@json_option
def verify(
    folder: Path,
    key_file: Path,
    heads: Path | None,
    old: Path | None,
    receipts: tuple[Path, ...],
    receipt_key: Path | None,
    witness_keys: tuple[str, ...],
    witness_quorum: int | None,
    as_json: bool,
) -> None:
    """Verify every entry, hash and signature of the log in FOLDER.

    With --receipt (biên nhận) also that the log holds what it promised, and with --receipt-key whose it is. With
    --witness-key (bên chứng kiến) also who else had seen this log, how much of it, and when.

    Exit 0 when nothing speaks against the log, 1 when something does.
    """
    from axis.log.receipts import check_receipts
    from axis.log.verify import verify_log

    if receipt_key is not None and not receipts:
        raise click.UsageError("--receipt-key is for --receipt")
    kept = None if old is None else _kept(old, as_json)
    witnesses = witnesses_of(witness_keys, witness_quorum, as_json)
    public = None if receipt_key is None else public_of(receipt_key, as_json)
    said = [_octets(file, as_json) for file in receipts]
    try:
        with _progress(not as_json and sys.stderr.isatty()) as told:
            report = verify_log(
                folder,
                key_file.read_text().strip(),
                heads=heads,
                old=kept,
                progress=told,
            )
    except ValueError as error:
        give_up(Exit.USAGE, f"{key_file} holds no verifier key: {error}", "axis log key prints it", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, str(error), "nothing was found out about the log", as_json=as_json)
    head = report.checkpoint
    found = check_receipts(said, folder, head.size, public, head.origin) if head else ()
    stand, against = _stand_for(folder, key_file, witnesses, witness_quorum, head, kept)
    ok = report.ok and not found and not against
    if as_json:
        facts = _report_json(report)
        facts["findings"] += map(_finding_json, (*found, *against))
        if witnesses:
            facts["witnesses"] = [{"name": one.key.name, "size": one.size, "at": one.at.isoformat()} for one in stand]
        say_json({**facts, "ok": ok, "receipts": len(said), "receipts_signed": public is not None and ok})
    else:
        _show(report, heads)
        if said and report.checkpoint:
            _show_receipts(len(said), found, public is not None, report.ok)
        if witnesses:
            _show_witnesses(stand, against, report.ok)
        if report.checkpoint is None and not report.entries:
            hint = f"is {folder} the folder of a log?"
            say(f"  hint: {hint} It holds `checkpoint` and `tile/`: of a node, data/log")
            say(f"  gợi ý: {in_vietnamese(hint)}")
    raise Answer(Exit.YES if ok else Exit.NO)


def _stand_for(
    folder: Path,
    key_file: Path,
    witnesses: Sequence[WitnessKey],
    quorum: int | None,
    head: Checkpoint | None,
    kept: str | None,
) -> tuple[Sequence[Stands], Sequence[Finding]]:
    if not witnesses:
        return (), ()
    from axis.log.checkpoint import Checkpoint
    from axis.log.cosigned import check_witnesses
    from axis.log.key import LogKeys

    keys, more = LogKeys.parse(key_file.read_text()), () if kept is None else (kept,)
    nothing = Checkpoint(keys.name, 0, bytes(32))
    return check_witnesses(folder, keys, witnesses, quorum or len(witnesses), head or nothing, more)


def _show_witnesses(stand: Sequence[Stands], against: Sequence[Finding], whole: bool) -> None:
    from axis.log.findings import TABLE

    for one in stand:
        seen = f"{one.key.name}: đã thấy đến {one.size}, lúc {local(one.at)} (had seen {one.size} entries)"
        say(f"  chứng kiến (witness)   {seen}", "green" if whole else "")
    for each in against:
        say(f"  LỖI  {TABLE[each.code].vi} ({each.code}: {TABLE[each.code].en})", "red")
        say(f"         {each.place}  {each.detail}".rstrip())


def _kept(file: Path, as_json: bool) -> str:
    """The text of a kept checkpoint. What is none ends the command: it says nothing against the log."""
    from axis.log.checkpoint import MalformedCheckpoint, parse_checkpoint

    octets = file.read_bytes()
    try:
        note = octets.decode()
        text, between, signatures = note.rpartition("\n\n\N{EM DASH} ")
        if not between:
            raise MalformedCheckpoint("no line of a signature stands behind an empty line")
        if not signatures.endswith("\n") or signatures.endswith("\n\n"):
            raise MalformedCheckpoint("the last line does not end with exactly one line feed")
        parse_checkpoint(f"{text}\n")
    except UnicodeDecodeError:
        why = "it is not UTF-8 text"
    except MalformedCheckpoint as error:
        why = str(error)
    else:
        return note
    give_up(
        Exit.USAGE,
        f"{file} is no checkpoint: {why}",
        "three lines, an empty line and the signature, octet for octet as `axis log checkpoint` prints them",
        as_json=as_json,
    )


def _octets(receipt: Path, as_json: bool) -> bytes:
    read_receipt(receipt, as_json)
    return receipt.read_bytes()


@contextmanager
def _progress(wanted: bool) -> Iterator[Progress]:
    if not wanted:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("kiểm tra bản ghi"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(report: LogReport, heads: Path | None) -> None:
    from axis.log.findings import TABLE

    if report.ok:
        say("Nhật ký toàn vẹn: mọi bản ghi, giá trị băm và chữ ký đều khớp (the log is whole)", "green")
    else:
        say("Nhật ký KHÔNG đáng tin cậy ở trạng thái này (the log cannot be trusted as it stands)", "red")
    if report.checkpoint is not None:
        say(f"  nhật ký của (origin)   {report.checkpoint.origin}")
        say(f"  kích thước (size)      {report.checkpoint.size}")
        say(f"  giá trị gốc (root)     {report.checkpoint.root.hex()}")
    say(f"  đã đọc (entries read)  {report.entries}")
    if report.kinds:
        say(f"  gồm (kinds)            {', '.join(f'{kind} {n}' for kind, n in sorted(report.kinds.items()))}")
    _show_keys(report)
    compared = str(report.heads) if heads else "không so sánh (not compared: --heads)"
    say(f"  mốc đã lưu (heads)     {compared}")
    for code, count in report.counts.items():
        row = TABLE[code]
        say(
            f"  {'LỖI' if row.fault else 'lưu ý'}  {row.vi} ({code}: {row.en}), {count}",
            "red" if row.fault else "yellow",
        )
        for finding in [one for one in report.findings if one.code is code][:3]:
            if finding.place or finding.detail:
                say(f"         {finding.place}  {finding.detail}".rstrip())


def _show_keys(report: LogReport) -> None:
    """Where the key was changed, if it was: which one signed how far, and which is the present one."""
    for span in report.keys if len(report.keys) > 1 else ():
        ends = "hiện nay (the present one)" if span.last is None else f"đến mốc (up to head) {span.last}"
        say(f"  khóa (key)             {span.key.hash.hex()}, từ mốc (from head) {span.first}, {ends}")


def _show_receipts(number: int, found: Sequence[Finding], signed: bool, whole: bool) -> None:
    from axis.log.findings import TABLE

    whose = "" if signed else "; chữ ký không kiểm tra (signatures not checked: --receipt-key)"
    if not found and not whole:
        nowhere = "có trong các tệp không đáng tin này (in files that prove nothing)"
        say(f"  biên nhận (receipts)   {number}, {nowhere}{whose}")
        return
    if not found:
        say(f"  biên nhận (receipts)   {number}, có trong nhật ký (in the log){whose}", "green" if signed else "")
        return
    say(f"  biên nhận (receipts)   {number}, KHÔNG khớp (they do not agree with the log){whose}", "red")
    for one in found:
        say(f"  LỖI  {TABLE[one.code].vi} ({one.code}: {TABLE[one.code].en})", "red")
        say(f"         {one.place}  {one.detail}".rstrip())


def _finding_json(one: Finding) -> dict[str, Any]:
    return {"code": one.code.value, "fault": one.fault, "place": one.place, "detail": one.detail}


def _report_json(report: LogReport) -> dict[str, Any]:
    head = report.checkpoint
    return {
        "ok": report.ok,
        "checkpoint": head and {"origin": head.origin, "size": head.size, "root": head.root.hex()},
        "entries": report.entries,
        "kinds": dict(report.kinds),
        "heads": report.heads,
        "keys": [{"key": str(span.key), "first": span.first, "last": span.last} for span in report.keys],
        "counts": {code.value: count for code, count in report.counts.items()},
        "findings": [_finding_json(one) for one in report.findings],
    }


@log.command(short_help="Print the newest signed head of a log.")
@click.argument("folder", type=_FOLDER)
@click.option("--key", "key_file", type=_FILE, required=True, help="The log's verifier key, got from elsewhere.")
@json_option
def checkpoint(folder: Path, key_file: Path, as_json: bool) -> None:
    """Print the newest published checkpoint of the log in FOLDER, and whether its signature is good.

    Keep it: `axis log verify --old` compares the log with it later. Exit 0 when it is signed by the key, 1 otherwise.
    """
    from axis.log.files import Damaged, LogFolder
    from axis.log.key import ForeignNote, LogKeys
    from axis.log.succession import Succession

    try:
        key = LogKeys.parse(key_file.read_text())
    except ValueError as error:
        give_up(Exit.USAGE, f"{key_file} holds no verifier key: {error}", "axis log key prints it", as_json=as_json)
    try:
        files = LogFolder(folder)
        note = files.checkpoint()
        if note is None:
            give_up(Exit.NO, "there is no checkpoint yet", f"is {folder} the folder of a log?", as_json=as_json)
        head = Succession(files, key).open(note).checkpoint
    except ForeignNote as error:
        give_up(Exit.NO, f"the checkpoint: {error}", "is it the key of this log?", as_json=as_json)
    except Damaged as error:
        give_up(Exit.NO, f"the checkpoint cannot be read: {error}", as_json=as_json)
    if as_json:
        say_json({"ok": True, "origin": head.origin, "size": head.size, "root": head.root.hex(), "note": note})
    else:
        click.echo(note.encode(), nl=False)  # it ends with its own line feed; one more would be another note


@log.command(short_help="Print the verifier key of the node's log.")
@config_option
@json_option
def key(config_path: Path, as_json: bool) -> None:
    """Print the verifier key of the node's log: give it to auditors and neighbours, by a way they trust.

    Exit 0 when it is printed, 2 when the key of the log cannot be used, 3 when the token that holds it does not answer.
    """
    config = need_config(config_path, as_json)
    from axis.app import own_keys
    from axis.hsm.wire import TokenError
    from signing.note import NoteSigner

    try:
        with own_keys(config, "log") as (log_key,):
            verifier = str(NoteSigner(config.node.name, log_key).verifier)
    except TokenError as error:
        give_up(Exit.UNSURE, str(error), error.remedy, as_json=as_json)
    except ValueError as error:
        give_up(Exit.USAGE, f"{config.keys.log}: {error}", as_json=as_json)
    if as_json:
        say_json({"ok": True, "key": verifier})
    else:
        say(verifier)
