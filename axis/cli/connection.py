"""Options of the commands that talk to an axis as an endpoint, and what they do when it does not answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from axis.cli.client import AxisClient, AxisRefused, AxisUnsure
from axis.cli.output import Exit, give_up

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the axis is, and how we prove who we are."""

    url: str
    ca: Path | None
    certificate: Path | None
    key: Path | None
    api_key_file: Path | None

    def run(
        self,
        body: Callable[[AxisClient], Awaitable[T]],
        *,
        as_json: bool,
        when_unsure: Callable[[], str] = lambda: "repeating the command is safe",
    ) -> T:
        """Run `body` with a client. A refusal ends the command with 1, silence with 3 and the hint of `when_unsure`."""

        async def with_client() -> T:
            api_key = self.api_key_file.read_text().strip() if self.api_key_file else None
            client = AxisClient(self.url, ca=self.ca, certificate=self.certificate, key=self.key, api_key=api_key)
            async with client as axis:
                return await body(axis)

        try:
            return asyncio.run(with_client())
        except AxisRefused as error:
            give_up(Exit.NO, str(error), _violations(error), as_json=as_json, problem=dict(error.problem))
        except AxisUnsure as error:
            give_up(Exit.UNSURE, f"could not tell: {error}", when_unsure(), as_json=as_json)
        except (OSError, ssl.SSLError, ValueError) as error:
            give_up(Exit.USAGE, str(error), as_json=as_json)


def _violations(error: AxisRefused) -> str:
    found = error.problem.get("violations") or error.problem.get("fields") or ()
    if error.kind == "unauthenticated":
        return "name --cert and --key, or --api-key-file; the node's administrator knows which of them it expects"
    return "; ".join(map(str, found)) if isinstance(found, list) else ""


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url`, `--ca`, `--cert`, `--key`, `--api-key-file`, handed over as one `Connection`."""
    file = click.Path(path_type=Path, exists=True, dir_okay=False)

    @wraps(command)
    def joined(
        url: str, ca: Path | None, cert: Path | None, key: Path | None, api_key_file: Path | None, **rest: Any
    ) -> Any:
        if (cert is None) != (key is None):
            raise click.UsageError("--cert and --key go together")
        return command(connection=Connection(url, ca, cert, key, api_key_file), **rest)

    options = (
        click.option("--url", required=True, envvar="AXIS_URL", help="The axis: https://host:port. AXIS_URL"),
        click.option("--ca", type=file, envvar="AXIS_CA", help="Whose server certificate to believe. AXIS_CA"),
        click.option("--cert", type=file, envvar="AXIS_CERT", help="Our client certificate. AXIS_CERT"),
        click.option("--key", type=file, envvar="AXIS_KEY", help="Its key. AXIS_KEY"),
        click.option("--api-key-file", type=file, envvar="AXIS_API_KEY_FILE", help="Our API key. AXIS_API_KEY_FILE"),
    )
    decorated: Callable[..., Any] = joined
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
