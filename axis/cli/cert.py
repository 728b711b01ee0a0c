"""`axis cert`: certificates (chứng thư số) and whom they speak for."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from axis.cli.given import CODE, Moment, Span
from axis.cli.output import (
    Answer,
    Exit,
    config_option,
    end_with_faults,
    give_up,
    json_option,
    need_config,
    say_json,
)

if TYPE_CHECKING:
    from axis.cli.certs.known import Named, Shelf
    from axis.cli.certs.plan import Paper, Plan
    from axis.config import Config
    from axis.config.bindings import BindingBook
    from axis.core.registry import Registry
    from schemas.codes import AgencyCode

OVERLAP = "14d"
"""How long the old certificate goes on speaking: two weeks of documents that were signed before and come late."""


_AT = click.option("--at", type=Moment(), help="Look as of this time instead of now.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cert() -> None:
    """Certificates (chứng thư số) and whom they speak for: a certificate does not say, so the operator keeps it.

    Each of these takes --json and ends with 0 yes, 1 no, 2 wrong usage, 3 could not tell.
    """


@cert.command(short_help="What a certificate is, and for whom it speaks.")
@click.argument("certificate", metavar="FILE|sha256:...")
@_AT
@config_option
@json_option
@click.pass_context
def inspect(context: click.Context, certificate: str, at: datetime | None, config_path: Path, as_json: bool) -> None:
    """Say what a certificate is, whether this node accepts its signatures, and for whom.

    Exit 0 when it is accepted and speaks for an agency, 1 when it is not or does not, 3 when it cannot be told: the
    revocation list is missing, no file holds the certificate, or there is no configuration to ask.
    """
    from axis.cli.certs.inspect import code_of, facts_of, show
    from axis.cli.certs.known import Shelf, shelf_of
    from axis.cli.certs.tell import plain
    from axis.trust import read_trust

    by_default = context.get_parameter_source("config_path") is ParameterSource.DEFAULT
    trust, registry, shelf = None, None, Shelf()
    if not by_default or config_path.exists():
        config = need_config(config_path, as_json, secrets=False)
        registry, book = _read(config, as_json)
        shelf = shelf_of(config, book)
        try:
            trust = read_trust(config.trust.anchors, config.trust.intermediates, config.trust.crls)
        except (OSError, ValueError) as error:
            give_up(Exit.UNSURE, f"trust: {error}", "axis doctor looks at all of them", as_json=as_json)
    named = _named(certificate, shelf, as_json)
    facts = facts_of(named, trust, registry, at or datetime.now(UTC))
    code = code_of(facts)
    if as_json:
        say_json(plain({"ok": code is Exit.YES, **facts}))
    else:
        show(facts)
    raise Answer(code)


@cert.command(short_help="Say for whom a certificate speaks, and when.")
@click.argument("certificate", metavar="FILE|sha256:...")
@click.option("--agency", "agencies", type=CODE, multiple=True, help="Whom it speaks for; may repeat.")
@click.option("--from", "begins", type=Moment(), help="From this day or time on; default now.")
@click.option("--to", "ends", type=Moment(), help="From then on no more; default open.")
@click.option("--note", default="", help="Why, for people: a letter, a ticket.")
@click.option("--replace", "old", metavar="OLD", help="Rollover: this one (FILE or sha256:...) ends after the overlap.")
@click.option("--overlap", type=Span(), default=OVERLAP, show_default=True, help="How long both speak, with --replace.")
@click.option("--end", "ending", is_flag=True, help="End what this certificate speaks for now, for --agency or all.")
@config_option
@json_option
def bind(
    certificate: str,
    agencies: tuple[AgencyCode, ...],
    begins: datetime | None,
    ends: datetime | None,
    note: str,
    old: str | None,
    overlap: timedelta,
    ending: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Say which agencies a certificate speaks for, and when: rows in the file of bindings, all or none of them.

    A running node reads the file again within half a minute. Exit 0 when it is written, 1 when it is refused (an
    unknown agency, bound already, nothing to end), 3 when the file could not be written.
    """
    from axis.cli.certs.book import NotEditable, changed, locked, replace_file
    from axis.cli.certs.plan import NotDone, Wish, plan_binding, plan_end, plan_rollover
    from axis.cli.certs.tell import tell_bound

    _need_sense(agencies, begins, ends, old, ending)
    _need_text(note, "--note")
    now = datetime.now(UTC).replace(microsecond=0)
    start = begins or now
    if ends is not None and ends <= start:
        raise click.UsageError("--to must lie after --from")
    config = need_config(config_path, as_json)
    path = config.registry.bindings
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.resolve()):
            registry, book, shelf = _read_for_writing(config, as_json)
            named = _one(_named(certificate, shelf, as_json), as_json)
            by = os.environ.get("SUDO_USER") or _login()
            new = _paper(named, path.resolve().parent)
            if ending:
                plan = plan_end(new, agencies, now, book, registry, by)
            else:
                dated = begins is not None or ends is not None
                wish = Wish(new, agencies, start, ends, dated, note, by)
                if old is None:
                    plan = plan_binding(wish, book, registry)
                else:
                    replaced = _one(_named(old, shelf, as_json), as_json)
                    if replaced.sha256 == named.sha256:
                        raise NotDone("a certificate cannot replace itself", "--replace names the old one")
                    former = _paper(replaced, path.resolve().parent)
                    plan = plan_rollover(wish, former, overlap, book, registry)
                    _keep(replaced, former, plan, path)
            _keep(named, new, plan, path)
            after = changed(book, plan.changes, registry)
            # From here on the rows count: a crash before leaves the old file, and at most an unused certificate beside.
            replace_file(path.resolve(), after.text.encode())
    except NotDone as refused:
        give_up(Exit.NO, str(refused), refused.hint, as_json=as_json)
    except NotEditable as refused:
        hint = "write its rows as [[binding]] tables, or edit it by hand; nothing was changed"
        give_up(Exit.NO, f"{path} cannot be changed by this command: {refused}", hint, as_json=as_json)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        give_up(Exit.UNSURE, f"{error.filename or path}: {reason}", "nothing was changed", as_json=as_json)
    fresh = registry.bound(after.bindings)
    tell_bound(plan, fresh, path, now, _accepted(named, config, now), as_json)


@cert.command(short_help="What will break, and when.")
@click.option("--within", type=Span(), default="90d", show_default=True, help="How far to look ahead.")
@_AT
@config_option
@json_option
def forecast(within: timedelta, at: datetime | None, config_path: Path, as_json: bool) -> None:
    """Say what will break and when: certificates, bindings, authorities, revocation lists, connections.

    Exit 0 when nothing breaks within that time, 1 when something does, 3 when something could not be read (and nothing
    that could breaks).
    """
    from axis.cli.certs.forecast import forecast as look_ahead
    from axis.cli.certs.gather import gather
    from axis.cli.certs.tell import event_facts, plain, show_forecast

    config = need_config(config_path, as_json, secrets=False)
    registry, book = _read(config, as_json)
    now = at or datetime.now(UTC)
    facts, unread = gather(config, config_path, registry, book, now)
    events = look_ahead(facts, now, now + within)
    code = Exit.NO if events else Exit.UNSURE if unread else Exit.YES
    if as_json:
        told = [event_facts(event, now) for event in events]
        answer = {"at": now, "until": now + within, "events": told, "unread": unread}
        say_json(plain({"ok": code is Exit.YES, **answer}))
    else:
        show_forecast(events, unread, registry, now, now + within)
    raise Answer(code)


# --- reading ------------------------------------------------------------------------------------------------


def _read(config: Config, as_json: bool) -> tuple[Registry, BindingBook]:
    from axis.config import ConfigError, load_registry
    from axis.config.bindings import open_book

    try:
        registry = load_registry(config.registry.files)
        book = open_book(config, registry)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    return registry.bound(book.bindings), book


def _read_for_writing(config: Config, as_json: bool) -> tuple[Registry, BindingBook, Shelf]:
    """As `_read`, but the file may not be there yet: this command makes it."""
    from axis.cli.certs.known import shelf_of
    from axis.config import ConfigError, load_registry
    from axis.config.bindings import open_book

    try:
        registry = load_registry(config.registry.files)
        book = open_book(config, registry, may_be_new=True)
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    return registry.bound(book.bindings), book, shelf_of(config, book)


def _named(text: str, shelf: Shelf, as_json: bool) -> Named:
    try:
        return shelf.named(text)
    except (OSError, ValueError) as error:
        hint = "a PEM or DER file, or sha256: and 64 hex digits"
        give_up(Exit.USAGE, f"no certificate: {error}", hint, as_json=as_json)


def _one(named: Named, as_json: bool) -> Named:
    if named.more:
        hint = "one file for one certificate, without its chain"
        give_up(Exit.USAGE, f"{named.where} holds {named.more + 1} certificates", hint, as_json=as_json)
    return named


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _need_sense(
    agencies: Sequence[AgencyCode], begins: datetime | None, ends: datetime | None, old: str | None, ending: bool
) -> None:
    if ending and (old is not None or begins is not None or ends is not None):
        raise click.UsageError("--end ends a binding now: it takes no --from, --to or --replace")
    if not ending and old is None and not agencies:
        raise click.UsageError("whom does it speak for? Name at least one --agency")


def _need_text(text: str, option: str) -> None:
    if len(text) > 300 or not text.isprintable():
        raise click.UsageError(f"{option} is at most 300 characters that can be printed")


# --- writing ------------------------------------------------------------------------------------------------


def _paper(named: Named, folder: Path) -> Paper:
    """The certificate as rows describe it, with the place where it will be kept."""
    from axis.cli.certs.book import FOLDER
    from axis.cli.certs.plan import Paper
    from axis.cli.certs.words import short
    from signing.certificate import load_leaf
    from signing.refusal import Refused

    if named.der is None:
        return Paper(named.sha256)
    try:
        leaf = load_leaf(named.der)
    except Refused as refused:
        raise click.UsageError(f"{named.where} holds no certificate that can be read: {refused.observed}") from refused
    subject = "".join(letter if letter.isprintable() else "?" for letter in short(leaf.signer.subject))[:300]
    return Paper(named.sha256, subject, f"{FOLDER}/{named.sha256}.pem", leaf.not_before)


def _keep(named: Named, paper: Paper, plan: Plan, path: Path) -> None:
    """Keep the certificate itself, where a row of the plan names it."""
    from axis.cli.certs.book import Add, keep_certificate

    if named.der is not None and any(isinstance(one, Add) and one.file == paper.file for one in plan.changes):
        keep_certificate(path.resolve().parent, named.sha256, named.der)


def _accepted(named: Named, config: Config, now: datetime) -> str:
    """Why this node would not accept its signatures now, empty where it would; bound it is all the same."""
    from axis.trust import read_trust
    from signing.chain import judge_certificate
    from signing.policy import OWN_NETWORK
    from signing.verdict import REASONS

    if named.der is None:
        return "no file holds this certificate: axis cert forecast cannot say when it expires"
    try:
        trust = read_trust(config.trust.anchors, config.trust.intermediates, config.trust.crls)
    except (OSError, ValueError) as error:
        return f"trust: {error}"
    judged = judge_certificate(named.der, trust, now, OWN_NETWORK)
    return "" if judged.sub_indication is None else f"it would not be accepted today: {REASONS[judged.reason].en}"
