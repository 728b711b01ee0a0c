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

from signing.algorithm import DIGESTS
from signing.certificate import Leaf
from signing.chain import Purpose, Trust, judge_certificate, judge_paths
from signing.pdf.cms import TST_INFO, Signed, check_cms, digest_of, read_cms
from signing.pdf.policy import PdfLimits
from signing.pdf.verdict import Timestamp
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason

_GOOD_HASHES: Final = frozenset(DIGESTS.values())
_TOO_LATE: Final = frozenset({Reason.EXPIRED, Reason.CHAIN})
_REVOKED: Final = frozenset({Reason.REVOKED, Reason.CA_REVOKED})


def judge_token(
    token: bytes,
    imprint: Callable[[str], bytes],
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    limits: PdfLimits,
) -> Timestamp:
    """Judge a token (DER of its ContentInfo) over the octets whose digest by hash name `imprint` gives. Never raises.

    The authority is judged at `at`; where a certificate of its path has expired since, at the token's own time, which
    takes a revocation list that was in force then. A revoked authority proves nothing about any time: a key in wrong
    hands writes the time it likes (RFC 3161 §4 is milder where the list
    says that the key was not compromised).
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
    if gen_time < leaf.not_before:
        raise Refused(Reason.NOT_YET_VALID, leaf.not_before.isoformat(), gen_time.isoformat())
    found = judge_certificate(leaf.der, trust, at, policy, purpose=Purpose.TIME_STAMP)
    if found.reason in _TOO_LATE:
        listed = judge_paths(leaf, trust, at, policy, purpose=Purpose.TIME_STAMP)
        if listed.reason not in _REVOKED:
            listed = judge_certificate(
                leaf.der, trust, at, policy, purpose=Purpose.TIME_STAMP, proven=min(gen_time, at)
            )
        found = listed
    if found.sub_indication is not None:
        observed = found.checks[-1].observed if found.checks else ""
        raise Refused(found.reason, observed, sub_indication=found.sub_indication)


def _name(leaf: Leaf) -> str:
    return leaf.certificate.subject.rfc4514_string()
