"""`axis log lost`: what restores have lost, and whom to ask for it; and the same at the end of `axis restore`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli.output import Answer, Exit, give_up, json_option, local, say, say_json
from axis.core.times import parse_rfc3339

if TYPE_CHECKING:
    from axis.log.lost import Lost

ALL: Final = 1 << 30


@click.command(short_help="What restores have lost, by the log.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def lost(folder: Path, as_json: bool) -> None:
    """List what restores have lost by the log in FOLDER, and who must give it again: documents, statuses, orders.

    What was given again since is still listed: the log does not tell whether it is the same. Verifies nothing.

    Exit 0 when something was lost, 1 when nothing was.
    """
    from axis.log.files import Damaged, LogFolder
    from axis.log.lost import Places, lost_records, restores
    from axis.log.reading import entries, published_size

    log = LogFolder(folder)
    try:
        size = published_size(log)
        found = restores(entries(log, size))
        places = Places(tuple(span for one in found for span in one.lost))
        gone = lost_records(entries(log, size), places)
    except Damaged as error:
        give_up(Exit.NO, str(error), "axis log verify says more", as_json=as_json)
    except OSError as error:
        give_up(Exit.UNSURE, str(error), as_json=as_json)
    number = sum(map(len, places.spans))
    if as_json:
        said = [asdict(one) | {"lost": [[span.start, span.stop] for span in one.lost]} for one in found]
        say_json({"restores": said, "lost_entries": number, **lost_json(gone)})
    else:
        for one in found:
            say(f"khôi phục (restored)  {local(parse_rfc3339(one.at))}  {one.operator}  {one.reason}".rstrip())
            say(f"  bản ghi mất dữ liệu (entries without records)  {sum(map(len, one.lost))}")
        show_lost(gone, ALL)
        if not number:
            say("không mất bản ghi nào (nothing was lost)")
    raise Answer(Exit.YES if number else Exit.NO)


def lost_json(gone: Lost) -> Mapping[str, Any]:
    return {f"lost_{name}": rows for name, rows in asdict(gone).items()}


def show_lost(gone: Lost, most: int) -> None:
    """Whom to ask for what; `most` of each."""
    if gone.documents:
        say(f"  yêu cầu nơi gửi gửi lại (ask the senders to send again): {len(gone.documents)} văn bản (documents)")
    for one in gone.documents[:most]:
        handed = f"  đã giao (handed to) {', '.join(one.handed_to)}" if one.handed_to else ""
        say(f"       {one.ref}  {one.sender}  {_at(one.at)}{handed}")
    if gone.statuses:
        told = f"{len(gone.statuses)} trạng thái (statuses)"
        say(f"  yêu cầu cơ quan báo lại (ask the agencies to report again): {told}")
    for said in gone.statuses[:most]:
        say(f"       {said.document or '?'}  {said.code}  {said.reporter}  {_at(said.at)}")
    if gone.orders:
        say(f"  lệnh của người quản trị (operators' orders, to be given again): {len(gone.orders)}")
    for order in gone.orders[:most]:
        say(f"       {order.action}  {order.subject or order.endpoint}  {order.operator}  {_at(order.at)}")
    if max(len(gone.documents), len(gone.statuses), len(gone.orders)) > most:
        say("  tất cả, khi trục đã chạy (all of them, once the node runs): axis log lost")


def _at(at: str) -> str:
    return local(parse_rfc3339(at))
