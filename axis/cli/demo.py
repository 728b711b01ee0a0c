"""`axis demo`: the whole four-level network on this machine, ended by a table one can believe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from axis.cli.given import Whole
from axis.cli.output import Answer, Exit, give_up, json_option, say_json
from axis.demo.plan import DEFAULT_DOCUMENTS

if TYPE_CHECKING:
    from axis.demo.layout import Layout
    from axis.demo.report import Result

WIDTH: Final = 120
"""Columns where there is no terminal to ask."""


@click.command()
@click.option(
    "--documents",
    type=Whole(1, 2_000),
    default=DEFAULT_DOCUMENTS,
    show_default=True,
    help="How many good documents; four bad ones come on top.",
)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave everything in this new folder.")
@click.option("--serve", is_flag=True, help="Keep the network up after the table, until Ctrl-C.")
@json_option
def demo(documents: int, keep: Path | None, serve: bool, as_json: bool) -> None:
    """Run the whole four-level network on this machine (chạy cả mạng bốn cấp trên máy này).

    A simulated national axis with a ministry, a province's and a district's node, a department, a district office and
    two communes: separate processes, real TLS. Signed documents travel up, down and sideways, statuses travel back,
    bad packages are refused. The table at the end holds what the axes have against what the receivers told.

    Exit 0 when everything is equal, refused and verified as it must be; 1 when not; 3 when the network did not run.
    """
    from rich.console import Console

    from axis.demo import run
    from axis.demo.report import addresses, next_commands, show, to_json
    from axis.demo.show import PlainScreen, screen_for

    if keep is not None and keep.exists() and any(keep.iterdir()):
        give_up(Exit.USAGE, f"{keep} is not empty", "name a new folder", as_json=as_json)
    out = Console(stderr=as_json, width=None if sys.stdout.isatty() else WIDTH)
    options = run.Options(documents, keep, serve)
    plan = run.plan_for(options)
    screen = PlainScreen(out) if as_json else screen_for(out, plan)

    def tell(result: Result) -> None:
        if as_json:
            say_json(to_json(result))
        else:
            show(result, out)

    def stay_up(layout: Layout, result: Result, check: Callable[[], None]) -> None:
        tell(result)
        for line in addresses(layout):
            click.echo(line, err=as_json)
        while True:
            check()
            time.sleep(0.2)

    with run.folder_for(options) as folder:
        try:
            result = run.run(plan, folder, screen, stay_up if serve else None)
        except run.Stopped:
            give_up(Exit.UNSURE, "demo bị dừng giữa chừng (stopped)", as_json=as_json)
        except run.NetworkFailed as error:
            run.leave(folder)
            give_up(Exit.UNSURE, f"mạng không chạy được: {error}", f"logs: {folder / 'logs'}", as_json=as_json)
        if not serve:
            tell(result)
        if not result.good:
            run.leave(folder)
            click.echo(f"Nhật ký vận hành của các tiến trình (logs): {folder / 'logs'}", err=as_json)
        elif keep is not None and not as_json:
            for line in next_commands(folder):
                click.echo(line)
    raise Answer(Exit.YES if result.good else Exit.NO)
