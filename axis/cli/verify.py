"""`axis verify`: judge the signature of a package offline, from its octets and the trust that the reader brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from axis.cli import pdf
from axis.cli.endpoint import Instant
from axis.cli.output import Answer, Exit, end_with_faults, give_up, json_option, local, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.config import Config
    from axis.core.registry import Registry
    from schemas.codes import AgencyCode
    from schemas.envelope import Envelope, StatusMessage
    from signing.chain import Trust
    from signing.verdict import Verdict

_CERTIFICATES: Final = frozenset({".pem", ".crt", ".cer", ".der"})
_ANY = click.Path(path_type=Path, exists=True)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--trust", type=_ANY, multiple=True, help="Roots and issuing authorities: files, or folders of them.")
@click.option("--crl", type=_ANY, multiple=True, help="Revocation lists: files, or folders of them.")
@click.option("--at", type=Instant(), help="The time to judge for; default now.")
@click.option("-c", "--config", "config_path", type=_FILE, help="Take trust, lists and registry of this node.")
@click.option("--registry", type=_FILE, multiple=True, help="Agencies: does the certificate speak for the sender?")
@click.option("--legacy", is_flag=True, help="Tell signatures of old systems that no profile can judge as such.")
@json_option
def verify(
    file: Path,
    trust: tuple[Path, ...],
    crl: tuple[Path, ...],
    at: datetime | None,
    config_path: Path | None,
    registry: tuple[Path, ...],
    legacy: bool,
    as_json: bool,
) -> None:
    """Say whether the signature of the package or PDF in FILE is valid, whose it is, what it covers. Works offline.

    The PDFs attached to a package are judged and shown beside it; the package's own signature decides the exit code.

    Exit 0 valid, 1 invalid or no package, 2 wrong usage, 3 indeterminate: not signed, not trusted here, revocation
    unknown.
    """
    from axis.core.binding import hold_to_binding
    from schemas.errors import SchemaError
    from signing.policy import LEGACY, OWN_NETWORK

    anchors, lists = list(trust), list(crl)
    config = None
    if config_path is not None:
        config = need_config(config_path, as_json)
        anchors += [*config.trust.anchors, *config.trust.intermediates]
        lists += config.trust.crls
    if not anchors:
        raise click.UsageError("name --trust, or the configuration of a node with -c: a signature is worth its root")
    when = at or datetime.now(UTC)
    try:
        believed = read_trust_of(anchors, lists)
        octets = file.read_bytes()
        if octets.startswith(pdf.MAGIC):
            pdf.verify_pdf(octets, file, believed, when, as_json)
        verdict, message = judge(octets, believed, LEGACY if legacy else OWN_NETWORK, when)
        attached = list(pdf.attached(octets, believed, when))
    except SchemaError as error:
        give_up(
            Exit.NO,
            f"đây không phải gói tin edXML đọc được (not a readable edXML package): {error}",
            as_json=as_json,
            violations=[str(one) for one in error.violations],
        )
    except (OSError, ValueError) as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    known = _registry(config, registry, as_json)
    bound: bool | None = None
    if known is not None and verdict.signer is not None:
        verdict = hold_to_binding(verdict, code_of(message), known.bindings)
        bound = bool(verdict.signer and verdict.signer.speaks_for)
    if as_json:
        found = pdf.facts(attached)
        told = {"file": str(file), "bound": bound, "verdict": verdict.to_dict(), "attachments": found}
        say_json({"ok": verdict.passed, **told})
    else:
        _show(file, verdict, message, bound, believed.problems)
        for name, judged in attached:
            pdf.show(judged, name)
    raise Answer(_code(verdict))


def _code(verdict: Verdict) -> Exit:
    from signing.verdict import Indication

    codes = {Indication.TOTAL_PASSED: Exit.YES, Indication.TOTAL_FAILED: Exit.NO, Indication.INDETERMINATE: Exit.UNSURE}
    return codes[verdict.indication]


def read_trust_of(certificates: Sequence[Path], lists: Sequence[Path]) -> Trust:
    """Trust from files and folders. A certificate that signed itself is a root, any other one an intermediate."""
    from axis.trust import certificates as read
    from axis.trust import read_trust
    from signing.chain import Trust

    ders = [der for path in certificates for file in _files(path) for der in read(file)]
    found = read_trust([], [], lists)
    roots = [der for der in ders if not Trust((der,), (), ()).problems]
    return Trust(tuple(roots), tuple(der for der in ders if der not in roots), found.crls)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix.lower() in _CERTIFICATES)
    else:
        yield path


def judge(raw: bytes, trust: Trust, policy: Any, at: datetime) -> tuple[Verdict, Envelope | StatusMessage]:
    """The verdict on one package or status message, and what it says. `SchemaError` for octets that are neither.

    Where the signature is good, what it says is read again from the octets that were signed; otherwise it is a claim.
    """
    from schemas import attachment, edxml
    from schemas.envelope import Envelope
    from schemas.limits import XmlLimits
    from schemas.xml import parse_xml
    from signing.verify import InMemory, MustCover
    from signing.verify import verify as judge_signature

    parsed = parse_xml(raw, XmlLimits(max_bytes=max(len(raw), XmlLimits().max_bytes)))
    message = edxml.read_message(parsed.root).message
    held: dict[str, Any] = {}
    if isinstance(message, Envelope):
        pairs = attachment.matched(message, attachment.encoded_attachments(parsed))
        held = {info.content_id: InMemory(attachment.decode(item)) for info, item in pairs}
    parts = edxml.signed_parts(parsed.root)
    named = {"MessageHeader": parts.header, "Bussiness": parts.business, "edXMLManifest": parts.manifest}
    elements = {name: element for name, element in named.items() if element is not None}
    place = edxml.signature_place(parsed.root)
    must_cover = MustCover(elements, held, place=place, inline=frozenset(held))
    signatures = edxml.signatures(parsed.root)
    judgement = judge_signature(parsed.root, signatures, must_cover, policy, trust, at, parsed.cuts)
    verified = judgement.verified
    if verified is None:
        return judgement.verdict, message
    if verified.whole is not None:
        return judgement.verdict, edxml.read_message(parse_xml(verified.whole, XmlLimits()).root).message
    part = {name: parse_xml(octets, XmlLimits()).root for name, octets in verified.parts.items()}
    signed = edxml.assemble(part["MessageHeader"], part.get("Bussiness"), part.get("edXMLManifest"))
    return judgement.verdict, edxml.read_message(signed).message


def _registry(config: Config | None, files: Sequence[Path], as_json: bool) -> Registry | None:
    """Whom certificates speak for: by the node's registry and bindings, or by the files that were named."""
    from axis.config import ConfigError, load_registry
    from axis.config.bindings import registry_of

    try:
        if config is not None:
            return registry_of(config)
        return load_registry(files) if files else None
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)


def code_of(message: Envelope | StatusMessage) -> AgencyCode:
    """Who speaks in the message."""
    from schemas.envelope import Envelope

    return (message.sender if isinstance(message, Envelope) else message.reporter).code


_STYLE: Final = {Exit.YES: "green", Exit.NO: "red", Exit.UNSURE: "yellow"}


def _show(
    file: Path, verdict: Verdict, message: Envelope | StatusMessage, bound: bool | None, problems: Iterable[str]
) -> None:
    from signing.verdict import REASONS, CheckStatus

    sentence = REASONS[verdict.reason]
    kind = verdict.indication.value + (f" / {verdict.sub_indication.value}" if verdict.sub_indication else "")
    say(f"{sentence.vi} ({sentence.en})", _STYLE[_code(verdict)])
    say(f"  kết luận (verdict)       {kind}")
    say(f"  tệp (file)               {file}")
    says = "nơi gửi (sender)  " if verdict.passed else "tự khai là (claims)"
    say(f"  {says:<24} {code_of(message)}")
    if verdict.signer is not None:
        signer = verdict.signer
        say(f"  người ký (signer)        {signer.subject}")
        say(f"  cơ quan cấp (issuer)     {signer.issuer}")
        say(f"  hiệu lực (validity)      {local(signer.not_before)} - {local(signer.not_after)}")
        say(f"  chứng thư (certificate)  sha256:{signer.certificate}")
    if bound is None and verdict.signer is not None:
        say("  ký thay ai (binding)     không kiểm tra (not checked: --registry)")
    if verdict.claimed_at is not None:
        say(f"  tự khai giờ ký (claimed) {local(verdict.claimed_at)}")
    if verdict.best_signature_time is not None:
        say(f"  có trước lúc (proved by) {local(verdict.best_signature_time)}, theo dấu thời gian (time stamp)")
    say(f"  xét tại (judged at)      {local(verdict.at)}, chính sách (policy) {verdict.policy}")
    for item in verdict.covered:
        say(f"  bao phủ (covers)         {item.target}, {size(item.octets)}, {item.digest}")
    for name in verdict.not_covered:
        say(f"  KHÔNG bao phủ (not covered) {name}", "red")
    for check in verdict.checks:
        if check.status is not CheckStatus.OK:
            wanted = f"; cần (required): {check.required}" if check.required else ""
            say(f"  không đạt (check)        {check.id}: {check.observed}{wanted}", "red")
    for evidence in verdict.evidence:
        until = f", đến {local(evidence.next_update)}" if evidence.next_update else ""
        say(f"  căn cứ (evidence)        {evidence.kind} {evidence.sha256[:16]}{until}")
    for quirk in verdict.quirks:
        say(f"  lưu ý (quirk)            {quirk}", "yellow")
    for problem in problems:
        say(f"  không dùng được (unusable trust) {problem}", "yellow")
