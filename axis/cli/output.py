"""What all commands share: exit codes, options, and how an answer is printed for people or for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from unicodedata import category

import click

from axis.cli.vietnamese import in_vietnamese
from axis.core.times import VIETNAM

if TYPE_CHECKING:
    from axis.config import Config, ConfigError
    from signing.cosignature import WitnessKey

F = TypeVar("F", bound=Callable[..., Any])


class Exit(IntEnum):
    """What a command's exit code says."""

    YES = 0
    NO = 1
    USAGE = 2
    UNSURE = 3


class Answer(SystemExit):
    """Ends a command with one of the codes."""

    def __init__(self, code: Exit) -> None:
        super().__init__(int(code))


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")(command)


def config_option(command: F) -> F:
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("axis.toml"),
        show_default=True,
        envvar="AXIS_CONFIG",
        help="The node's configuration. AXIS_CONFIG",
    )(command)


def seen(text: str) -> str:
    """`text` as one line in which the eye sees all there is: what moves the cursor, turns the direction of writing
    around, ends the line or is invisible stands there as its number. Subjects, names in certificates, names of files
    and entries of a log are what somebody else wrote.
    """
    if text.isprintable():
        return text
    return "".join(one if _is_seen(one) else ascii(one)[1:-1] for one in text)


def _is_seen(letter: str) -> bool:
    return letter.isprintable() or category(letter) == "Zs"  # a space that does not break is a space


def say(text: str = "", style: str = "", *, err: bool = False) -> None:
    """Print one line; `style` is a colour, left out where it would not be seen or is not wanted."""
    plain = not style or bool(os.environ.get("NO_COLOR"))
    text = seen(text)
    click.echo(text if plain else click.style(text, fg=style), err=err)


def say_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print JSON. What a terminal would act on is written as its number, which is the same JSON."""
    told = json.dumps(data, ensure_ascii=False, indent=2, default=str)
    if not told.replace("\n", "").isprintable():
        told = "".join(one if one == "\n" or _is_seen(one) else json.dumps(one)[1:-1] for one in told)
    click.echo(told)


def local(at: datetime) -> str:
    """An instant for people: Vietnam's time, to the second."""
    try:
        return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")
    except OverflowError:  # the last hours of the year 9999: somebody wrote it there
        return at.isoformat()


def size(octets: int) -> str:
    if octets < 1024:
        return f"{octets} B"
    for unit, bytes_ in (("KB", 1024), ("MB", 1024**2)):
        if octets < 1024 * bytes_:
            return f"{octets / bytes_:.1f} {unit}"
    return f"{octets / 1024**3:.1f} GB"


def give_up(code: Exit, message: str, hint: str = "", *, as_json: bool = False, **facts: Any) -> NoReturn:
    """End with an error: one line and a hint, which may have lines of its own, on the standard error; or an object on
    the standard output."""
    hint_vi = in_vietnamese(hint)
    if as_json:
        say_json({"ok": False, "error": message, "hint": hint, "hint_vi": hint_vi, **facts})
    else:
        say(f"axis: {message}", "red", err=True)
        for line in f"  hint: {hint}".split("\n") if hint else ():
            say(line, err=True)
        if hint_vi:
            say(f"  gợi ý: {hint_vi}", err=True)
    raise Answer(code)


def need_config(path: Path, as_json: bool, *, secrets: bool = True) -> Config:
    """The configuration, or the end of the command: exit 2 with all its faults. A command that uses no key asks without
    `secrets`, so that it serves those who may read the node's files and not its keys."""
    from axis.config import ConfigError, load_file

    try:
        return load_file(path, secrets=secrets)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)


def end_with_faults(error: ConfigError, as_json: bool, code: Exit) -> NoReturn:
    if as_json:
        say_json({"ok": False, "faults": [fault_json(fault) for fault in error.faults]})
    else:
        for fault in error.faults:
            for line in str(fault).split("\n"):
                say(line, err=True)
            told = "; ".join(filter(None, (in_vietnamese(fault.reason), in_vietnamese(fault.hint))))
            if told:
                say(f"         gợi ý: {told}", err=True)
        count = len(error.faults)
        say(f"cấu hình có {count} lỗi ({count} fault{'s' if count > 1 else ''})", "red", err=True)
    raise Answer(code)


def fault_json(fault: Any) -> dict[str, Any]:
    return {
        "path": str(fault.path),
        "line": fault.line,
        "column": fault.column,
        "key": fault.key,
        "reason": fault.reason,
        "reason_vi": in_vietnamese(fault.reason),
        "hint": fault.hint,
        "hint_vi": in_vietnamese(fault.hint),
        "source_line": fault.source_line,
    }


def witnesses_of(texts: Sequence[str], quorum: int | None, as_json: bool) -> Sequence[WitnessKey]:
    """The keys of witnesses as they were given, each once. What is none ends the command."""
    from signing.cosignature import WitnessKey

    try:
        keys = tuple(dict.fromkeys(map(WitnessKey.parse, texts)))
    except ValueError as error:
        told = f"--witness-key is no verifier key of a witness: {error}"
        give_up(Exit.USAGE, told, "name+hash+base64, as `axis witness init` printed it", as_json=as_json)
    if quorum is not None and quorum > len(keys):
        told = f"--witness-quorum asks for {quorum} witnesses, and {len(keys)} keys are given"
        give_up(Exit.USAGE, told, "--witness-key once for each witness", as_json=as_json)
    return keys


def public_of(file: Path, as_json: bool) -> bytes:
    """The 32 octets of a public key of receipts."""
    from signing.keys import load_ed25519_public, raw_public

    try:
        return raw_public(load_ed25519_public(file.read_bytes()))
    except ValueError as error:
        told = f"{file} holds no public key of receipts: {error}"
        give_up(Exit.USAGE, told, "keys/receipt.pub of the node, in PEM", as_json=as_json)
