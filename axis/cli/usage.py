"""Wrong usage and help, in both languages: below what click says in English stands the same in Vietnamese."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import IO, Any, Final

import click
from click.utils import echo

from axis.cli.vietnamese import in_vietnamese

HEADINGS: Final = {
    "Usage": "Cách dùng",
    "Options": "Tùy chọn",
    "Commands": "Lệnh",
    "Positional arguments": "Đối số",
    "Try it": "Dùng thử",
    "Run a node": "Vận hành một trục",
    "Be an endpoint": "Làm điểm kết nối",
    "Audit": "Kiểm toán",
}
_PARAMETERS: Final = {"argument": "đối số", "option": "tùy chọn"}
_RANGE: Final = "số từ {} đến {}"


class InBoth(click.HelpFormatter):
    """Headings in both languages."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or f"{heading('Usage')}: ")

    def write_heading(self, heading_: str) -> None:
        super().write_heading(heading(heading_))


class Context(click.Context):
    formatter_class = InBoth


def heading(english: str) -> str:
    vietnamese = HEADINGS.get(english)
    return f"{vietnamese} ({english})" if vietnamese else english


def in_both(command: click.Command) -> click.Command:
    """The command, whose help and whose commands' help have their headings in both languages."""
    command.context_class = Context
    for one in getattr(command, "commands", {}).values():
        in_both(one)
    return command


class Misused(click.UsageError):
    """Wrong usage that is told in both languages."""

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.message, error.ctx)
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        self.error.show(file)
        told = "; ".join(filter(None, (said(self.error), _look_at(self.ctx))))
        if told:
            echo(f"  gợi ý: {told}", file=file, err=file is None)


@contextmanager
def told_in_both() -> Iterator[None]:
    """What is used wrongly in here is told in both languages."""
    try:
        yield
    except (Misused, click.exceptions.NoArgsIsHelpError):
        raise
    except click.UsageError as error:
        raise Misused(error) from error


def said(error: click.UsageError) -> str:
    """In Vietnamese what was used wrongly; empty for words that nobody has translated."""
    match error:
        case click.NoSuchOption(option_name=name, possibilities=near):
            return _near(f"không có tùy chọn {name}", near or ())
        case click.NoSuchCommand(command_name=name, ctx=click.Context(command=click.Group() as group) as ctx):
            there = group.list_commands(ctx)
            near = close(name, there) or _of_root(name, ctx)
            return _near(f"không có lệnh {name}", near) + ("" if near else f"; các lệnh: {', '.join(there)}")
        case click.MissingParameter(param=click.Parameter() as param):
            lacks = f"thiếu {_PARAMETERS[param.param_type_name]} {param.get_error_hint(error.ctx)}"
            return "; ".join(filter(None, (lacks, _wanted(param.type) if isinstance(param.type, click.Choice) else "")))
        case click.BadParameter(param=click.Parameter() as param):
            why = in_vietnamese(error.message) or _wanted(param.type)
            return f"giá trị của {param.get_error_hint(error.ctx)} không dùng được" + (f": {why}" if why else "")
    return in_vietnamese(error.message)


def close(name: str, there: Sequence[str]) -> list[str]:
    """Those that somebody may have meant."""
    return get_close_matches(name, there, n=3, cutoff=0.5)


def _of_root(name: str, ctx: click.Context) -> list[str]:
    """A command that is looked for in a group, and stands by itself: `axis evidence verify`."""
    root = ctx.find_root()
    known = isinstance(root.command, click.Group) and ctx is not root and name in root.command.list_commands(root)
    return [f"{root.command_path} {name}"] if known else []


def _near(lacks: str, near: Sequence[str]) -> str:
    return f"{lacks}; có phải {' hay '.join(near)}?" if near else lacks


def _wanted(kind: click.ParamType[Any]) -> str:
    """What a value of this type is."""
    match kind:
        case click.Choice(choices=choices):
            return f"một trong {', '.join(map(str, choices))}"
        case click.IntRange(min=least, max=most) | click.FloatRange(min=least, max=most):
            return _RANGE.format(least, most) if most is not None else f"số từ {least} trở lên"
        case click.Path(file_okay=False):
            return "cần một thư mục có sẵn, đọc được" if kind.exists else "cần tên một thư mục"
        case click.Path():
            return "cần một tệp có sẵn, đọc được" if kind.exists else "cần tên một tệp"
    return ""


def _look_at(ctx: click.Context | None) -> str:
    return "" if ctx is None else f"xem {ctx.command_path} --help"
