"""`axis log prove` and `axis log proven`: one entry's proof, made from a log and judged without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axis.cli.given import Whole
from axis.cli.output import Answer, Exit, give_up, json_option, local, public_of, say, say_json
from axis.core.times import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axis.log.findings import Finding
    from axis.log.proof import Proof
    from axis.log.proven import Proven

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(short_help="Prove one entry of the log in FOLDER.")
@click.argument("folder", type=_FOLDER)
@click.option("--entry", "index", type=Whole(0), help="The entry with this index, as `axis log show` tells it.")
@click.option("--receipt", type=_FILE, help="The entry that this receipt promised.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Into this file, a new one.")
@json_option
def prove(folder: Path, index: int | None, receipt: Path | None, output: Path | None, as_json: bool) -> None:
    """Write the proof that the log in FOLDER holds one entry: the entry, the way up to the root, the signed head.

    Who has it and the log's key needs neither the log nor this node: `axis log proven`. A text of C2SP tlog-proof.

    Exit 0 when it is written, 1 when the log has no such entry under its head.
    """
    from axis.log.files import Damaged
    from axis.log.proof import prove_inclusion

    if (index is None) == (receipt is None):
        raise click.UsageError("name one entry: --entry, or --receipt")
    try:
        wanted = _promised(folder, receipt, as_json) if receipt is not None else index
        assert wanted is not None
        proof = prove_inclusion(folder, wanted)
    except ValueError:
        hint = "the head is older than the entry: ask again in a few seconds, or look with axis log show"
        give_up(Exit.NO, f"the log has no entry {index} under its head", hint, as_json=as_json)
    except Damaged as error:
        give_up(Exit.NO, str(error), "axis log verify says more", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, str(error), as_json=as_json)
    if output is not None:
        _keep(output, proof.text, as_json)
    if as_json:
        told = {"output": str(output)} if output else {"proof": proof.text}
        say_json({"ok": True, "index": proof.index, "size": proof.head.checkpoint.size, **told})
    elif output is None:
        click.echo(proof.text.encode(), nl=False)
    else:
        size = proof.head.checkpoint.size
        say(
            f"Đã ghi chứng minh (proof written): {output}: bản ghi {proof.index}, mốc {size} (under the head of {size})"
        )


def _promised(folder: Path, file: Path, as_json: bool) -> int:
    """The index of the entry that a receipt promised. Reads the log until it is found."""
    from axis.core.receipt import PROMISED
    from axis.log.files import LogFolder
    from axis.log.reading import entries, published_size

    document = read_receipt(file, as_json).get("document")
    log = LogFolder(folder)
    for index, entry in entries(log, published_size(log)):
        if entry.kind in PROMISED and entry.subject == document:
            return index
    hint = "it is this log's when its `merge_by` has passed: axis log verify --receipt says more"
    give_up(Exit.NO, f"the log has no entry that {file} promised", hint, as_json=as_json)


def _keep(output: Path, text: str, as_json: bool) -> None:
    try:
        with output.open("x") as file:
            file.write(text)
    except FileExistsError:
        give_up(Exit.USAGE, f"{output} is there already", "name a new file", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, f"{output} cannot be written: {error.strerror}", as_json=as_json)


@click.command(short_help="Judge the proof of one entry, without the log.")
@click.argument("proof", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="The log's verifier key, got from elsewhere.")
@click.option("--receipt", type=_FILE, help="A receipt that the entry must be the promise of.")
@click.option("--receipt-key", type=_FILE, help="The node's public key for receipts (PEM), got from elsewhere.")
@json_option
def proven(proof: Path, key_file: Path, receipt: Path | None, receipt_key: Path | None, as_json: bool) -> None:
    """Say what the proof in PROOF proves: that the log with this key holds that entry. Works offline.

    With --receipt (biên nhận) also that the entry is the one that the receipt promised. Whether the log was rewritten
    since, a head says that somebody kept: `axis log verify --old`.

    Exit 0 proved, 1 not, 3 when only a former key of the log stands for it.
    """
    from axis.log.key import LogKeys
    from axis.log.proven import check_proof, check_receipt

    if receipt_key is not None and receipt is None:
        raise click.UsageError("--receipt-key is for --receipt")
    try:
        keys = LogKeys.parse(key_file.read_text())
    except ValueError as error:
        give_up(Exit.USAGE, f"{key_file} holds no verifier key: {error}", "axis log key prints it", as_json=as_json)
    said = None if receipt is None else read_receipt(receipt, as_json)
    public = None if receipt_key is None else public_of(receipt_key, as_json)
    read = _read(proof, as_json)
    found = check_proof(read, keys)
    against = (*found.findings, *(() if said is None else check_receipt(said, found, keys.name, public)))
    if as_json:
        say_json(_json(read, found, against) | ({} if said is None else {"receipt_signed": public is not None}))
    else:
        _show(read, found, against, said is not None, public is not None)
    raise Answer(Exit.NO if against else Exit.UNSURE if found.former else Exit.YES)


def _read(file: Path, as_json: bool) -> Proof:
    """A proof that brings its entry. What is none ends the command: it proves nothing, and speaks against nothing."""
    from axis.log.proof import MalformedProof, parse_proof

    try:
        read = parse_proof(file.read_bytes().decode())
    except (MalformedProof, UnicodeDecodeError) as error:
        give_up(Exit.USAGE, f"{file} is no proof: {error}", "a text as axis log prove writes it", as_json=as_json)
    if read.extra is None:
        hint = "its line `extra` is missing: in an evidence bundle the entry stands beside the proof, see axis verify"
        give_up(Exit.USAGE, f"{file} brings no entry", hint, as_json=as_json)
    return read


def read_receipt(file: Path, as_json: bool) -> dict[str, Any]:
    """What a receipt says. What is none ends the command: it says nothing against the log."""
    from axis.log.entries import read_canonical

    try:
        said = read_canonical(file.read_bytes())
        if said.get("type") == "axis-receipt":
            return said
        why = "it is something else"
    except ValueError as error:
        why = str(error)
    give_up(Exit.USAGE, f"{file} is no receipt: {why}", "its octets as they came: axis send --receipt", as_json=as_json)


def _json(read: Proof, found: Proven, against: Sequence[Finding]) -> dict[str, Any]:
    head, entry = read.head.checkpoint, found.entry
    return {
        "ok": not against and not found.former,
        "index": read.index,
        "checkpoint": {"origin": head.origin, "size": head.size, "root": head.root.hex()},
        "former_key": found.former,
        "entry": entry
        and {
            "kind": entry.kind.value,
            "at": entry.at,
            "actor": entry.actor,
            "subject": entry.subject,
            "facts": entry.facts,
        },
        "findings": [{"code": one.code.value, "place": one.place, "detail": one.detail} for one in against],
    }


def _show(read: Proof, found: Proven, against: Sequence[Finding], receipt: bool, signed: bool) -> None:
    from axis.log.findings import TABLE

    head, entry = read.head.checkpoint, found.entry
    if against:
        say("KHÔNG chứng minh được (this proves nothing)", "red")
    elif found.former:
        say("Chỉ có khóa cũ của nhật ký đứng tên (only a former key of the log stands for it)", "yellow")
    else:
        say("Nhật ký có bản ghi này (the log holds this entry)", "green")
    say(f"  nhật ký của (origin)   {head.origin}")
    say(f"  bản ghi (entry)        {read.index}, dưới mốc (under the head of) {head.size}")
    if entry is not None:
        say(f"  nội dung (says)        {entry.kind} {entry.subject}, {entry.actor}, {local(parse_rfc3339(entry.at))}")
    if receipt and not against:
        whose = "" if signed else "; chữ ký không kiểm tra (signature not checked: --receipt-key)"
        say(f"  biên nhận (receipt)    đúng bản ghi này (it promised this entry){whose}", "green" if signed else "")
    for one in against:
        say(f"  LỖI  {TABLE[one.code].vi} ({one.code}: {TABLE[one.code].en})", "red")
        if one.place or one.detail:
            say(f"         {one.place}  {one.detail}".rstrip())
