"""`axis reload`: apply a changed configuration to the running daemon, or say what that would change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli.daemon import ask
from axis.cli.operate import operators_token
from axis.cli.output import Answer, Exit, config_option, end_with_faults, give_up, json_option, say, say_json
from axis.config.difference import What

if TYPE_CHECKING:
    from axis.config import Config

_PATH: Final = "/operator/reload"
_PATIENCE_S: Final = 300.0
"""The agencies of a whole country take twenty seconds, where nothing else has the processor."""
_NOBODY: Final = "nothing is applied: a start reads the files anyway; listen.operator must be the running node's"

WORDS: Final[Mapping[What, tuple[str, str]]] = MappingProxyType(
    {
        What.AGENCY_ADDED: ("cơ quan mới", "agency added"),
        What.AGENCY_CLOSED: ("cơ quan đóng", "agency closed"),
        What.AGENCY_CHANGED: ("cơ quan đổi", "agency changed"),
        What.AGENCY_REMOVED: ("cơ quan bị bỏ", "agency removed"),
        What.BINDINGS: ("gán chứng thư số đổi", "bindings changed"),
        What.ENDPOINT_ADDED: ("điểm kết nối mới", "endpoint added"),
        What.ENDPOINT_CHANGED: ("điểm kết nối đổi", "endpoint changed"),
        What.ENDPOINT_REMOVED: ("điểm kết nối bị bỏ", "endpoint removed"),
        What.ROUTE_ADDED: ("tuyến mới", "route added"),
        What.ROUTE_CHANGED: ("tuyến đổi", "route changed"),
        What.ROUTE_REMOVED: ("tuyến bị bỏ", "route removed"),
        What.SETTING: ("trị số đổi", "setting changed"),
    }
)
"""What each kind of difference is called."""


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def reload(config_path: Path, dry_run: bool, as_json: bool) -> None:
    """Have the running daemon apply what its files say now, and wait for the outcome: all of it, or nothing.

    What a running node cannot change is refused by name, with its line. Of several processes of one node this reloads
    the one that -c belongs to. Exit 0 when it is in force (also when nothing differs), 1 when it has faults or was
    refused, 3 when no daemon answered.
    """
    from axis.config import ConfigError, load_file

    try:
        config = load_file(config_path, secrets=False)
    except ConfigError as error:  # what does not even read need not be asked about
        end_with_faults(error, as_json, Exit.NO)
    outcome = _asked(config, dry_run, as_json)
    if as_json:
        say_json({"ok": not outcome["refused"], "dry_run": dry_run, **outcome})
    elif outcome["faults"]:
        end_with_faults(ConfigError(_faults(outcome)), as_json, Exit.NO)
    elif outcome["error"]:
        give_up(Exit.NO, outcome["error"], "nothing has changed: the configuration of before goes on")
    else:
        _show(outcome, dry_run)
    raise Answer(Exit.NO if outcome["refused"] else Exit.YES)


def _asked(config: Config, dry_run: bool, as_json: bool) -> dict[str, Any]:
    token = operators_token(config, as_json)
    answer = None if token is None else ask(config, "POST", _PATH, {"dry_run": dry_run}, token, as_json, _PATIENCE_S)
    if answer is None:
        told = f"no daemon answers at {config.listen.operator}"
        give_up(Exit.UNSURE, told, _NOBODY, as_json=as_json)
    status, outcome = answer
    if status == 401:
        give_up(Exit.UNSURE, "something else answers at listen.operator", "is this the right -c?", as_json=as_json)
    if status != 200:
        give_up(Exit.UNSURE, f"the daemon answered {status} {outcome.get('title', '')}".rstrip(), as_json=as_json)
    return outcome


def _faults(outcome: Mapping[str, Any]) -> list[Any]:
    from axis.config import Fault

    return [Fault(**{**one, "path": Path(one["path"])}) for one in outcome["faults"]]


def _show(outcome: Mapping[str, Any], dry_run: bool) -> None:
    digest = outcome["config_sha256"][:16]
    if not outcome["changed"]:
        say(f"không có gì đổi (nothing differs): generation {outcome['generation']}, {digest}", "green")
        return
    for one in outcome["differences"]:
        vi, en = WORDS[What(one["what"])]
        detail = f": {one['detail']}" if one["detail"] else ""
        say(f"  {vi} ({en})  {one['subject']}{detail}")
    more = sum(outcome["changed"].values()) - len(outcome["differences"])
    if more > 0:
        say(f"  và {more} thay đổi nữa (and {more} more)")
    for endpoint, number in outcome["left_behind"].items():
        say(
            f"  {endpoint}: {number} lượt chuyển đang chờ không còn được giao ở đó "
            f"({number} waiting deliveries are not handed out there any more; their senders are told at their end)",
            "yellow",
        )
    if dry_run:
        say("chưa áp dụng gì (a dry run: nothing was applied)")
    else:
        say(f"đã áp dụng (in force): generation {outcome['generation']}, {digest}", "green")
