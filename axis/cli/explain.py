"""`axis explain`: where would a document go, and why?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from axis.cli.given import CODE
from axis.cli.output import Answer, Exit, config_option, end_with_faults, json_option, need_config, say, say_json
from axis.config import Config, ConfigError
from axis.config.bindings import registry_of
from axis.core.problems import TABLE, Kind
from axis.core.registry import Registry
from axis.core.routing import RoutingTable
from schemas.codes import AgencyCode, Level
from signing.verdict import Sentence

LEVELS = {
    Level.CENTRAL: "trung ương",
    Level.PROVINCE: "cấp tỉnh",
    Level.DISTRICT: "cấp huyện",
    Level.COMMUNE: "cấp xã",
}


@click.command()
@config_option
@click.option("--from", "sender", type=CODE, required=True, help="The sender's code (mã định danh nơi gửi).")
@click.option("--to", "recipients", type=CODE, required=True, multiple=True, help="A recipient's code; may repeat.")
@json_option
def explain(config_path: Path, sender: AgencyCode, recipients: tuple[AgencyCode, ...], as_json: bool) -> None:
    """Say which rule leads to each recipient, which rules it shadows, and what would stop the document.

    Exit 0 when the document would reach every recipient, 1 when it would be refused.
    """
    config = need_config(config_path, as_json, secrets=False)
    try:
        registry = registry_of(config)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    now = datetime.now(UTC)
    origin = explain_sender(config, registry, sender)
    routes = config.routing_table(registry)
    ways = [explain_way(config, routes, sender, code, now) for code in recipients]
    ok = not origin["problem"] and not any(way["problem"] for way in ways)
    if as_json:
        say_json({"ok": ok, "from": origin, "to": ways})
    else:
        _show(origin, ways)
    raise Answer(Exit.YES if ok else Exit.NO)


def explain_sender(config: Config, registry: Registry, sender: AgencyCode) -> dict[str, Any]:
    """Who the sender is here, and which connections may send for it."""
    agency = registry.find(sender)
    speaking = [e for e in config.endpoint if registry.within(sender, e.principal.authority)]
    problem = None
    if not speaking:
        problem = Kind.NOT_YOUR_AGENCY
    elif agency is None and all(e.adapter != "national" for e in speaking):
        problem = Kind.UNKNOWN_AGENCY
    return {
        "code": sender.text,
        "name": agency.name if agency else None,
        "level": agency.level.value if agency else None,
        "path": list(registry.path(sender)),
        "certificates": len({one.certificate for one in registry.bindings.of_agency(sender)}),
        "endpoints": [{"name": e.name, "adapter": e.adapter, "profile": e.profile.value} for e in speaking],
        "problem": problem.value if problem else None,
    }


def explain_way(
    config: Config, routes: RoutingTable, sender: AgencyCode, code: AgencyCode, now: datetime
) -> dict[str, Any]:
    """The rules that cover one recipient, the endpoint, and what the intake would answer."""
    agency = routes.registry.find(code)
    candidates = routes.candidates(code)
    problem: Kind | None = None
    if code == sender:
        problem = Kind.SCHEMA_VIOLATION
    elif agency is None:
        problem = Kind.UNKNOWN_AGENCY
    elif not agency.active(now):
        problem = Kind.INACTIVE_AGENCY
    elif not candidates:
        problem = Kind.NO_ROUTE
    endpoint = next((e for e in config.endpoint if candidates and e.name == candidates[0].endpoint), None)
    return {
        "code": code.text,
        "name": agency.name if agency else None,
        "level": agency.level.value if agency else None,
        "path": list(routes.registry.path(code)),
        "successors": [item.text for item in agency.successors] if agency else [],
        "rules": [
            {"origin": route.rule.origin, "prefix": route.rule.prefix, "endpoint": route.endpoint}
            for route in candidates
        ],
        "endpoint": endpoint
        and {
            "name": endpoint.name,
            "adapter": endpoint.adapter,
            "url": getattr(endpoint, "url", None),
            "profile": endpoint.profile.value,
        },
        "problem": problem.value if problem else None,
    }


_INSTEAD: Final = {
    Kind.NOT_YOUR_AGENCY: Sentence(
        "không kết nối nào được gửi thay cơ quan này: thêm mã vào agencies của một [[endpoint]], rồi axis reload",
        "no connection may send for this agency: add it to `agencies` of an [[endpoint]], then axis reload",
    ),
    Kind.NO_ROUTE: Sentence(
        "không [[route]] nào bao phủ đường này: thêm một, rồi axis reload",
        "no [[route]] covers this path: add one, then axis reload",
    ),
    Kind.SCHEMA_VIOLATION: Sentence("một cơ quan không gửi cho chính mình", "an agency does not send to itself"),
}
"""Next steps of who asks here, where the page of refusals says it of another's point of view."""


def _show(origin: dict[str, Any], ways: list[dict[str, Any]]) -> None:
    say(f"{origin['code']}  {_who(origin)}")
    _say("đường (path)", " > ".join(origin["path"]))
    for one in origin["endpoints"]:
        _say("gửi qua (sent by)", f"{one['name']} ({one['adapter']}), chữ ký (signatures): {one['profile']}")
    _say("chứng thư (certificates)", f"{origin['certificates']}, đã đăng ký (registered)")
    _trouble(origin)
    for way in ways:
        say()
        say(f"{origin['code']} -> {way['code']}  {_who(way)}")
        _say("đường (path)", " > ".join(way["path"]))
        for place, rule in enumerate(way["rules"], start=1):
            first = f"quyết định, dài nhất trong {len(way['rules'])} (decides: the longest)"
            told = first if place == 1 else "bị 1 che (shadowed by 1)"
            leads = f"{rule['origin']}  prefix {rule['prefix']!r} -> {rule['endpoint']}"
            _say(f"{place}. quy tắc (rule)", f"{leads}    {told}")
        if way["endpoint"]:
            one = way["endpoint"]
            to = f"{one['name']} ({one['adapter']}{', ' + one['url'] if one['url'] else ''})"
            _say("đến (endpoint)", to, "green")
        if way["successors"]:
            _say("kế thừa (successors)", ", ".join(way["successors"]))
        _trouble(way)


def _who(one: dict[str, Any]) -> str:
    return f"{one['name']} ({LEVELS[Level(one['level'])]})" if one["name"] else "(không có trong danh mục)"


def _trouble(one: dict[str, Any]) -> None:
    from axis.core.journey.advice import next_of_refusal

    if one["problem"]:
        kind = Kind(one["problem"])
        row, then = TABLE[kind], _INSTEAD.get(kind) or next_of_refusal(kind)
        _say("từ chối (refused)", f"{row.vi} ({kind}: {row.en})", "red")
        _say("", f"→ {then.vi}")
        _say("", f"  ({then.en})")


def _say(label: str, told: str, style: str = "") -> None:
    say(f"  {label:<24} {told}", style)
