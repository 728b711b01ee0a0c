"""`axis store retention`: what content is kept, what would go now, what stays and why."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from axis.cli.output import Exit, config_option, give_up, json_option, need_config, say, say_json, size


@click.command(short_help="What content is kept, what would go, and why the rest stays.")
@config_option
@json_option
def retention(config_path: Path, as_json: bool) -> None:
    """What content is kept, what would go now by `store.keep_content`, and why the rest of what is old stays.

    Nothing is removed: a running node does that, a day after its start at the earliest. Beside one it is harmless.

    Exit 0 when it was looked at, 3 when the store could not be asked.
    """
    from axis.care.retention import survey
    from axis.core.retention import Stays
    from axis.sql.driver import StoreError

    config = need_config(config_path, as_json)
    keep = config.store.keep_content
    shown = not as_json and sys.stderr.isatty()

    def heard(done: int) -> None:
        if shown:
            click.echo(f"\r{done:>10}\033[K", err=True, nl=False)

    try:
        found = survey(config.store_url, keep, datetime.now(UTC), heard)
    except StoreError as error:
        give_up(Exit.UNSURE, str(error), "nothing was changed; axis fsck looks closer", as_json=as_json)
    if shown:
        click.echo("\r\033[K", err=True, nl=False)
    if as_json:
        told = {**asdict(found), "stay": {why.value: number for why, number in found.stay.items()}}
        say_json({"ok": True, "keep_days": None if keep is None else keep.days, **told})
        return
    words = {
        Stays.YOUNG: "gần đây vẫn có việc xảy ra với văn bản (something happened to it lately)",
        Stays.HELD: "đang tạm giữ, chưa được chấp nhận (held, not accepted yet)",
        Stays.UNDELIVERED: "còn lượt chuyển chưa xong: axis queue list (a delivery waits: axis queue list)",
        Stays.FAILED: "có lượt chuyển thất bại, có thể gửi lại: axis queue retry, hay bỏ hẳn: axis queue give-up "
        "(a delivery failed: axis queue retry sends it again, axis queue give-up ends it)",
        Stays.UNTOLD: "đã bỏ hẳn, nhưng thông báo chưa ai nhận: axis queue list "
        "(given up, and its notice was not taken: axis queue list)",
        Stays.FOLLOWED: "còn hỏi bên kia về văn bản (the other side is still asked about it)",
        Stays.UNJUDGED: "tệp đính kèm còn chờ kết luận (its attachments are still to be judged)",
    }
    days = "mãi mãi (for ever)" if keep is None else f"{keep.days} ngày (days)"
    say(f"giữ nội dung (content is kept)   {days}")
    say(f"còn nội dung (with content)      {found.kept}")
    say(f"đã xóa nội dung (removed)        {found.removed}")
    if keep is not None:
        say(f"đến hạn xóa (would go now)       {found.ripe}, {size(found.octets)}")
        for why, number in sorted(found.stay.items()):
            say(f"  chưa xóa (stays)               {number}: {words[why]}")
