"""Time-stamp tokens (RFC 3161) found in a PDF, judged with the roots of our own store.

A token proves a time only where its imprint and value are right and its authority's certificate leads to a root of
ours, is for time stamping and nothing else (RFC 3161 §2.3), and is not revoked. Anything less is recorded and proves
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.algorithm import DIGESTS
from signing.certificate import Leaf, judge_issuer, judge_issuer_signature, read_extensions
from signing.chain import Trust
from signing.pathcheck import check_path
from signing.pdf.cms import TST_INFO, Signed, check_cms, digest_of, read_cms
from signing.pdf.policy import PdfLimits
from signing.pdf.verdict import Timestamp
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

_GOOD_HASHES: Final = frozenset(DIGESTS.values())


def judge_token(
    token: bytes,
    imprint: Callable[[str], bytes],
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    limits: PdfLimits,
) -> Timestamp:
    """Judge a token (DER of its ContentInfo) over the octets whose digest by hash name `imprint` gives. Never raises.

    The authority is judged at `at`; where its certificate has expired or was revoked since, at the token's own time,
    which takes a revocation list that was in force then.
    """
    digest = hashlib.sha256(token).hexdigest()
    signed: Signed | None = None
    gen_time: datetime | None = None
    genuine = False
    try:
        signed = read_cms(token, TST_INFO, policy, limits)
        gen_time = _checked(signed, imprint)
        genuine = True
        _judge_authority(signed.leaf, gen_time, trust, at, policy)
        return Timestamp(digest, True, True, Reason.GOOD, None, gen_time, _name(signed.leaf), signed.leaf.sha256)
    except Refused as error:
        refused = error
    except Exception as surprise:  # noqa: BLE001 - asn1crypto raises whatever comes up; a surprise proves no time
        refused = Refused(Reason.PROCESSING, type(surprise).__name__)
    return Timestamp(
        digest,
        genuine,
        False,
        refused.reason,
        refused.sub_indication,
        gen_time if genuine else None,
        _name(signed.leaf) if signed is not None and genuine else "",
        signed.leaf.sha256 if signed is not None and genuine else "",
    )


def _checked(signed: Signed, imprint: Callable[[str], bytes]) -> datetime:
    """The time of a token whose imprint and value are right."""
    from asn1crypto import tsp

    assert signed.content is not None
    info: Any = tsp.TSTInfo.load(signed.content)
    stamped = info["message_imprint"]
    hash_name = str(stamped["hash_algorithm"]["algorithm"].native)
    if hash_name not in _GOOD_HASHES:
        raise Refused(Reason.ALGORITHM, f"imprint with {hash_name}")
    check_cms(signed, digest_of(signed.digest, signed.content), TST_INFO)
    if stamped["hashed_message"].native != imprint(hash_name):
        raise Refused(Reason.DIGEST, "a time stamp of something else")
    gen_time = info["gen_time"].native
    if not isinstance(gen_time, datetime) or gen_time.tzinfo is None:
        raise Refused(Reason.TIME, "genTime without zone")
    return gen_time


def _judge_authority(leaf: Leaf, gen_time: datetime, trust: Trust, at: datetime, policy: SignaturePolicy) -> None:
    if gen_time > at + policy.signing_time_ahead:
        raise Refused(Reason.TIME, gen_time.isoformat(), at.isoformat())
    _judge_purpose(leaf.certificate)
    if gen_time < leaf.not_before:
        raise Refused(Reason.NOT_YET_VALID, leaf.not_before.isoformat(), gen_time.isoformat())
    if gen_time > leaf.not_after:
        raise Refused(Reason.EXPIRED, leaf.not_after.isoformat(), gen_time.isoformat())
    try:
        _judge_at(leaf, trust, at, policy)
    except Refused as refused:
        if refused.reason not in (Reason.EXPIRED, Reason.REVOKED, Reason.CA_REVOKED, Reason.CHAIN):
            raise
        _judge_at(leaf, trust, gen_time, policy)


def _judge_purpose(certificate: x509.Certificate) -> None:
    extensions = read_extensions(certificate)
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise Refused(Reason.KEY_USAGE, "a time-stamping authority without extended key usage") from error
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Refused(Reason.KEY_USAGE, "extended key usage is not timeStamping alone and critical")
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature and not usage.content_commitment:
        raise Refused(Reason.KEY_USAGE, "neither digitalSignature nor nonRepudiation")


def _judge_at(leaf: Leaf, trust: Trust, at: datetime, policy: SignaturePolicy) -> None:
    """The path as `signing.chain` judges it, but for the purpose; revocation is the path validator's."""
    if not leaf.not_before <= at <= leaf.not_after:
        raise Refused(Reason.EXPIRED, leaf.not_after.isoformat(), at.isoformat())
    hash_used = leaf.certificate.signature_hash_algorithm
    if hash_used is not None and hash_used.name not in policy.certificate_hashes:
        raise Refused(Reason.WEAK_KEY, f"certificate signed with {hash_used.name}")
    first: Refused | None = None
    for path in trust.store.paths(leaf, policy.max_path_length):
        try:
            for below, issuer in enumerate(path):
                judge_issuer(issuer.certificate, policy, at, below)
                if issuer is not path[-1]:
                    judge_issuer_signature(issuer.certificate, policy)
            check_path(leaf.der, path, trust.store, at, policy)
            return
        except Refused as refused:
            first = first or refused
    raise first or Refused(Reason.UNTRUSTED, leaf.certificate.issuer.rfc4514_string())


def _name(leaf: Leaf) -> str:
    return leaf.certificate.subject.rfc4514_string()
