"""`axis evidence`: one document with everything that its verdict rests on, for whoever must judge it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axis.cli.output import Answer, Exit, config_option, give_up, json_option, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.config import Config
    from axis.core.model import Document, JudgedAttachment, PayloadRef
    from axis.evidence.bundle import Attached, Logged
    from axis.holding import Holding
    from axis.sql.views import Questions
    from signing.piece import Piece


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def evidence() -> None:
    """What verdicts rest on (căn cứ), kept with each document that was taken."""


@evidence.command(short_help="Write one bundle of a document.")
@click.argument("document")
@config_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The bundle to write."
)
@json_option
def export(document: str, config_path: Path, output: Path, as_json: bool) -> None:
    """Write one bundle (gói chứng cứ) of DOCUMENT, named as for `axis why`: the package as it came, its verdict
    and all that it rests on, the receipt, and the log's entries with their proofs.

    `axis verify` takes the verdict again from the bundle alone. Works beside a running node. Exit 1 when there is no
    such document, or its evidence is not whole.
    """
    config = need_config(config_path, as_json)
    from axis.cli.fsck import blobs_of
    from axis.cli.remedy import of_store
    from axis.core.attachments import attached_payloads
    from axis.evidence.bundle import Attached, record_of, write_bundle
    from axis.hsm.wire import TokenError
    from axis.sql.driver import StoreError
    from axis.sql.engine import open_readonly

    blobs = blobs_of(config, as_json)
    try:
        with open_readonly(config.store_url) as books:
            books.session.run(books.session.snapshot)  # one moment, also beside a running node
            found = _document(books, document, as_json)
            if found.removed_at is not None:
                raise _Missing(
                    "the content of this document was removed: the time for keeping it has passed",
                    "axis why tells what is known of it; its receipt and its log entries stay",
                )
            package = _octets(books.octets(found.payload), found.payload, blobs)
            beside = [_octets(books.octets(ref), ref, blobs) for ref in attached_payloads(found)]
            attached = [Attached(one.place, one.verdict) for one in _newest(books, found)]
            pieces = list(_pieces(books, found, attached, blobs))
            logged = list(_logged(books, found, config))
        record, receipt = record_of(found, config.node.name), _receipt(found, config)
        octets = write_bundle(record, package, found.verdict, pieces, receipt, logged, attached, beside)
        output.write_bytes(octets)
    except _Missing as error:
        give_up(Exit.NO, str(error), error.hint, as_json=as_json)
    except TokenError as error:
        give_up(Exit.UNSURE, str(error), error.remedy, as_json=as_json)
    except StoreError as error:
        give_up(Exit.USAGE, str(error), of_store(error, config), as_json=as_json)
    except (OSError, ValueError) as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    digest = hashlib.sha256(octets).hexdigest()
    if as_json:
        facts = {"document": found.ref, "file": str(output), "sha256": digest, "bytes": len(octets)}
        counts = {"evidence": len(pieces), "attachments_judged": len(attached), "log_entries": len(logged)}
        say_json({"ok": True, **facts, **counts})
    else:
        say(f"Đã xuất gói chứng cứ (evidence bundle written): {output}, {size(len(octets))}", "green")
        say(f"  văn bản (document)     {found.ref}")
        say(f"  kết luận (verdict)     {found.verdict.indication.value}")
        say(f"  tệp đã xét (attachments judged) {len(attached)}")
        say(f"  căn cứ (evidence)      {len(pieces)}")
        waits = "" if logged else ", chưa có mốc (no checkpoint covers it yet)"
        say(f"  bản ghi (log entries)  {len(logged)}{waits}")
        say(f"  sha256                 {digest}")
    raise Answer(Exit.YES)


class _Missing(Exception):
    """Something that the bundle needs is not kept here."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _document(books: Questions, wanted: str, as_json: bool) -> Document:
    found = books.find(wanted)
    if not found:
        raise _Missing(
            "there is no such document here",
            "name it as for axis why: the ref in its receipt, its DocumentId, or its official number",
        )
    if len(found) > 1:
        refs = [one.ref for one in found]
        hint = f"name one: {', '.join(refs)}"
        give_up(Exit.USAGE, f"{len(refs)} documents have that id", hint, as_json=as_json, refs=refs)
    return found[0]


def _octets(inline: bytes | None, ref: PayloadRef, blobs: Holding) -> bytes:
    from axis.holding import read

    octets = read(blobs, ref) if inline is None else inline
    if octets is None:
        raise _Missing(f"the octets of sha256:{ref.sha256} are gone", "restore them from a backup")
    if hashlib.sha256(octets).hexdigest() != ref.sha256:
        raise _Missing(f"the octets of sha256:{ref.sha256} are damaged", "restore them from a backup")
    return octets


def _newest(books: Questions, document: Document) -> list[JudgedAttachment]:
    """What was last said of each attachment, by place."""
    from axis.flow.attachments import newest_of

    newest = newest_of(books.attachment_verdicts(document.ref))
    return [newest[place] for place in sorted(newest)]


def _pieces(books: Questions, document: Document, attached: Sequence[Attached], blobs: Holding) -> Iterator[Piece]:
    from axis.evidence.bundle import kept_of
    from signing.piece import Piece

    named = kept_of(document.verdict, attached)
    if not named:
        raise _Missing("this document was taken before evidence was kept", "axis verify judges its package anew")
    for name, kind in named.items():
        kept = books.evidence(name)
        if kept is None:
            raise _Missing(f"the evidence sha256:{name} ({kind}) is gone", "restore the database from a backup")
        yield Piece(kind, name, _octets(kept.octets, kept.ref, blobs))


def _logged(books: Questions, document: Document, config: Config) -> Iterator[Logged]:
    """The entries that the published checkpoint covers; the others come with the next one."""
    from axis.evidence.bundle import Logged
    from axis.log.files import Damaged
    from axis.log.proof import prove_inclusion

    for index, leaf in books.leaves_about(document):
        if index is None:
            continue
        try:
            proof = replace(prove_inclusion(config.node.log, index), extra=None)  # the entry stands beside it
            yield Logged(leaf, proof.text.encode())
        except ValueError:
            continue  # the checkpoint is older than the entry
        except Damaged as error:
            raise _Missing(f"the log cannot prove its entry {index}: {error}", "axis log verify tells more") from error


def _receipt(document: Document, config: Config) -> bytes:
    from functools import partial

    from axis.app import own_keys
    from axis.core.receipt import receipt
    from signing.keys import raw_public, sign_bytes

    with own_keys(config, "receipts") as (key,):
        sign = partial(sign_bytes, key)
        return receipt(document, config.node.name, config.limits.merge_delay, raw_public(key).hex(), sign).octets
