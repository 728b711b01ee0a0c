"""Options of the commands that talk to an axis as an endpoint, and what they do when it does not answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click

from axis.cli.advice import named, next_step, quoted
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
        so_far: Callable[[], Mapping[str, Any]] = dict,
    ) -> T:
        """Run `body` with a client. A refusal ends the command with 1, silence with 3 and the hint of `when_unsure`.

        `so_far` tells programs what was done before that.
        """

        async def with_client() -> T:
            api_key = self.api_key_file.read_text().strip() if self.api_key_file else None
            client = AxisClient(self.url, ca=self.ca, certificate=self.certificate, key=self.key, api_key=api_key)
            async with client as axis:
                return await body(axis)

        try:
            return asyncio.run(with_client())
        except AxisRefused as error:
            step = next_step(error.kind, error.problem)
            hint = step if as_json else quoted(step, error.problem)
            told = f"{error}{named(error.problem)}"
            give_up(Exit.NO, told, hint, as_json=as_json, problem=dict(error.problem), **so_far())
        except AxisUnsure as error:
            hint = f"{self._instead(error)}{when_unsure()}"
            give_up(Exit.UNSURE, f"could not tell: {error}", hint, as_json=as_json, **so_far())
        except ssl.SSLError as error:
            hint = "files in PEM; key and certificate belong together, and the key has no password"
            give_up(Exit.USAGE, f"--ca, --cert or --key cannot be used: {error}", hint, as_json=as_json)
        except BrokenPipeError:  # who was to read what we say reads no more: that is no wrong usage
            raise
        except (OSError, ValueError) as error:
            give_up(Exit.USAGE, str(error), as_json=as_json)

    def _instead(self, error: AxisUnsure) -> str:
        """What to change where no answer will ever come."""
        if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
            if "expired" in str(error.__cause__):
                return "the axis' certificate has expired, or this machine's clock is wrong: tell its administrator; "
            return "--ca names the authority of the axis' server certificate, --url the host that stands in it; "
        if self.url.startswith("http://"):
            return "an axis answers agencies over TLS: --url https://...; "
        return ""


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url`, `--ca`, `--cert`, `--key`, `--api-key-file`, handed over as one `Connection`."""
    file = click.Path(path_type=Path, exists=True, dir_okay=False)

    @wraps(command)
    def joined(
        url: str, ca: Path | None, cert: Path | None, key: Path | None, api_key_file: Path | None, **rest: Any
    ) -> Any:
        if (cert is None) != (key is None):
            raise click.UsageError("--cert and --key go together")
        if not url.startswith(("https://", "http://")):
            raise click.UsageError(f"--url is an address like https://host:8443, not {url!r}")
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
