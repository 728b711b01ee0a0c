"""`axis national`: the simulated national axis (Trục liên thông văn bản quốc gia mô phỏng)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from axis.cli.output import Exit, give_up, json_option


class ListenAddress(click.ParamType[tuple[str, int]]):
    """`host:port`."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        from axis.config.values import parse_address

        try:
            address = parse_address(str(value))
        except ValueError:
            self.fail('an address is host and port: "127.0.0.1:18999", "[::1]:0"', param, ctx)
        return address.host, address.port


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def national() -> None:
    """The simulated national axis: speaks VXP well enough that software made for the real one connects unchanged."""


@national.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Its own folder.")
@click.option("--listen", type=ListenAddress(), default="127.0.0.1:18999", show_default=True)
@click.option(
    "--seeds", type=_FILE, required=True, help="Connected systems, their secrets and agencies (TOML or JSON)."
)
@click.option("--rewrite", is_flag=True, help="Re-serialise packages on the way, as the real axis was seen to do.")
@click.option("--cert", type=_FILE, help="Serve TLS with this certificate,")
@click.option("--key", type=_FILE, help="and this key.")
@click.option("--operator-token-file", type=_FILE, help="Opens the operator's endpoint to who knows this token.")
@json_option
def serve(
    data: Path,
    listen: tuple[str, int],
    seeds: Path,
    rewrite: bool,
    cert: Path | None,
    key: Path | None,
    operator_token_file: Path | None,
    as_json: bool,
) -> None:
    """Run it until SIGTERM or Ctrl-C. The log goes to the standard error, with --json one JSON object a line."""
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    from adapters.national.simulator.main import run
    from adapters.national.simulator.settings import Settings, SettingsError, load_seeds
    from axis.cli.logs import configure

    configure(as_json=as_json)
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o750)
        token = operator_token_file.read_text().strip() if operator_token_file else None
        settings = Settings(
            data=data,
            seeds=load_seeds(seeds),
            host=listen[0],
            port=listen[1],
            tls_certificate=cert,
            tls_key=key,
            operator_token=token,
            rewrite=rewrite,
        )
        run(settings)
    except SettingsError as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    except OSError as error:
        give_up(Exit.NO, str(error), as_json=as_json)
    except KeyboardInterrupt:
        return
