"""`axis fsck`: is everything that the node keeps there, whole, and the same in store and log?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from axis.cli.output import Answer, Exit, config_option, give_up, json_option, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.care.findings import Report
    from axis.care.fsck import Place
    from axis.care.octets import Told
    from axis.config import Config
    from axis.holding import Holding

_SHOWN = 5
"""How many findings of one code are shown; --json has the first hundred."""


@click.command()
@config_option
@click.option("--deep", is_flag=True, help="Read and hash all octets of every package, too.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The log's verifier key, got from elsewhere. Then no private key is opened.",
)
@json_option
def fsck(config_path: Path, deep: bool, key_file: Path | None, as_json: bool) -> None:
    """Look at everything that the node keeps: database, packages, evidence, log, and each against the others.

    Changes nothing. Beside a running node or without one; with --key on an auditor's machine, too, by a copy of the
    node's files without its keys.

    Exit 0 when it is sound (notes do not count), 1 when something is damaged, 3 when it could not be looked at.
    """
    from axis.care.fsck import check_node
    from axis.cli.remedy import of_store
    from axis.sql.driver import StoreError

    config = need_config(config_path, as_json, secrets=key_file is None)
    place = place_of(config, as_json, key_file)
    try:
        with progress(not as_json and sys.stderr.isatty()) as told:
            report = check_node(place, datetime.now(UTC), deep=deep, merge_delay=config.limits.merge_delay, told=told)
    except StoreError as error:
        give_up(Exit.UNSURE, str(error), of_store(error, config), as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, str(error), "axis doctor looks closer", as_json=as_json)
    if as_json:
        say_json(report_json(report))
    else:
        show(report)
    raise Answer(Exit.YES if report.sound else Exit.NO)


def place_of(config: Config, as_json: bool, key_file: Path | None = None) -> Place:
    """Where the node's parts lie. Ends the command where its log's key cannot be had: from `key_file`, or from its
    private half."""
    from axis.care.fsck import Place

    vkey = log_vkey(config, as_json) if key_file is None else _verifier(key_file, config, as_json)
    return Place(config.store_url, blobs_of(config, as_json), config.node.log, vkey, config.keys.checkpoints)


def _verifier(key_file: Path, config: Config, as_json: bool) -> str:
    """What the file of a verifier key says, if it is one of this node's log."""
    from axis.log.key import LogKeys

    try:
        said = key_file.read_text(encoding="ascii").strip()
        name = LogKeys.parse(said).name
    except (ValueError, IndexError) as error:
        give_up(Exit.USAGE, f"{key_file} holds no verifier key: {error}", "axis log key prints it", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, f"{key_file}: {error}", "the log is verified with its key", as_json=as_json)
    if name != config.node.name:
        hint = "is it the key of this log?"
        give_up(Exit.USAGE, f"{key_file} is the key of {name}, the node is {config.node.name}", hint, as_json=as_json)
    return said


def blobs_of(config: Config, as_json: bool) -> Holding:
    """Where the larger octets lie. Ends the command where that cannot be asked at all."""
    from axis.objects.bucket import NotUsable
    from axis.shelf import holding_of

    try:
        return holding_of(config)
    except (NotUsable, OSError) as error:
        give_up(Exit.UNSURE, f"store.blobs: {error}", "axis doctor looks closer", as_json=as_json)


def log_vkey(config: Config, as_json: bool) -> str:
    """The verifier key of the node's log, and behind it that of `keys.log_former`. Ends the command where one cannot be
    had."""
    # `axis.app.own_keys` does the same, and imports the whole node: that takes longer than most looks.
    from axis.config.model import InToken
    from axis.hsm.keys import open_keys
    from axis.hsm.process import TokenSettings
    from axis.hsm.wire import TokenError
    from signing.note import NoteSigner

    hsm = config.hsm
    named = [one for one in (config.keys.log, config.keys.log_former) if one is not None]
    settings = TokenSettings(hsm.module, hsm.token, hsm.pin_file) if hsm else None
    try:
        with open_keys(settings, [one.label if isinstance(one, InToken) else one for one in named]) as keys:
            return " ".join(str(NoteSigner(config.node.name, key).verifier) for key in keys)
    except TokenError as error:
        give_up(Exit.UNSURE, str(error), error.remedy, as_json=as_json)
    except (ValueError, OSError) as error:
        give_up(Exit.UNSURE, f"{config.keys.log}: {error}", "the log is verified with its key", as_json=as_json)


def report_json(report: Report) -> dict[str, Any]:
    from axis.care.findings import row_of

    return {
        "ok": report.sound,
        "deep": report.deep,
        "looked": asdict(report.looked),
        "counts": dict(report.counts),
        "findings": [
            asdict(one) | {"fault": one.fault, "meaning": row_of(one.code).en, "remedy": row_of(one.code).remedy}
            for one in report.findings
        ],
    }


def show(report: Report) -> None:
    from axis.care.findings import row_of

    for code, count in report.counts.items():
        row = row_of(code)
        colour = "red" if row.fault else "yellow"
        say(f"{'LỖI' if row.fault else 'lưu ý'}  {row.vi} ({code}: {row.en}), {count}", colour)
        for one in [finding for finding in report.findings if finding.code == code][:_SHOWN]:
            if one.subject or one.detail:
                say(f"       {one.subject}  {one.detail}".rstrip())
        say(f"       -> {row.remedy}")
    looked = report.looked
    say(f"  văn bản (documents)    {looked.documents}, lượt chuyển (deliveries) {looked.deliveries}")
    say(f"  tệp (files)            {looked.files}, đã băm (hashed) {size(looked.octets_hashed)}")
    say(f"  nhật ký (log entries)  {looked.log_entries}")
    if report.sound:
        how = "mọi byte đã được băm lại (every octet hashed)" if report.deep else "cỡ tệp; --deep băm lại (sizes only)"
        say(f"Kho nguyên vẹn (the store is sound): {how}", "green")
    else:
        say("Kho bị hỏng (the store is damaged)", "red")


@contextmanager
def progress(shown: bool) -> Iterator[Told]:
    """A line that is written over, where somebody looks at a terminal."""
    last = ""

    def told(what: str, done: int, whole: int) -> None:
        nonlocal last
        line = f"{what:<10} {100 * done // max(whole, 1):>3} %"
        if shown and line != last:
            last = line
            click.echo(f"\r{line}\033[K", err=True, nl=False)

    yield told
    if shown:
        click.echo("\r\033[K", err=True, nl=False)
