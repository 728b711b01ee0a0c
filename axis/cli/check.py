"""`axis check`: is this configuration right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from axis.cli.output import Exit, config_option, end_with_faults, json_option, say, say_json
from axis.cli.vietnamese import in_vietnamese
from axis.config import Config, ConfigError, load_file
from axis.config.bindings import registry_of
from axis.config.load import read_text
from axis.config.locate import KeyPath, Places, locate
from axis.core.registry import Registry, prefix_path


@click.command()
@config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Check the configuration and the registry that it names: all faults at once, each with its remedy.

    Exit 0 when it is right (remarks do not count), 1 when it has faults.
    """
    try:
        config = load_file(config_path)
        registry = registry_of(config)
        from axis.trust import see_lists

        see_lists(config, config_path)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.NO)
    remarks = list(remarks_on(config, config_path, registry, datetime.now(UTC)))
    facts = summary(config, registry)
    if as_json:
        say_json({"ok": True, "faults": [], **_facts(remarks), "summary": facts})
        return
    say(f"cấu hình hợp lệ (the configuration is right): {config_path}", "green")
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        say(f"  {name:<10} {shown}")
    for remark in remarks:
        say(f"  remark: {remark.told}", "yellow")
        say(f"          {remark.vi}", "yellow")


def _facts(remarks: Sequence[Remark]) -> dict[str, list[str]]:
    return {"remarks": [one.told for one in remarks], "remarks_vi": [one.vi for one in remarks]}


def summary(config: Config, registry: Registry) -> dict[str, Any]:
    return {
        "node": config.node.name,
        "data": str(config.node.data),
        "store": config.store_url,
        "agencies": str(config.listen.agencies),
        "operator": str(config.listen.operator),
        "trust": {
            "anchors": len(config.trust.anchors),
            "intermediates": len(config.trust.intermediates),
            "crls": len(config.trust.crls),
        },
        "endpoints": dict(Counter(endpoint.adapter for endpoint in config.endpoint)),
        "routes": len(config.route),
        "registry": dict(Counter(agency.level.value for agency in registry)),
    }


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is allowed and looks like a slip, with its place (`axis.toml:41`) where it has one."""

    where: str
    en: str
    vi: str

    @property
    def told(self) -> str:
        return f"{self.where}: {self.en}" if self.where else self.en


def remarks_on(config: Config, path: Path, registry: Registry, now: datetime) -> Iterator[Remark]:
    """What is allowed and yet looks like a slip."""
    routes = config.routing_table(registry)
    places = locate(read_text(path))
    led_to = {rule.endpoint for rule in config.rules}
    for index, endpoint in enumerate(config.endpoint):
        if endpoint.name not in led_to:
            yield Remark(
                _line(path, places, ("endpoint", index)),
                f"no route leads to endpoint {endpoint.name}: it can send, and nothing reaches it",
                f"không tuyến nào dẫn đến điểm kết nối {endpoint.name}: gửi được, không nhận được gì",
            )
        for place, prefix in enumerate(endpoint.agencies):
            if not _covered(prefix, registry):
                en, vi = _meant(prefix, registry)
                yield Remark(
                    _line(path, places, ("endpoint", index, "agencies", place)),
                    f"endpoint {endpoint.name} acts for {prefix}, where no agency is registered{en}",
                    f"điểm kết nối {endpoint.name} thay mặt {prefix}, mà danh mục không có cơ quan nào ở đó{vi}",
                )
    used = {route.rule for agency in registry for route in (routes.route(agency.code),) if route is not None}
    for rule in config.rules:
        if not _covered(rule.prefix, registry):
            en, vi = _meant(rule.prefix, registry)
            yield Remark(
                rule.origin,
                f"no registered agency lies below {rule.prefix}{en}",
                f"danh mục không có cơ quan nào dưới {rule.prefix}{vi}",
            )
        elif rule not in used and rule.prefix != "*":
            yield Remark(
                rule.origin,
                f"the route {rule.prefix} decides for no registered agency: longer ones lead all of them elsewhere",
                f"tuyến {rule.prefix} không quyết định cho cơ quan nào: các tuyến dài hơn đã dẫn hết đi nơi khác",
            )
    lost = [agency.code.text for agency in registry if agency.active(now) and routes.route(agency.code) is None]
    if lost:
        some, rest = ", ".join(lost[:5]), len(lost) - 5
        yield Remark(
            "",
            f"no route leads to {some}" + (f" and {rest} more" if rest > 0 else ""),
            f"không tuyến nào dẫn đến {some}" + (f" và {rest} cơ quan nữa" if rest > 0 else ""),
        )
    if config.node.data.resolve() in config.keys.checkpoints.resolve().parents:
        yield Remark(
            _line(path, places, ("keys", "checkpoints")),
            "the checkpoint store lies inside the data folder: put back together they show nobody what is missing; "
            "put it beside the folder, best on another disk",
            "kho mốc nằm trong thư mục dữ liệu: khôi phục cả hai cùng lúc thì không ai thấy phần bị mất; "
            "đặt nó ra ngoài, tốt nhất trên đĩa khác",
        )
    yield from _expired(config, now)


def _expired(config: Config, now: datetime) -> Iterator[Remark]:
    """Certificates that the node starts with, and nobody can use any more."""
    from axis.cli.doctor import look_at_certificates
    from axis.cli.looked import State

    for line in look_at_certificates(config, now):
        if line.state is State.FAIL:
            yield Remark("", f"{line.told}: {line.remedy}", f"{line.told}: {in_vietnamese(line.remedy)}")


def _line(path: Path, places: Places, key: KeyPath) -> str:
    return f"{path.name}:{places.of_value(key).line}"


def _covered(prefix: str, registry: Registry) -> bool:
    root = prefix_path(prefix)
    return any(registry.within(agency.code, [root]) for agency in registry)


def _meant(prefix: str, registry: Registry) -> tuple[str, str]:
    """The registered code that `prefix` resembles, also in another case, as the end of a remark in both languages."""
    known = {agency.code.text.upper(): agency.code.text for agency in registry}
    close = get_close_matches(prefix.upper(), known, n=1, cutoff=0.7)
    return (f'; did you mean "{known[close[0]]}"?', f'; có phải "{known[close[0]]}"?') if close else ("", "")
