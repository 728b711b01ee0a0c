"""Read a CMS SignedData strictly, allow-list it, then check it (RFC 5652)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any, Final

from signing.certificate import Leaf
from signing.cms.algorithm import Checker, read_algorithms
from signing.cms.form import Form
from signing.cms.signer import VERSIONS, Naming, check_naming, find_signer
from signing.policy import SignaturePolicy
from signing.refusal import Refused, beyond
from signing.verdict import Reason, SubIndication

_REQUIRED: Final = ("content_type", "message_digest")
_PROTECTION: Final = "cms_algorithm_protection"
_SINGLE: Final = frozenset({*_REQUIRED, *VERSIONS, _PROTECTION})
_MOST_TOKENS: Final = 4


@dataclass(frozen=True, slots=True)
class Signed:
    """One CMS with one signer, allow-listed and not yet checked: `check` does it.

    `others` are the certificates beside the signer's (DER), which prove nothing. `content` are the octets inside,
    `None` where it is detached. `value` is the signature value, `tokens` the time-stamp tokens over it among the
    unsigned attributes (DER), `claimed_at` the signing-time attribute, `attributes` the names of all signed ones.
    """

    leaf: Leaf
    others: tuple[bytes, ...]
    digest: str
    algorithm: str
    value: bytes
    content: bytes | None
    naming: Naming
    attributes: frozenset[str]
    claimed_at: datetime | None
    tokens: tuple[bytes, ...]
    _message_digest: bytes
    _octets: bytes
    _checker: Checker

    def check(self, digest: bytes) -> None:
        """Check the digest of the content (by the hash `digest`) and the signature value. `Refused`: DIGEST, VALUE."""
        if not compare_digest(digest, self._message_digest):
            raise Refused(Reason.DIGEST, "messageDigest differs")
        if not self._checker(self.value, self._octets):
            raise Refused(Reason.VALUE)


def read_signed(octets: bytes, form: Form, policy: SignaturePolicy, known: Sequence[bytes] = ()) -> Signed:
    """Read a ContentInfo (DER) that is nothing else and has one signer, whose certificate is in its bag or `known`.

    `Refused`: STRUCTURE, LIMIT, KEYINFO, ALGORITHM, WEAK_KEY. What cannot be parsed at all is STRUCTURE too.
    """
    if len(octets) > form.most_octets:
        raise beyond(f"{len(octets)} octets of CMS", form.most_octets)
    try:
        return _read(octets, form, policy, known)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        # asn1crypto parses lazily and raises whatever comes up.
        raise Refused(Reason.STRUCTURE, f"not a CMS SignedData: {type(error).__name__}") from error


def _read(octets: bytes, form: Form, policy: SignaturePolicy, known: Sequence[bytes]) -> Signed:
    from signing.asn1 import cms

    outer = cms.ContentInfo.load(octets, strict=True)
    if outer["content_type"].native != "signed_data":
        raise Refused(Reason.STRUCTURE, f"CMS of type {outer['content_type'].native}")
    signed_data = outer["content"]
    content = _content(signed_data["encap_content_info"], form)
    infos = signed_data["signer_infos"]
    if len(infos) != 1:
        raise Refused(Reason.STRUCTURE, f"{len(infos)} SignerInfo", "exactly one")
    info = infos[0]
    names, attributes = _attributes(info["signed_attrs"], form)
    if attributes["content_type"].native != form.content_type:
        raise Refused(Reason.STRUCTURE, "the signed content type is another one")
    _check_protection(attributes, info)
    leaf, others = find_signer(signed_data["certificates"], known, info["sid"], form)
    naming = check_naming(attributes, leaf, form)
    weakness = policy.weakness(leaf.key)
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    digest, algorithm, checker = read_algorithms(info, leaf, policy)
    return Signed(
        leaf=leaf,
        others=others,
        digest=digest,
        algorithm=algorithm,
        value=info["signature"].native,
        content=content,
        naming=naming,
        attributes=names,
        claimed_at=_claimed(info["signed_attrs"]),
        tokens=_tokens(info["unsigned_attrs"]),
        _message_digest=attributes["message_digest"].native,
        # RFC 5652 §5.4: what is signed is the SET OF, not the [0] that stands in the message.
        _octets=info["signed_attrs"].untag().dump(),
        _checker=checker,
    )


def _content(encapsulated: Any, form: Form) -> bytes | None:
    found = encapsulated["content_type"].native
    if found != form.content_type:
        raise Refused(Reason.STRUCTURE, f"content of type {found}", form.content_type)
    value = encapsulated["content"]
    if form.detached:
        # "detached" says it (ISO 32000-1 §12.8.3.3, source to confirm). With data inside, two things would be signed.
        if value.native is not None:
            raise Refused(Reason.STRUCTURE, "content inside a detached signature")
        return None
    content = bytes(value)
    if not content:
        raise Refused(Reason.STRUCTURE, "no content inside")
    return content


def _attributes(attributes: Any, form: Form) -> tuple[frozenset[str], dict[str, Any]]:
    """The names of all signed attributes, none of which occurs twice, and the one value of each that matters."""
    from signing.asn1 import core

    if isinstance(attributes, core.Void):
        # The value would fit other octets just as well: those of the attributes themselves (RFC 5652 §5.4).
        bare = SubIndication.NOT_VERIFIABLE if form.tolerates_bare else None
        raise Refused(Reason.STRUCTURE, "no signed attributes", sub_indication=bare, unverifiable=form.tolerates_bare)
    if len(attributes) > form.most_attributes:
        raise beyond(f"{len(attributes)} signed attributes", form.most_attributes)
    names: set[str] = set()
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = str(attribute["type"].native)
        if name in names or (name in _SINGLE and len(attribute["values"]) != 1):
            raise Refused(Reason.STRUCTURE, "a signed attribute occurs twice")
        names.add(name)
        if name in _SINGLE:
            found[name] = attribute["values"][0]
    for name in _REQUIRED:
        if name not in found:
            raise Refused(Reason.STRUCTURE, f"no signed attribute {name}")
    return frozenset(names), found


def _check_protection(attributes: Mapping[str, Any], info: Any) -> None:
    """Where the signer took the trouble to sign which algorithms he used, those are the ones (RFC 6211 §3)."""
    protected = attributes.get(_PROTECTION)
    if protected is None:
        return
    for name in ("digest_algorithm", "signature_algorithm"):
        if protected[name].native != info[name].native:
            raise Refused(Reason.STRUCTURE, f"another {name.replace('_', ' ')} than the signed one")


def _claimed(attributes: Any) -> datetime | None:
    for attribute in attributes:
        if attribute["type"].native == "signing_time" and len(attribute["values"]) == 1:
            moment = attribute["values"][0].native
            return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None
    return None


def _tokens(attributes: Any) -> tuple[bytes, ...]:
    from signing.asn1 import core

    if isinstance(attributes, core.Void):
        return ()
    found = [
        value.dump()
        for attribute in attributes
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    ]
    return tuple(found[:_MOST_TOKENS])
