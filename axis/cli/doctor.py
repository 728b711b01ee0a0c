"""`axis doctor`: look at everything around a node that a configuration cannot say."""

from __future__ import annotations

import ctypes
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from axis.cli.doctor_log import look_at_log, look_at_witnesses
from axis.cli.looked import IN_VIETNAMESE, Line, State
from axis.cli.output import Answer, Exit, config_option, json_option, local, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.config import Config

OURS: Final = "truc-lien-thong"
PACKAGES: Final = ("axis", "signing", "schemas", "adapters")

_GB: Final = 1024**3
_EXPIRY_WARNING: Final = timedelta(days=30)
_CRL_WARNING: Final = timedelta(hours=24)
_CLOCK_SLACK_S: Final = 120.0
_WIDTH: Final = max(len(f"{vi} ({en})") for en, vi in IN_VIETNAMESE.items())
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


@click.command()
@config_option
@json_option
def doctor(config_path: Path, as_json: bool) -> None:
    """Look at clock, disk, open files, file modes, certificates, revocation lists, installed packages, store and log.

    Changes nothing and needs no running daemon. Exit 0 when nothing failed (warnings do not count), 1 otherwise.
    """
    config = need_config(config_path, as_json)
    now = datetime.now(UTC)
    lines = [
        *look_at_clock(config, now),
        *look_at_disk(config),
        *look_at_files(config),
        *look_at_modes(config),
        *look_at_certificates(config, now),
        *look_at_lists(config, now),
        *look_at_bindings(config, config_path, now),
        *look_at_running(config),
        *look_at_token(config),
        *look_at_packages(),
        *look_at_store(config),
        *look_at_bucket(config),
        *look_at_log(config, now),
        *look_at_witnesses(config),
    ]
    ok = all(line.state is not State.FAIL for line in lines)
    if as_json:
        told = [asdict(line) | {"what_vi": IN_VIETNAMESE[line.what], "remedy_vi": line.both[1]} for line in lines]
        say_json({"ok": ok, "lines": told})
    else:
        _show(lines)
    raise Answer(Exit.YES if ok else Exit.NO)


def _show(lines: list[Line]) -> None:
    style = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red"}
    for line in lines:
        say(f"{line.state.value:<5} {line.label:<{_WIDTH}} {line.told}", style[line.state])
        if line.remedy and line.state is not State.OK:
            for remedy in dict.fromkeys(filter(None, line.both)):
                say(f"      {'':<{_WIDTH}} -> {remedy}")
    failed = sum(line.state is State.FAIL for line in lines)
    warned = sum(line.state is State.WARN for line in lines)
    say(f"{len(lines)} mục (checks), {failed} lỗi (failed), {warned} cảnh báo (warnings)")


def look_at_clock(config: Config, now: datetime) -> Iterator[Line]:
    """A clock that went back puts statuses before what they follow; a wrong one judges certificates wrongly."""
    written = [path for path in (config.node.data / "axis.db", config.node.log / "checkpoint") if path.exists()]
    newest = max((path.stat().st_mtime for path in written), default=0.0)
    if newest > now.timestamp() + _CLOCK_SLACK_S:
        told = f"{local(now)}, but a file was written at {local(datetime.fromtimestamp(newest, UTC))}"
        yield Line("clock", State.FAIL, told, "set the clock before the daemon runs: timedatectl set-ntp true")
    elif _clock_is_kept():
        yield Line("clock", State.OK, f"{local(now)}, kept by NTP")
    else:
        yield Line("clock", State.WARN, f"{local(now)}, nobody keeps it", "run chrony or systemd-timesyncd")


def _clock_is_kept() -> bool:
    """Ask the kernel whether something disciplines the clock; where it cannot be asked, nobody is known to."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) != _TIME_ERROR)
    except (OSError, AttributeError):
        return False


def look_at_disk(config: Config) -> Iterator[Line]:
    for what, folder in (("disk: data", config.node.data), ("disk: checkpoints", config.keys.checkpoints)):
        place = folder
        while not place.exists():
            place = place.parent
        usage = shutil.disk_usage(place)
        told = f"{size(usage.free)} free of {size(usage.total)} at {place}"
        if usage.free < max(_GB, 4 * config.limits.max_bytes):
            yield Line(what, State.FAIL, told, "make room: without it nothing is taken in")
        elif usage.free < usage.total / 10:
            yield Line(what, State.WARN, told, "less than a tenth is left")
        else:
            yield Line(what, State.OK, told)


def look_at_files(config: Config) -> Iterator[Line]:
    """How many files may be open. A unit may allow more than this shell, so it is no more than a warning."""
    from axis.process import TooFewFiles, files_allowed, files_needed

    needed, allowed = files_needed(config), files_allowed()
    if allowed is not None and allowed < needed:
        few = TooFewFiles(needed, allowed, config.limits.connections)
        yield Line("open files", State.WARN, f"{few}: started from here the daemon would end at once", few.remedy)
    else:
        yield Line("open files", State.OK, f"{needed} needed, {allowed or 'any number'} allowed here")


def look_at_modes(config: Config) -> Iterator[Line]:
    """Keys are the configuration's own check; here what the daemon writes."""
    for path in (config.node.data, config.node.data / "axis.db", config.node.log, config.keys.checkpoints):
        if not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        if mode & 0o022:
            yield Line("mode", State.FAIL, f"{path} can be changed by others ({mode:04o})", f"chmod go-w {path}")
        elif mode & 0o004 and path.is_dir() and path == config.node.data:
            yield Line("mode", State.WARN, f"{path} can be read by everybody ({mode:04o})", f"chmod o-rwx {path}")
        else:
            yield Line("mode", State.OK, f"{path} ({mode:04o})")


def look_at_certificates(config: Config, now: datetime) -> Iterator[Line]:
    from axis.trust import end_of, named_certificates

    for path, key in named_certificates(config).items():
        try:
            ends = end_of(path, key)
        except (OSError, ValueError) as error:
            yield Line("certificate", State.FAIL, f"{key} {path.name}: {error}", "give a certificate as PEM or DER")
            continue
        told = f"{key} {path.name} until {local(ends)}"
        if ends <= now:
            yield Line("certificate", State.FAIL, told, "it has expired: renew it")
        elif ends <= now + _EXPIRY_WARNING:
            yield Line("certificate", State.WARN, told, f"it expires in {(ends - now).days} days: renew it")
        else:
            yield Line("certificate", State.OK, told)


def look_at_lists(config: Config, now: datetime) -> Iterator[Line]:
    """Each authority needs a list in force: without one, what it certified is held, neither good nor bad."""
    from axis.core.clock_hint import SLACK
    from axis.trust import read_trust
    from signing.certificate import load_leaf
    from signing.refusal import Refused
    from signing.store import Issuer

    remedy = "fetch the authority's newest list into trust.crls: until then its documents are held"
    try:
        trust = read_trust(config.trust.anchors, config.trust.intermediates, config.trust.crls)
    except (OSError, ValueError) as error:
        yield Line("revocation list", State.FAIL, str(error), "name files or folders of lists (PEM or DER)")
        return
    for der in dict.fromkeys((*trust.anchors, *trust.intermediates)):
        try:
            authority = load_leaf(der)
        except Refused:
            continue  # told under trust.problems
        name = authority.certificate.subject.rfc4514_string()
        lists = trust.store.lists_of(Issuer(der, authority.sha256, authority.certificate, der in trust.anchors))
        newest = max((crl.this_update for crl in lists), default=now)
        if newest > now + SLACK:
            told = f"{local(now)}, but {name} issued a list at {local(newest)}"
            yield Line("clock", State.FAIL, told, "set the clock before the daemon runs: timedatectl set-ntp true")
        ends = max((crl.next_update for crl in lists if crl.is_fresh(now) and crl.next_update), default=None)
        if ends is None:
            told = "none of its lists is in force" if lists else "there is no list of it"
            yield Line("revocation list", State.FAIL, f"{name}: {told}", remedy)
        elif ends <= now + _CRL_WARNING:
            yield Line("revocation list", State.WARN, f"{name} until {local(ends)}", remedy)
        else:
            yield Line("revocation list", State.OK, f"{name} until {local(ends)}")
    for problem in trust.problems:
        yield Line("trust", State.WARN, problem, "it takes no part in any verdict: remove or replace it")


def look_at_token(config: Config) -> Iterator[Line]:
    """Log in beside the daemon, and sign and verify once with every key that is in the token."""
    from axis.config.model import InToken

    keys = {name: getattr(config.keys, name) for name in ("receipts", "log", "log_former")}
    labels = {name: place.label for name, place in keys.items() if isinstance(place, InToken)}
    if not labels or config.hsm is None:
        return
    from axis.hsm.process import TokenProcess, TokenSettings
    from axis.hsm.signer import TokenEd25519, TokenKey
    from axis.hsm.wire import TokenError

    try:
        with TokenProcess(TokenSettings(config.hsm.module, config.hsm.token, config.hsm.pin_file)) as process:
            for name, label in labels.items():
                TokenEd25519.of(TokenKey.find(process, label))
                yield Line("token", State.OK, f"keys.{name} signs with {label!r} of {config.hsm.token!r}")
    except TokenError as error:
        yield Line("token", State.FAIL, error.told, error.remedy)


def look_at_bucket(config: Config) -> Iterator[Line]:
    """Ask the bucket of `store.blobs` for the first of its objects. Nothing is written."""
    from axis.config.objects import FILES
    from axis.objects.bucket import NotUsable
    from axis.shelf import bucket_of

    if config.store.blobs == FILES:
        return
    try:
        bucket = bucket_of(config)
        some = next(bucket.listed(), None)
    except (NotUsable, OSError) as error:
        remedy = "large packages are refused with 503 until it answers: look at [objects], the network, the server"
        yield Line("bucket", State.FAIL, str(error), remedy)
        return
    told = f"{bucket.name} at {bucket.settings.endpoint} answers{'' if some else ', and is empty'}"
    yield Line("bucket", State.OK, told)


def look_at_bindings(config: Config, path: Path, now: datetime) -> Iterator[Line]:
    """Whom certificates speak for, and which agencies can soon sign for themselves no more."""
    from axis.cli.certs.forecast import KINDS, SILENCES, forecast
    from axis.cli.certs.gather import gather
    from axis.config import ConfigError, load_registry
    from axis.config.bindings import open_book

    try:
        agencies = load_registry(config.registry.files)
        book = open_book(config, agencies)
    except ConfigError as error:
        for fault in error.faults:
            told = f"{fault.path}:{fault.line}:{fault.column}: {fault.key}: {fault.reason}"
            yield Line("bindings", State.FAIL, told, fault.hint or "repair it: the daemon does not start with it")
        return
    registry = agencies.bound(book.bindings)
    facts, _unread = gather(config, path, registry, book, now)
    events = [one for one in forecast(facts, now, now + _EXPIRY_WARNING) if one.kind in SILENCES]
    for event in events:
        row = KINDS[event.kind]
        when = "now" if event.at <= now else f"in {(event.at - now).days} days"
        told = f"{', '.join(event.agencies)}, {when}: {row.en}, and no other certificate follows"
        yield Line("bindings", State.WARN, told, row.remedy, row.remedy_vi)
    if not events:
        holding = [one for one in registry.bindings if one.holds(now)]
        certificates = len({one.certificate for one in holding})
        spoken_for = len({one.agency for one in holding})
        yield Line("bindings", State.OK, f"{certificates} certificates speak for {spoken_for} agencies")


def look_at_running(config: Config) -> Iterator[Line]:
    """A node goes by what its files said at its start, or at its last reload."""
    from axis.cli.daemon import configuration
    from axis.reload import digest_of, digests_of

    known = configuration(config)
    if known is None:
        return
    told = f"generation {known['generation']}, since {known['since']}"
    if known["config_sha256"] == digest_of(digests_of(config)):
        yield Line("configuration", State.OK, f"the daemon goes by these files: {told}")
    else:
        said = f"the daemon goes by other files than these: {told}"
        yield Line("configuration", State.WARN, said, "axis reload --dry-run says what would change")


def look_at_packages() -> Iterator[Line]:
    """Other projects on PyPI install packages of the same four names and overwrite ours (ADR 0012)."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    for name in PACKAGES:
        others = sorted(set(owners.get(name, ())) - {OURS})
        if others:
            told = f"{name} belongs to {', '.join(others)} too"
            yield Line("import names", State.FAIL, told, f"pip uninstall {' '.join(others)}, then install {OURS} again")
            return
    yield Line("import names", State.OK, f"{', '.join(PACKAGES)} are ours alone")


def look_at_store(config: Config) -> Iterator[Line]:
    from axis.cli import remedy
    from axis.sql.driver import StoreError
    from axis.sql.migrate import current, needed

    database = Path(config.store_url.removeprefix("sqlite:///"))
    try:
        if needed(config.store_url):
            told = f"schema {current(config.store_url) or 'none'}, another one is needed"
            lost = current(config.store_url) is None and remedy.remembers(config)
            yield Line("store", State.FAIL, told, remedy.LOST if lost else "stop the daemon, then: axis migrate")
            return
        if config.store.shared:
            yield from _look_at_postgres(config.store_url)
            return
    except StoreError as error:
        yield Line("store", State.FAIL, str(error), remedy.of_store(error, config))
        return
    yield Line("store", State.OK, f"{database}, schema {current(config.store_url)}, {size(database.stat().st_size)}")
    with database.open("rb") as file:
        header = file.read(20)
    # SQLite file format §1.3: both version numbers are 2 in WAL mode. A fresh store becomes so when it is first served.
    if header[18:20] == b"\x02\x02":
        yield Line("store journal", State.OK, "write-ahead log")
    elif (config.node.log / "checkpoint").exists():
        yield Line("store journal", State.FAIL, "not in WAL mode", "something else has opened the database: stop it")
    else:
        yield Line("store journal", State.OK, "not served yet")


def _look_at_postgres(url: str) -> Iterator[Line]:
    from axis.sql.address import place_of
    from axis.sql.postgres import look

    server = look(url)
    running = f", used by {', '.join(server.processes)}" if server.processes else ""
    yield Line("store", State.OK, f"{place_of(url)}, PostgreSQL {server.version}, {size(server.octets)}{running}")
    for concern in server.concerns:
        yield Line("store server", State.WARN, *concern.split("; ", 1))
    if server.checksums:
        yield Line("store checksums", State.OK, "a damaged page is noticed when it is read")
    else:
        told = "off: a damaged page may be read as if it were good"
        yield Line("store checksums", State.WARN, told, "stop the server, then: pg_checksums --enable")
