"""`axis store`: the store as a whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axis.cli.output import Answer, Exit, config_option, give_up, json_option, need_config, say, say_json, size
from axis.cli.retention import retention

if TYPE_CHECKING:
    from axis.config import Config
    from axis.holding import Holding
    from axis.sql.copy import Copied, Told

_CONFIG = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def store() -> None:
    """The store as a whole: move it to another database, collect what nothing names."""


@store.command(short_help="Remove files that no document uses.")
@config_option
@click.option("--dry-run", is_flag=True, help="Count, and remove nothing.")
@json_option
def sweep(config_path: Path, dry_run: bool, as_json: bool) -> None:
    """Remove files that no document uses and nobody has named for `store.keep_unnamed`.

    A running node does the same every hour; beside one it is harmless.

    Exit 0 when it was done, 3 when the store could not be asked, or has lost records.
    """
    from axis.care.sweep import Where
    from axis.care.sweep import sweep as collect
    from axis.cli.fsck import blobs_of
    from axis.sql.driver import StoreError

    config = need_config(config_path, as_json)
    where = Where(config.store_url, blobs_of(config, as_json), config.node.log, config.keys.checkpoints)
    try:
        swept = collect(where, config.store.keep_unnamed, datetime.now(UTC), remove=not dry_run)
    except (StoreError, OSError) as error:
        give_up(Exit.UNSURE, str(error), "nothing was removed; axis fsck looks closer", as_json=as_json)
    if as_json:
        say_json({"ok": True, "removed": not dry_run, **asdict(swept)})
    else:
        done = "chỉ đếm (counted only)" if dry_run else f"đã xóa (removed) {swept.removed}"
        say(f"tệp không ai dùng (unnamed files) {swept.found}, {done}, {size(swept.octets)}")


store.add_command(retention)


@store.command(short_help="Copy the store into another, empty one.")
@click.argument("from_config", type=_CONFIG)
@click.argument("to_config", type=_CONFIG)
@json_option
def copy(from_config: Path, to_config: Path, as_json: bool) -> None:
    """Copy the store of FROM_CONFIG into the empty one of TO_CONFIG: SQLite to PostgreSQL, or back.

    Every daemon of both must be down. Packages go first, where TO_CONFIG keeps them in another folder or bucket; then
    all records or none: what was interrupted is begun again. Afterwards every record is compared with the log's
    entries, and the store's log with the newest signed head.

    Exit 0 when the copy is whole and agrees with the log, 1 otherwise.
    """
    from axis.care.move import move_octets
    from axis.cli.fsck import blobs_of
    from axis.sql.copy import copy_store
    from axis.sql.driver import StoreError

    source, target = need_config(from_config, as_json), need_config(to_config, as_json)
    if source.node.name != target.node.name:
        told = f"{source.node.name} and {target.node.name} are two nodes"
        give_up(Exit.USAGE, told, "a store goes with its node: node.name must be the same", as_json=as_json)
    if source.store_url == target.store_url:
        give_up(
            Exit.USAGE, "both configurations name the same store", "give TO_CONFIG another [store]", as_json=as_json
        )
    here, there = blobs_of(source, as_json), blobs_of(target, as_json)
    moved = 0
    try:
        target.node.data.mkdir(parents=True, exist_ok=True, mode=0o750)
        with _progress(not as_json and sys.stderr.isatty()) as told_of:

            def octets() -> None:
                nonlocal moved
                moved = move_octets(source.store_url, here, there, told_of)

            copied = copy_store(source.store_url, target.store_url, told_of, before=octets)
        findings = _look(target, there)
    except (StoreError, OSError) as error:
        give_up(Exit.NO, str(error), "nothing was changed in the store that is copied", as_json=as_json)
    _answer(source, target, moved, copied, findings, as_json)
    raise Answer(Exit.NO if findings else Exit.YES)


def _look(target: Config, blobs: Holding) -> list[str]:
    """What is not in order in the copy: records without entries, octets that are missing, a log that is another."""
    from functools import partial

    from axis.care.fsck import UNREADABLE
    from axis.core.house import check_house
    from axis.holding import read
    from axis.log.heads import CheckpointStore, HeadsDamaged
    from axis.sql.audit import open_books

    with open_books(target.store_url, partial(read, blobs)) as books:
        try:
            findings = [str(finding) for finding in check_house(books)]
        except UNREADABLE:
            return ["a row cannot be read: axis fsck tells which"]
        size = 1 + max((leaf.index for leaf in books.leaves() if leaf.index is not None), default=-1)
    try:
        head = CheckpointStore(target.keys.checkpoints).peek()
    except HeadsDamaged as error:
        return [*findings, f"the store of signed heads: {error}"]
    signed = head.checkpoint.size if head else 0
    if signed != size:
        findings.append(f"the store counts {size} entries of the log, the newest head in keys.checkpoints has {signed}")
    return findings


def _answer(
    source: Config, target: Config, moved: int, copied: Sequence[Copied], findings: list[str], as_json: bool
) -> None:
    if as_json:
        say_json(
            {
                "ok": not findings,
                "from": source.store_url,
                "to": target.store_url,
                "blobs": moved,
                "tables": [asdict(one) for one in copied],
                "findings": findings,
            }
        )
        return
    for one in copied:
        say(f"{one.table:<20} {one.rows:>10}  sha256:{one.digest[:16]}…")
    if moved:
        say(f"{'blobs':<20} {moved:>10}  {target.store.blobs}")
    for finding in findings:
        say(f"      {finding}", "red")
    if findings:
        say("đã chép, nhưng không khớp với nhật ký (copied, but it does not agree with the log)", "red")
    else:
        say("đã chép nguyên vẹn; từ nay chỉ chạy kho mới (copied whole; run the new store only)", "green")


@contextmanager
def _progress(shown: bool) -> Iterator[Told]:
    """A line that is written over, where somebody looks at a terminal."""

    def told(table: str, done: int, whole: int) -> None:
        if shown:
            click.echo(f"\r{table:<20} {done:>10} / {whole}\033[K", err=True, nl=False)

    yield told
    if shown:
        click.echo("\r\033[K", err=True, nl=False)
