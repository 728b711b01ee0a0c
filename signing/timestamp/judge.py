"""Judge one token: its mathematics, what it stamps, when, and whether its authority is believed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, Final

from signing.certificate import Leaf
from signing.chain import Trust
from signing.cms.algorithm import check_hash
from signing.policy import SignaturePolicy
from signing.refusal import Refused, passed
from signing.timestamp.authority import judge_authority
from signing.timestamp.cms import read_token
from signing.timestamp.verdict import Query, TimestampVerdict
from signing.verdict import Check, Evidence, Reason, SubIndication

ImprintOf = bytes | Callable[[str], bytes]
"""The octets that must have been stamped, or a function that digests them under a name of `hashlib`."""

_CLOCKS: Final = timedelta(minutes=5)
"""How far an authority's clock may be ahead of ours (our choice). The field's seven hours are no excuse for one."""

_TIME: Final = re.compile(rb"\d{14}(\.\d{1,9})?Z")
_MAX_ACCURACY: Final = timedelta(hours=1)
"""Our choice: an authority that does not know the hour does not prove a time."""


@dataclass(slots=True)
class _Found:
    leaf: Leaf | None = None
    genuine: bool = False
    gen_time: datetime | None = None
    accuracy: timedelta = timedelta(0)
    serial: str = ""
    policy_oid: str = ""
    hash_name: str = ""
    quirks: tuple[str, ...] = ()
    checks: list[Check] = field(default_factory=list)


def judge_token(
    token: bytes,
    imprint_of: ImprintOf,
    trust: Trust,
    at: datetime,
    policy: SignaturePolicy,
    *,
    asked: Query | None = None,
    known: Sequence[bytes] = (),
    takes_ended: bool = False,
) -> TimestampVerdict:
    """Judge a token (DER of its ContentInfo) at the time `at` (with a zone). Never raises.

    `trust` says by its rules which roots are believed for time stamps. `asked` is what we asked for, where
    it was we who asked. `known` are certificates (DER) that the token may name and not carry; they are believed no
    more than its own.

    The authority is judged at `at`, because a key that may have been stolen since could have signed any time: to judge
    an old token, give the time at which it is known to have existed. An authority's certificate that was revoked after
    genTime keeps its tokens where the list says that the key was not compromised (RFC 3161 §4). `takes_ended`: one
    whose certificates have only run out since is judged for genTime, with lists that were in force then; for what was
    signed long ago and is lawfully shown again.
    """
    found = _Found()
    digest = hashlib.sha256(token).hexdigest()
    try:
        _judge_itself(token, imprint_of, at, policy, asked, known, found)
        return _judge_authority(digest, trust, at, policy, found, takes_ended)
    except Refused as error:
        refused = error
    except Exception as surprise:  # noqa: BLE001 - a surprise inside the judge proves no time and stops nobody
        refused = Refused(Reason.PROCESSING, type(surprise).__name__)
    found.checks.append(refused.check())
    return _verdict(refused.sub_indication, refused.reason, digest, at, found)


def _verdict(
    sub_indication: SubIndication | None, reason: Reason, digest: str, at: datetime, found: _Found
) -> TimestampVerdict:
    known = found.leaf is not None and found.genuine
    return TimestampVerdict(
        sub_indication,
        reason,
        at,
        digest,
        found.genuine,
        found.gen_time if known else None,
        found.accuracy if known else timedelta(0),
        found.serial if known else "",
        found.policy_oid if known else "",
        found.hash_name if known else "",
        found.leaf.signer if known and found.leaf is not None else None,
        checks=tuple(found.checks),
        quirks=found.quirks,
        certificate=found.leaf.der if known and found.leaf is not None else b"",
    )


def _judge_itself(
    octets: bytes,
    imprint_of: ImprintOf,
    at: datetime,
    policy: SignaturePolicy,
    asked: Query | None,
    known: Sequence[bytes],
    found: _Found,
) -> None:
    token = read_token(octets, known, policy)
    found.leaf, found.quirks = token.leaf, token.quirks
    found.checks += (passed(Reason.KEYINFO, token.leaf.sha256), passed(Reason.ALGORITHM, token.algorithm))
    found.checks.append(passed(Reason.VALUE))
    try:
        imprint = _read_info(token.info, policy, found)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise Refused(Reason.STRUCTURE, f"TSTInfo: {type(error).__name__}") from error
    found.checks.append(passed(Reason.STRUCTURE))
    if not compare_digest(imprint, _digest(imprint_of, found.hash_name)):
        raise Refused(Reason.DIGEST, "a time stamp of something else")
    found.genuine = True
    found.checks.append(passed(Reason.DIGEST, found.hash_name))
    if asked is not None:
        _compare(token.info, asked, found)
    gen_time = found.gen_time
    assert gen_time is not None
    if gen_time > at + _CLOCKS:
        raise Refused(Reason.TIME, gen_time.isoformat(), f"not after {at.isoformat()}")
    if found.accuracy > _MAX_ACCURACY:
        raise Refused(Reason.TIME, f"accuracy {found.accuracy}", f"at most {_MAX_ACCURACY}")
    found.checks.append(passed(Reason.TIME))


def _read_info(info: Any, policy: SignaturePolicy, found: _Found) -> bytes:
    """Read the TSTInfo into `found` and return the imprint."""
    from signing.asn1 import core

    if int(info["version"]) != 1:
        raise Refused(Reason.STRUCTURE, f"TSTInfo version {int(info['version'])}")
    stamped = info["message_imprint"]
    found.hash_name = str(stamped["hash_algorithm"]["algorithm"].native)
    check_hash(found.hash_name, policy)
    if not isinstance(stamped["hash_algorithm"]["parameters"], core.Void | core.Null):
        raise Refused(Reason.STRUCTURE, "parameters of the imprint's hash")
    if not _TIME.fullmatch(info["gen_time"].contents):
        raise Refused(Reason.TIME, "genTime is not in UTC", sub_indication=SubIndication.FORMAT_FAILURE)
    gen_time = info["gen_time"].native
    extensions = info["extensions"]
    if not isinstance(extensions, core.Void) and any(extension["critical"].native for extension in extensions):
        raise Refused(Reason.STRUCTURE, "an unknown critical extension of TSTInfo")
    found.gen_time = gen_time
    found.accuracy = _accuracy(info["accuracy"])
    found.serial = f"{int(info['serial_number']):x}"
    found.policy_oid = str(info["policy"].dotted)
    return bytes(stamped["hashed_message"].native)


def _accuracy(accuracy: Any) -> timedelta:
    """An authority that tells no accuracy is taken at its word (RFC 3161 §2.4.2 leaves it to its policy)."""
    from signing.asn1 import core

    if isinstance(accuracy, core.Void):
        return timedelta(0)
    seconds, millis, micros = (accuracy[name].native or 0 for name in ("seconds", "millis", "micros"))
    if seconds < 0 or not 0 <= millis <= 999 or not 0 <= micros <= 999:
        raise Refused(Reason.STRUCTURE, "accuracy out of range")
    return timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)


def _digest(imprint_of: ImprintOf, name: str) -> bytes:
    if isinstance(imprint_of, bytes):
        return hashlib.new(name, imprint_of).digest()
    return imprint_of(name)


def _compare(info: Any, asked: Query, found: _Found) -> None:
    """An answer to another question, or an old answer told again, is no answer (RFC 3161 §2.4.2)."""
    if found.hash_name != asked.hash_name:
        raise Refused(Reason.ALGORITHM, found.hash_name, asked.hash_name)
    if asked.nonce is not None and info["nonce"].native != asked.nonce:
        raise Refused(Reason.REFERENCE, "another nonce or none", sub_indication=SubIndication.SIG_CONSTRAINTS_FAILURE)
    if asked.policy is not None and found.policy_oid != asked.policy:
        raise Refused(Reason.COVERAGE, f"policy {found.policy_oid}", asked.policy)


def _judge_authority(
    digest: str, trust: Trust, at: datetime, policy: SignaturePolicy, found: _Found, takes_ended: bool
) -> TimestampVerdict:
    leaf, gen_time = found.leaf, found.gen_time
    assert leaf is not None
    assert gen_time is not None
    if gen_time < leaf.not_before:
        raise Refused(Reason.NOT_YET_VALID, leaf.not_before.isoformat(), gen_time.isoformat())
    if gen_time > leaf.not_after:
        raise Refused(Reason.EXPIRED, leaf.not_after.isoformat(), gen_time.isoformat())
    authority = judge_authority(leaf, gen_time + found.accuracy, trust, at, policy, takes_ended=takes_ended)
    sub_indication = authority.sub_indication
    if sub_indication is SubIndication.EXPIRED:
        # It was valid at genTime; nothing proves that the token is not younger than the certificate.
        sub_indication = SubIndication.OUT_OF_BOUNDS_NO_POE
    found.checks += authority.checks
    verdict = _verdict(sub_indication, authority.reason, digest, at, found)
    token = Evidence("time-stamp", digest, leaf.certificate.subject.rfc4514_string(), gen_time)
    return replace(
        verdict,
        path=authority.path,
        evidence=(token, *authority.evidence),
        valid_until=authority.valid_until,
    )
