"""`axis backup` and `axis restore`: a node as it was at one moment, and how it goes on from there."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from axis.cli.fsck import place_of, progress, report_json, show
from axis.cli.lost import lost_json, show_lost
from axis.cli.operate import operator_name
from axis.cli.output import Answer, Exit, config_option, give_up, json_option, local, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.care.restore import Restored
    from axis.config import Config

_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)
_SHOWN: Final = 20
_NOTHING: Final = "nothing was put into place"

_REMEDIES: Final = {
    "needs-log": "more was signed than the backup knows: give the log's folder of the node's last data, or an "
    "auditor's copy of it, with --log; without these entries this log can never be continued",
    "log-too-short": "the copy of the log does not reach as far as what was signed: look for a newer one",
    "forked": "the backup or the copy holds another history than the one that was signed: "
    "nothing may be signed on top of it",
    "heads-behind": "the checkpoint store knows less than the backup: it was put back, or is another node's; "
    "put the newest one back, or move it away if it is lost",
    "not-accepted": "documents with receipts, deliveries and statuses may be lost: --accept-loss says that you know",
}


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@config_option
@click.option(
    "--with-keys", is_flag=True, help="Copy the keys of receipts and log, too. Then guard the backup as them."
)
@click.option("--copy", is_flag=True, help="Copy packages even where a hard link would do.")
@click.option("--quick", is_flag=True, help="Check sizes of packages in the copy, without hashing them.")
@json_option
def backup(config_path: Path, target: Path, with_keys: bool, copy: bool, quick: bool, as_json: bool) -> None:
    """Back the node up into the new folder TARGET, while it runs or not.

    Store, packages and log of one moment, checked before TARGET gets its name. The checkpoint store is left out, and
    keys, unless they are asked for.

    Exit 0 when the backup is whole and sound, 1 when there is none, 3 when the log's key cannot be had.
    """
    from axis.care.backup import NotSound, Unfit, take_backup
    from axis.care.place import Filled, Taken
    from axis.sql.driver import StoreError

    config = need_config(config_path, as_json)
    place = place_of(config, as_json)
    inside = [
        one for one in (config.node.data, config.keys.checkpoints) if target.resolve().is_relative_to(one.resolve())
    ]
    if inside:
        give_up(Exit.USAGE, f"{target} lies inside {inside[0]}", "a backup belongs somewhere else", as_json=as_json)
    keys = _keys(config, as_json) if with_keys else {}
    try:
        with _leaving_nothing(), progress(not as_json and sys.stderr.isatty()) as told:
            taken = take_backup(
                place,
                config.node.name,
                version("truc-lien-thong"),
                target.absolute(),
                datetime.now(UTC),
                keys=keys,
                link=not copy,
                deep=not quick,
                told=told,
            )
    except NotSound as error:
        if not as_json:
            show(error.report)
        hint = "there is no backup: the node is damaged, look at it with axis fsck --deep"
        give_up(Exit.NO, "the copy is not sound", hint, as_json=as_json, report=report_json(error.report))
    except (Unfit, Taken, StoreError, OSError) as error:
        hint = "there is no backup"
        if isinstance(error, Filled):
            hint = "there is no backup: name a folder that is new or empty"
        give_up(Exit.NO, str(error), hint, as_json=as_json)
    manifest = taken.manifest
    if as_json:
        facts = asdict(manifest) | {"keys": list(manifest.keys)}
        say_json({"ok": True, "folder": str(target), "sha256": taken.sha256, "signed": taken.signed, "manifest": facts})
        return
    say(f"đã sao lưu và kiểm tra (backed up, and checked): {target}", "green")
    say(f"  tại thời điểm (as of)  {local(manifest.made_at)}")
    say(f"  nhật ký (log entries)  {manifest.log_size}")
    if taken.signed is not None:
        lost = f"the store has lost what was signed, {taken.signed} entries: documents with receipts are not in here"
        say(f"  kho lùi sau nhật ký: thiếu văn bản đã cấp biên nhận ({lost})", "yellow")
    say(f"  tệp (files)            {manifest.blob_files}, {size(manifest.blob_octets)}")
    say(f"  bản kê (manifest)      sha256:{taken.sha256}")
    without = "" if keys else "khóa (keys), "
    say(f"  không sao lưu (left out)  {without}kho mốc (checkpoints)")


@contextmanager
def _leaving_nothing() -> Iterator[None]:
    """Let who ends the command, or closes its terminal, meet the way by which half a folder is removed: a backup of
    every night has another name each time, and nobody would come by again."""

    def end(number: int, _frame: object) -> NoReturn:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def _keys(config: Config, as_json: bool) -> dict[str, Path]:
    named = {"receipt": config.keys.receipts, "log": config.keys.log, "log-former": config.keys.log_former}
    files = {f"{name}.pem": path for name, path in named.items() if path is not None}
    in_token = [name for name, path in files.items() if not isinstance(path, Path)]
    if in_token:
        give_up(Exit.USAGE, "the keys are in a token, which gives none away", "leave --with-keys out", as_json=as_json)
    return {name: path for name, path in files.items() if isinstance(path, Path)}


@click.command()
@click.argument("source", type=_FOLDER)
@config_option
@click.option("--log", type=_FOLDER, help="A copy of the node's log that reaches further than the backup.")
@click.option("--accept-loss", is_flag=True, help="Go on although records may be lost; the log is told.")
@click.option("--reason", default="", help="Why, for the signature log: for ever. No content, no names of persons.")
@json_option
def restore(config_path: Path, source: Path, log: Path | None, accept_loss: bool, reason: str, as_json: bool) -> None:
    """Restore the node from the backup SOURCE, into the place that the configuration names. No daemon may run.

    The data folder must not be there, or be empty; a PostgreSQL must be empty. Everything is checked before it is put
    into place. Keys are put back by hand, before; the checkpoint store is never restored.

    Exit 0 when the node may be started, 1 when not.
    """
    from axis.care.backup import NotSound
    from axis.care.manifest import NoBackup
    from axis.care.place import Filled, Taken
    from axis.care.restore import ForeignNote, HeadsDamaged, Hindered, Order, Target
    from axis.care.restore import restore as put_back
    from axis.log.disk import Locked
    from axis.sql.driver import StoreError

    config = need_config(config_path, as_json)
    target = Target(config.node.name, config.node.data, place_of(config, as_json))
    order = Order(operator_name(), reason, datetime.now(UTC), accept_loss, log)
    try:
        with _leaving_nothing(), progress(not as_json and sys.stderr.isatty()) as told:
            done = put_back(source.absolute(), target, order, told=told)
    except Hindered as error:
        give_up(
            Exit.NO,
            str(error),
            _REMEDIES[error.obstacle],
            as_json=as_json,
            obstacle=error.obstacle.value,
            known=error.known,
            signed=error.signed,
        )
    except NotSound as error:
        if not as_json:
            show(error.report)
        give_up(Exit.NO, "the backup is not sound", _left(config), as_json=as_json, report=report_json(error.report))
    except (HeadsDamaged, ForeignNote) as error:
        hint = f"{_left(config)}; is keys.checkpoints the store of this node's log?"
        give_up(Exit.NO, f"the checkpoint store or the backup's checkpoint: {error}", hint, as_json=as_json)
    except Locked as error:
        give_up(Exit.NO, str(error), f"{_left(config)}: stop the daemon first", as_json=as_json)
    except (NoBackup, Taken, StoreError, OSError) as error:
        hint = _left(config)
        if hint == _NOTHING and isinstance(error, Filled):
            hint = f"{_NOTHING}: move that away, and keep it: its log may be needed (--log)"
        give_up(Exit.NO, str(error), hint, as_json=as_json)
    _show_restored(done, as_json)
    raise Answer(Exit.YES if done.report.sound else Exit.NO)


def _left(config: Config) -> str:
    """What a restore that failed has left."""
    from axis.sql.driver import StoreError
    from axis.sql.recovery import marked

    try:
        begun = marked(config.store_url) is not None
    except StoreError:
        begun = False
    return "a restore is not finished: axis restore, with its backup again" if begun else _NOTHING


def _show_restored(done: Restored, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "ok": done.report.sound,
                "reach": done.way.reach.value,
                "unproved_keys": list(done.unproved),
                "known": done.way.known,
                "signed": done.way.size,
                "lost_entries": done.lost_entries,
                **lost_json(done.lost),
                "report": report_json(done.report),
            }
        )
        return
    say(f"đã khôi phục về (restored to) {local(done.manifest.made_at)}", "green")
    say(f"  nhật ký (log entries)  {done.way.known} trong bản sao lưu (in the backup), {done.way.size} đã ký (signed)")
    if done.way.reach.value == "unknown":
        say(
            "  kho mốc bắt đầu lại: hỏi các bên đang giữ mốc (checkpoints begun anew: ask who holds newer ones)",
            "yellow",
        )
    if done.unproved:
        names = ", ".join(done.unproved)
        say(f"  khóa không kiểm chứng được (keys of the backup that no digest proves, or gone)  {names}", "yellow")
    if done.lost_entries:
        say(f"  bản ghi mất dữ liệu (entries without records)  {done.lost_entries}", "yellow")
    show_lost(done.lost, _SHOWN)
    if not done.report.sound:
        show(done.report)
