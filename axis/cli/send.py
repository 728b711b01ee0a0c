"""`axis send`: send a document, ready-made or made here from options."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli.client import AxisClient, Sent
from axis.cli.connection import Connection, connection_options
from axis.cli.given import CODE
from axis.cli.output import Exit, give_up, json_option, local, say, say_json
from axis.cli.parts import digest_of, head_of, write_parts
from axis.cli.stamp import Authority, NotStamped, facts_of, is_typed, show_stamp, tsa_options
from axis.core.times import VIETNAM, parse_rfc3339
from schemas.codes import AgencyCode

if TYPE_CHECKING:
    from schemas.envelope import Envelope
    from schemas.structure import Element
    from signing.sign import Signer
    from signing.timestamp import TimestampVerdict

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new document is made of."""

    sender: AgencyCode
    recipients: tuple[AgencyCode, ...]
    number: str
    notation: str
    subject: str
    issued_on: date
    attachments: tuple[Path, ...] = ()
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class InToken:
    """A signing key in a PKCS#11 token."""

    module: Path
    token: str
    key: str
    pin_file: Path


@click.command()
@click.argument("files", nargs=-1, type=_FILE, metavar="[FILE]...")
@click.option("--from", "sender", type=CODE, envvar="AXIS_FROM", help="Nơi gửi: our code. AXIS_FROM")
@click.option("--to", "recipients", type=CODE, multiple=True, help="Nơi nhận: a recipient's code; may repeat.")
@click.option("--number", help="Số: 12 of 12/UBND-VP.")
@click.option("--notation", help="Ký hiệu: UBND-VP of 12/UBND-VP.")
@click.option("--subject", help="Trích yếu.")
@click.option("--issued-on", type=click.DateTime(["%Y-%m-%d"]), help="Ngày ban hành; default today.")
@click.option("--document-id", help="Mã định danh văn bản; default sender,date,number/notation.")
@click.option("--attach", "attachments", type=_FILE, multiple=True, help="Tệp đính kèm; may repeat.")
@click.option("--parts", "as_parts", is_flag=True, help="Send attachments as they are, beside the envelope.")
@click.option("--sign-cert", type=_FILE, envvar="AXIS_SIGN_CERT", help="Sign with this certificate, AXIS_SIGN_CERT")
@click.option("--sign-key", type=_FILE, envvar="AXIS_SIGN_KEY", help="and this key. AXIS_SIGN_KEY")
@click.option("--hsm-module", type=_FILE, envvar="AXIS_HSM_MODULE", help="Sign with a token: its PKCS#11 library,")
@click.option("--hsm-token", envvar="AXIS_HSM_TOKEN", metavar="LABEL", help="its label,")
@click.option("--hsm-key", envvar="AXIS_HSM_KEY", metavar="LABEL", help="the label of the key in it,")
@click.option("--pin-file", type=_FILE, envvar="AXIS_PIN_FILE", help="and a file with its PIN (mode 0600).")
@tsa_options
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Keep the receipt in this file.")
@connection_options
@json_option
def send(
    connection: Connection,
    files: tuple[Path, ...],
    sender: AgencyCode | None,
    recipients: tuple[AgencyCode, ...],
    number: str | None,
    notation: str | None,
    subject: str | None,
    issued_on: datetime | None,
    document_id: str | None,
    attachments: tuple[Path, ...],
    as_parts: bool,
    sign_cert: Path | None,
    sign_key: Path | None,
    hsm_module: Path | None,
    hsm_token: str | None,
    hsm_key: str | None,
    pin_file: Path | None,
    authority: Authority | None,
    receipt: Path | None,
    as_json: bool,
) -> None:
    """Send packages that lie ready in FILEs, or one document made from --from, --to, --number and so on.

    A FILE is edXML, or a package in parts as `axis fetch` saves it. With --parts attachments are not encoded, and may
    be larger than what fits into XML: the document is the same in both forms.

    Exit 0 when the axis took all, 1 when it refuses one, 3 when nobody knows.

    Prints the receipt (biên nhận). Sending the same FILE again gives the same receipt: after exit 3, where nobody knows
    what became of the request, the package that was made here is kept in a file to be sent again. Delete the file once
    it has its receipt: this command never deletes it.

    With --tsa the signature gets a time stamp (XAdES-B-T). Where none can be had nothing is sent: exit 3 if the
    authority does not answer in time or cannot stamp now, 1 if it refuses or its token proves nothing.
    """
    made = any((recipients, number, notation, subject, attachments))
    if bool(files) == made:
        raise click.UsageError("name FILEs, or make a document with --from, --to, --number, --notation, --subject")
    if receipt is not None and (receipt.exists() or len(files) > 1):
        raise click.UsageError("--receipt names a new file, for one package")
    if files and as_parts:
        raise click.UsageError("--parts is for a document that is made here; FILEs are sent as they are")
    if files and is_typed("tsa"):
        raise click.UsageError("--tsa stamps what is signed here; FILEs are sent as they are")
    packages: list[bytes | Path] = list(files)
    stamp: TimestampVerdict | NotStamped | None = None
    if made:
        given = (sender, recipients, number, notation, subject)
        if not (sender and recipients and number and notation and subject):
            named = zip(("--from", "--to", "--number", "--notation", "--subject"), given, strict=True)
            missing = ", ".join(name for name, value in named if not value)
            raise click.UsageError(f"a document needs {missing}, too (còn thiếu)")
        today = datetime.now(VIETNAM).date()
        day = issued_on.date() if issued_on else today
        draft = Draft(sender, recipients, number, notation, subject, day, attachments, document_id)
        token = _token_key(hsm_module, hsm_token, hsm_key, pin_file)
        if token is None and (sign_cert is None) != (sign_key is None):
            raise click.UsageError("--sign-cert and --sign-key go together")
        key = token or sign_key
        if authority is not None and key is None:
            raise click.UsageError("--tsa stamps a signature: name --sign-cert and --sign-key, or a key in a token")
        try:
            package, stamp = _make(draft, sign_cert, key, authority, as_parts)
        except (OSError, ValueError) as error:
            hint = "nothing was sent: look at the files that --attach, --sign-cert and --sign-key name"
            give_up(Exit.USAGE, str(error), hint, as_json=as_json)
        except NotStamped as why:
            told = f"không có dấu thời gian, chưa gửi gì (no time stamp, nothing was sent): {why}"
            give_up(why.code, told, _INSTEAD[why.code], as_json=as_json, sent=False)
        packages = [package]

    sent: list[Mapping[str, Any]] = []

    async def ask(axis: AxisClient) -> None:
        for package in packages:
            one = await axis.send(package)
            sent.append(one.facts)
            if receipt is not None:
                with receipt.open("xb") as file:
                    file.write(one.octets)
            if not as_json:  # what was taken is told even if the next one is refused
                _show(one)

    connection.run(
        ask, as_json=as_json, when_unsure=lambda: _keep(packages, made=made), so_far=lambda: {"receipts": sent}
    )
    stamped = {} if stamp is None else {"time_stamp": facts_of(stamp)}
    if as_json:
        say_json([{**one, **stamped} for one in sent])
        return
    if stamp is not None:
        show_stamp(stamp)


_INSTEAD: Final = {
    Exit.UNSURE: "repeat it later, let it wait longer with --tsa-wait, or send without a time stamp: --tsa-optional",
    Exit.NO: "ask who runs the authority, look at --tsa-trust, or send without a time stamp: --tsa-optional",
}


def _make(
    draft: Draft, certificate: Path | None, key: Path | InToken | None, authority: Authority | None, as_parts: bool
) -> tuple[bytes | Path, TimestampVerdict | NotStamped | None]:
    """The package, and what became of its time stamp; `NotStamped` is raised where it may not go without."""
    make = make_parts if as_parts else make_package
    if authority is None:
        return make(draft, certificate, key, datetime.now(UTC), None), None
    trust, at = authority.read_trust(), datetime.now(UTC)
    outcome: TimestampVerdict | NotStamped | None = None

    def stamp(octets: bytes) -> bytes | None:
        nonlocal outcome
        try:
            token, outcome = authority.stamp(octets, trust, at)
            return token
        except NotStamped as missing:
            if not authority.optional:
                raise
            outcome = missing
            return None

    return make(draft, certificate, key, at, stamp), outcome


def _token_key(module: Path | None, token: str | None, key: str | None, pin_file: Path | None) -> InToken | None:
    """The key in a token that the options name; `None` where they name none."""
    if module and token and key and pin_file:
        return InToken(module, token, key, pin_file)
    if module or token or key or pin_file:
        raise click.UsageError("--hsm-module, --hsm-token, --hsm-key and --pin-file go together")
    return None


def _keep(packages: Sequence[bytes | Path], *, made: bool) -> str:
    """Made again, the package would be another one, signed at another time: it is kept as it was sent."""
    if not made:
        return "sending the same files again is safe"
    (package,) = packages
    if isinstance(package, Path):
        kept = Path(f"{digest_of(package).hex()[:16]}.parts")
        shutil.copyfile(package, kept)
    else:
        kept = Path(f"{hashlib.sha256(package).hexdigest()[:16]}.edxml")
        kept.write_bytes(package)
    return f"the package is kept; once the axis answers: axis send {kept}; when that has its receipt, delete the file"


def make_package(
    draft: Draft,
    certificate: Path | None,
    key: Path | InToken | None,
    at: datetime,
    stamp: Callable[[bytes], bytes | None] | None = None,
) -> bytes:
    """Write one new document as edXML, signed where a key is given. `ValueError`, `OSError` for what cannot be used.

    `stamp` gives a time-stamp token over what it is handed, or `None` to go without.
    """
    from schemas.errors import SchemaError
    from schemas.write import serialise, write_document

    contents = [path.read_bytes() for path in draft.attachments]
    envelope = _envelope(draft)
    try:
        root = write_document(envelope, contents)
    except SchemaError as error:
        raise ValueError(str(error)) from None
    digests = [hashlib.sha256(octets).digest() for octets in contents]
    _sign(root, envelope, digests, certificate, key, at, stamp)
    return serialise(root)


def make_parts(
    draft: Draft,
    certificate: Path | None,
    key: Path | InToken | None,
    at: datetime,
    stamp: Callable[[bytes], bytes | None] | None,
) -> Path:
    """The same in parts, in a file that goes when this program ends. No attachment is ever whole in memory."""
    from schemas.content_type import content_type_of
    from schemas.digest import envelope_octets, package_digest
    from schemas.errors import SchemaError
    from schemas.write import serialise, write_envelope

    plain = _envelope(draft)
    paired = list(zip(plain.attachments, draft.attachments, strict=True))
    infos = [replace(info, content_type=content_type_of(head_of(path), info.name)) for info, path in paired]
    envelope = replace(plain, attachments=tuple(infos))
    digests = [digest_of(path) for path in draft.attachments]
    try:
        root = write_envelope(envelope)
    except SchemaError as error:
        raise ValueError(str(error)) from None
    _sign(root, envelope, digests, certificate, key, at, stamp)
    named = [(info.content_id, info.name, sha256) for info, sha256 in zip(infos, digests, strict=True)]
    attached = list(zip(infos, draft.attachments, digests, strict=True))
    folder = tempfile.mkdtemp(prefix="axis-send.")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "package.parts"
    with target.open("wb") as file:
        write_parts(file, serialise(root), attached, package_digest(envelope_octets(root), named))
    return target


def _envelope(draft: Draft) -> Envelope:
    from schemas.envelope import AttachmentInfo, Business, DocumentNumber, Envelope, Organization

    return Envelope(
        sender=Organization(draft.sender),
        recipients=tuple(map(Organization, draft.recipients)),
        number=DocumentNumber(draft.number, draft.notation),
        subject=draft.subject,
        document_id=draft.document_id or _customary_id(draft),
        issued_on=draft.issued_on,
        business=Business(),
        attachments=tuple(
            AttachmentInfo(f"tep-{place}", path.name) for place, path in enumerate(draft.attachments, start=1)
        ),
    )


def _sign(
    root: Element,
    envelope: Envelope,
    digests: Sequence[bytes],
    certificate: Path | None,
    key: Path | InToken | None,
    at: datetime,
    stamp: Callable[[bytes], bytes | None] | None,
) -> None:
    """Sign the parts and the attachments, by their SHA-256, where a key is given."""
    from schemas.structure import signature_place, signed_parts
    from signing.sign import sign_parts
    from signing.xades_t import add_signature_timestamp, timestamp_octets

    if key is None:
        return
    parts = signed_parts(root)
    elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
    covered = [(info.content_id, sha256) for info, sha256 in zip(envelope.attachments, digests, strict=True)]
    with _signer(certificate, key) as signer:
        signature = sign_parts(signature_place(root), elements, covered, signer, at)
    token = stamp(timestamp_octets(signature)) if stamp else None
    if token is not None:
        add_signature_timestamp(signature, token)


@contextmanager
def _signer(certificate: Path | None, key: Path | InToken) -> Iterator[Signer]:
    """The signer of a key file, or of a key in a token, whose certificate may be there too. `ValueError`, `OSError`."""
    from signing.sign import load_signer

    if isinstance(key, Path):
        assert certificate is not None, "the options go together"
        yield load_signer(key.read_bytes(), certificate.read_bytes())
        return
    from axis.hsm.process import TokenProcess, TokenSettings
    from axis.hsm.signer import HsmSigner
    from axis.hsm.wire import TokenError
    from axis.trust import certificates

    der = next(iter(certificates(certificate))) if certificate is not None else None
    try:
        with TokenProcess(TokenSettings(key.module, key.token, key.pin_file)) as process:
            yield HsmSigner.of(process, key.key, der)
    except TokenError as error:
        raise ValueError(f"{error.told}: {error.remedy}" if error.remedy else error.told) from None


def _customary_id(draft: Draft) -> str:
    """The id that systems form when nobody chooses one (official edXML samples)."""
    return f"{draft.sender},{draft.issued_on:%Y/%m/%d},{draft.number}/{draft.notation}"


def _show(sent: Sent) -> None:
    facts = sent.facts
    if "accepted_at" not in facts:
        say(f"đã nhận trạng thái (status taken): {facts.get('status')} {facts.get('standing')}", "green")
        return
    held = facts.get("state") == "held"
    told = "đang giữ lại chờ kiểm tra thu hồi (held)" if held else "trục đã nhận (accepted)"
    say(f"{told}  {facts['document']}", "yellow" if held else "green")
    for name, key in (
        ("mã văn bản (document id)", "document_id"),
        ("chữ ký (verdict)", "verdict"),
        ("băm gói tin (package)", "package_sha256"),
        ("trục (node)", "node"),
    ):
        say(f"  {name:<26} {facts.get(key)}")
    say(f"  {'lúc (at)':<26} {local(parse_rfc3339(facts['accepted_at']))}")
    say(f"  {'vào nhật ký trước (log by)':<26} {local(parse_rfc3339(facts['merge_by']))}")
