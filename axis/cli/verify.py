"""`axis verify`: judge the signature of a package offline, from its octets and the trust that the reader brings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from axis.cli import bundle, pdf
from axis.cli.given import Moment
from axis.cli.output import Answer, Exit, end_with_faults, give_up, json_option, local, need_config, say, say_json, size

if TYPE_CHECKING:
    from axis.config import Config
    from axis.core.registry import Registry
    from schemas.codes import AgencyCode
    from schemas.envelope import Envelope, StatusMessage
    from signing.chain import Trust
    from signing.policy import SignaturePolicy
    from signing.verdict import Verdict
    from signing.verify import Judgement

_ANY = click.Path(path_type=Path, exists=True)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--trust", type=_ANY, multiple=True, help="Roots and issuing authorities: files, or folders of them.")
@click.option("--crl", type=_ANY, multiple=True, help="Revocation lists: files, or folders of them.")
@click.option("--at", type=Moment(), help="The time to judge for; default now.")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=_FILE,
    help="Believe what this node believes, and its registry.",
)
@click.option("--registry", type=_FILE, multiple=True, help="Agencies: does the certificate speak for the sender?")
@click.option("--legacy", is_flag=True, help="Tell signatures of old systems that no profile can judge as such.")
@click.option("--log-key", type=_FILE, help="For an evidence bundle: the log's verifier key, got from elsewhere.")
@click.option("--receipt-key", type=_FILE, help="For an evidence bundle: the node's public key of receipts (PEM).")
@json_option
def verify(
    file: Path,
    trust: tuple[Path, ...],
    crl: tuple[Path, ...],
    at: datetime | None,
    config_path: Path | None,
    registry: tuple[Path, ...],
    legacy: bool,
    log_key: Path | None,
    receipt_key: Path | None,
    as_json: bool,
) -> None:
    """Say whether the signature of the package or PDF in FILE is valid, whose it is, what it covers. Works offline.

    A package is one XML document, or a body in parts as it was sent or fetched.

    An evidence bundle brings all that its verdict was based on: the verdict is taken again and compared. Which roots to
    believe stays the reader's decision; --trust names them. That the node judged so is proved by its log, with
    --log-key; without it the answer is 3 at best.

    The PDFs attached to a package, also those in a ZIP, are judged as a node does and shown beside it; the package's
    own signature decides the exit code.

    Exit 0 valid, 1 invalid or no package, 2 wrong usage, 3 indeterminate: not signed, not trusted here, revocation
    unknown.
    """
    from axis.flow.package import hold_to_bindings
    from axis.trust import trust_of
    from schemas.errors import SchemaError
    from signing.policy import LEGACY, OWN_NETWORK

    if bundle.is_bundle(file):
        if crl or at or config_path or registry or legacy:
            raise click.UsageError(
                "an evidence bundle brings its own: only --trust, --log-key, --receipt-key and --json go with it"
            )
        bundle.verify_bundle(file, trust, log_key, receipt_key, as_json)
    if log_key is not None or receipt_key is not None:
        raise click.UsageError("--log-key and --receipt-key are for evidence bundles")
    config = None if config_path is None else need_config(config_path, as_json, secrets=False)
    if config is None and not trust:
        raise click.UsageError("name --trust, or the configuration of a node with -c: a signature is worth its root")
    when = at or datetime.now(UTC)
    try:
        believed = read_trust_of(trust, crl)
        if config is not None:
            believed = believed.beside(trust_of(config))
        octets = file.read_bytes()
        if octets.startswith(pdf.MAGIC):
            pdf.verify_pdf(octets, file, believed, when, as_json)
        judgement, message, inside = judge(octets, believed, LEGACY if legacy else OWN_NETWORK, when)
        attached = pdf.attached(inside, believed, when)
    except SchemaError as error:
        give_up(
            Exit.NO,
            f"đây không phải gói tin edXML đọc được (not a readable edXML package): {error}",
            as_json=as_json,
            violations=[str(one) for one in error.violations],
        )
    except (OSError, ValueError) as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    verdict = judgement.verdict
    known = _registry(config, registry, as_json)
    bound: bool | None = None
    if known is not None and verdict.signer is not None:
        verdict = hold_to_bindings(judgement, code_of(message), known.bindings)
        bound = bool(verdict.signer and verdict.signer.speaks_for)
    if as_json:
        told = {"file": str(file), "bound": bound, "verdict": verdict.to_dict(), **pdf.facts(attached)}
        say_json({"ok": verdict.passed, **told})
    else:
        _show(file, verdict, message, bound, believed.problems)
        pdf.show_attached(attached)
    raise Answer(_code(verdict))


def _code(verdict: Verdict) -> Exit:
    from signing.verdict import Indication

    codes = {Indication.TOTAL_PASSED: Exit.YES, Indication.TOTAL_FAILED: Exit.NO, Indication.INDETERMINATE: Exit.UNSURE}
    return codes[verdict.indication]


def read_trust_of(certificates: Sequence[Path], lists: Sequence[Path]) -> Trust:
    """Trust from files and folders. A certificate that signed itself is a root, any other one an intermediate."""
    from axis.trust import certificate_files, read_trust
    from axis.trust import certificates as read
    from signing.chain import Trust

    ders = [der for path in certificates for file in certificate_files(path) for der in read(file)]
    found = read_trust([], [], lists)
    roots = [der for der in ders if not Trust((der,), (), ()).problems]
    return Trust(tuple(roots), tuple(der for der in ders if der not in roots), found.crls)


def judge(
    raw: bytes, trust: Trust, policy: SignaturePolicy, at: datetime
) -> tuple[Judgement, Envelope | StatusMessage, list[tuple[str, bytes]]]:
    """The judgement on one package or status message, what it says, and its attachments, each with its name.

    `raw` may be a body in parts, as it was saved. `SchemaError` for octets that are none of these. Where the signatures
    are good, what it says is read again from the octets that were signed; otherwise it is a claim.
    """
    from axis.flow.package import inspect_package, open_package, read_verified
    from axis.flow.place import octets_at
    from axis.flow.saved import read_saved
    from schemas.limits import XmlLimits
    from signing.verify import settle

    octets, parts = read_saved(raw)
    opened = open_package(octets, XmlLimits(max_bytes=max(len(octets), XmlLimits().max_bytes)), None, parts)
    pairs = zip(opened.records, opened.attached, strict=True)
    attached = [(record.name, octets_at(place)) for record, place in pairs]
    judgement = settle(inspect_package(opened, policy, at), trust)
    if judgement.verified is None:
        return judgement, opened.reading.message, attached
    return judgement, read_verified(judgement.verified, XmlLimits()).message, attached


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

_NEXT: Final = {
    "cert-untrusted": "--trust: gốc và mọi cơ quan cấp ở giữa (the root and every issuing authority between)",
    "cert-revocation-unknown": "--crl: danh sách thu hồi còn hiệu lực của cơ quan cấp (a list of the issuer in force)",
}
"""By reason: what the reader can bring that may settle it."""


def _show(
    file: Path, verdict: Verdict, message: Envelope | StatusMessage, bound: bool | None, problems: Iterable[str]
) -> None:
    from signing.revocation.seen import SEEN
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
    if verdict.reason in _NEXT:
        say(f"  làm gì tiếp (next)       {_NEXT[verdict.reason]}")
    for evidence in verdict.evidence:
        until = f", đến {local(evidence.next_update)}" if evidence.next_update else ""
        seen = ", chỉ đã xem (only looked at)" if evidence.source == SEEN else ""
        say(f"  căn cứ (evidence)        {evidence.kind} {evidence.sha256[:16]}{until}{seen}")
    for quirk in verdict.quirks:
        say(f"  lưu ý (quirk)            {quirk}", "yellow")
    for other in verdict.others:
        _show_other(other)
    for problem in problems:
        say(f"  không dùng được (unusable trust) {problem}", "yellow")


_ROLES: Final = {"primary": "chính", "parallel": "song song", "countersignature": "xác nhận"}


def _show_other(verdict: Verdict) -> None:
    """One more signature of the package, in a few lines: who, what of it, whom the signer speaks for."""
    from signing.verdict import REASONS

    sentence = REASONS[verdict.reason]
    role = f"{_ROLES[verdict.role.value]} ({verdict.role.value})"
    say(f"  chữ ký khác (other)      {verdict.place}, {role}: {sentence.vi} ({sentence.en})", _STYLE[_code(verdict)])
    if verdict.signer is not None:
        say(f"    người ký (signer)      {verdict.signer.subject}, sha256:{verdict.signer.certificate}")
        for agency in verdict.signer.speaks_for:
            say(f"    thay mặt (speaks for)  {agency}")
    if verdict.claimed_at is not None:
        say(f"    tự khai giờ ký (claimed) {local(verdict.claimed_at)}")
