"""`axis check`: is this configuration right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from axis.cli.output import Exit, config_option, end_with_faults, json_option, say, say_json
from axis.config import Config, ConfigError, load_file
from axis.config.bindings import registry_of
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
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.NO)
    remarks = list(remarks_on(config, registry, datetime.now(UTC)))
    facts = summary(config, registry)
    if as_json:
        say_json({"ok": True, "faults": [], "remarks": remarks, "summary": facts})
        return
    say(f"cấu hình hợp lệ (the configuration is right): {config_path}", "green")
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        say(f"  {name:<10} {shown}")
    for remark in remarks:
        say(f"  remark: {remark}", "yellow")


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


def remarks_on(config: Config, registry: Registry, now: datetime) -> Iterator[str]:
    """What is allowed and yet looks like a slip."""
    routes = config.routing_table(registry)
    led_to = {rule.endpoint for rule in config.rules}
    for endpoint in config.endpoint:
        if endpoint.name not in led_to:
            yield f"no route leads to endpoint {endpoint.name}: it can send, and nothing reaches it"
        for prefix in endpoint.agencies:
            if not _covers_any(prefix, registry):
                yield f"endpoint {endpoint.name} acts for {prefix}, where no agency is registered"
    for rule in config.rules:
        if not _covers_any(rule.prefix, registry):
            yield f"{rule.origin}: no registered agency lies below {rule.prefix}"
    lost = [agency.code.text for agency in registry if agency.active(now) and routes.route(agency.code) is None]
    if lost:
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        yield f"no route leads to {', '.join(lost[:5])}{more}"


def _covers_any(prefix: str, registry: Registry) -> bool:
    root = prefix_path(prefix)
    return any(registry.within(agency.code, [root]) for agency in registry)
