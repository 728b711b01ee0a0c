"""The command `axis`. Each subcommand lives in its own file and is imported only when it is called.

That keeps `axis --help` below 0.3 s: importing everything at once takes two to three seconds (measured).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import click

from axis.cli.usage import Context, close, in_both, told_in_both

SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = MappingProxyType(
    {
        "Try it": {
            "demo": ("axis.cli.demo:demo", "The whole four-level network on this machine, ended by a table."),
            "init": ("axis.cli.init:init", "A directory with axis.toml, a development PKI and a database."),
            "national": ("axis.cli.national:national", "The simulated national axis (Trục quốc gia mô phỏng)."),
        },
        "Run a node": {
            "check": ("axis.cli.check:check", "Is this configuration right? Line, column, reason, remedy."),
            "serve": ("axis.cli.serve:serve", "Run the daemon."),
            "reload": ("axis.cli.reload:reload", "Apply a changed configuration to the running daemon."),
            "explain": ("axis.cli.explain:explain", "Where would a document go, and why?"),
            "why": ("axis.cli.why:why", "What became of a document, and why? What does it wait for?"),
            "cert": ("axis.cli.cert:cert", "Certificates, whom they speak for, and what will break when."),
            "doctor": ("axis.cli.doctor:doctor", "Look at clock, disk, keys, certificates, store and log."),
            "queue": (
                "axis.cli.queue:queue",
                "What waits, failed, was handed over: list, shape, retry, hold, release, give-up, handed-over.",
            ),
            "fsck": ("axis.cli.fsck:fsck", "Is everything there, whole, and the same in store and log?"),
            "backup": ("axis.cli.backup:backup", "Store, packages and log of one moment, while the node runs."),
            "restore": ("axis.cli.backup:restore", "Put a backup into place, and go on where that forks nothing."),
            "migrate": ("axis.cli.migrate:migrate", "Bring the database to the version of this program."),
            "store": ("axis.cli.store:store", "Move the database to another one; collect what nothing names."),
        },
        "Be an endpoint": {
            "send": ("axis.cli.send:send", "Send a document (gửi văn bản)."),
            "receipt": (
                "axis.cli.receipt:receipt",
                "The receipt of a document that we sent, and its proof (biên nhận).",
            ),
            "inbox": ("axis.cli.endpoint:inbox", "What is waiting for us (văn bản đến)."),
            "fetch": ("axis.cli.endpoint:fetch", "Fetch one delivery's package."),
            "ack": ("axis.cli.endpoint:ack", "Confirm that deliveries were taken over."),
            "status": ("axis.cli.endpoint:status", "Report a status (trạng thái xử lý) of a document."),
        },
        "Audit": {
            "verify": (
                "axis.cli.verify:verify",
                "Judge signatures of packages and PDFs, offline (kiểm tra chữ ký).",
            ),
            "evidence": (
                "axis.cli.evidence:evidence",
                "One document with all that its verdict rests on (gói chứng cứ).",
            ),
            "log": ("axis.cli.log:log", "Verify and read the signature log (nhật ký ký số)."),
            "witness": ("axis.cli.witness:witness", "Run a witness of other people's logs (bên chứng kiến)."),
        },
    }
)
"""All commands, in the order of the help: where each lives, and its line of help, so that help imports nothing."""

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {name: row for section in SECTIONS.values() for name, row in section.items()}
)

EPILOG: Final = (
    "Exit codes: 0 yes, 1 no, 2 wrong usage, 3 could not tell. --json makes any answer readable by programs. "
    "Mã kết thúc: 0 có, 1 không, 2 gọi sai, 3 chưa rõ."
)


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and knows its help without importing it."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: Any = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return in_both(command)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with told_in_both():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with told_in_both():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = close(name, list(COMMANDS))
            meant = f" Did you mean {' or '.join(near)}?" if near else f" The commands are {', '.join(COMMANDS)}."
            raise click.NoSuchCommand(name, f"No such command {name!r}.{meant}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, (_where, line) in section.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="truc-lien-thong", prog_name="axis")
def main() -> None:
    """Trục liên thông văn bản: carries signed edXML documents between agencies, and can prove it."""
