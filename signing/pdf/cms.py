"""The CMS in a signature field: read strictly, allow-listed, then checked (RFC 5652).

pyHanko does the mathematics over the signed attributes; which structures and algorithms get that far is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from signing.algorithm import (
    DIGEST_SIZES,
    DIGESTS,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    PSS_SHA256,
    PSS_SHA384,
    PSS_SHA512,
    RSA_SHA256,
    RSA_SHA384,
    RSA_SHA512,
    SIGNATURES,
    key_fits,
)
from signing.certificate import Leaf, load_leaf
from signing.pdf.policy import PdfLimits
from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.verdict import Reason, SubIndication

ALGORITHMS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("rsassa_pkcs1v15", "sha256"): RSA_SHA256,
        ("rsassa_pkcs1v15", "sha384"): RSA_SHA384,
        ("rsassa_pkcs1v15", "sha512"): RSA_SHA512,
        ("rsassa_pss", "sha256"): PSS_SHA256,
        ("rsassa_pss", "sha384"): PSS_SHA384,
        ("rsassa_pss", "sha512"): PSS_SHA512,
        ("ecdsa", "sha256"): ECDSA_SHA256,
        ("ecdsa", "sha384"): ECDSA_SHA384,
        ("ecdsa", "sha512"): ECDSA_SHA512,
        ("ed25519", "sha512"): ED25519,  # RFC 8419 (source to confirm)
    }
)
"""(signature, hash) as asn1crypto names them -> the name that policies use. SHA-1, MD5 and DSA are not here."""

_URIS: Final[Mapping[str, str]] = MappingProxyType({name: uri for uri, name in DIGESTS.items()})

DATA: Final = "data"
TST_INFO: Final = "tst_info"


@dataclass(frozen=True, slots=True)
class Signed:
    """One CMS with one signer, allow-listed and not yet checked. `value` is the signature value.

    `content` are the octets of the encapsulated content, `None` for a detached signature. `tokens` are the time-stamp
    tokens among the unsigned attributes, DER. `claimed_at` is the signing-time attribute.
    """

    info: Any
    certificate: Any
    leaf: Leaf
    others: tuple[bytes, ...]
    digest: str
    algorithm: str
    value: bytes
    content: bytes | None
    claimed_at: datetime | None
    tokens: tuple[bytes, ...]
    quirks: tuple[str, ...]


def read_cms(contents: bytes, content_type: str, policy: SignaturePolicy, limits: PdfLimits) -> Signed:
    """Read a CMS SignedData. `contents` may be padded with zeros, as a PDF has it; nothing else may follow.

    `Refused`: STRUCTURE, KEYINFO, ALGORITHM, WEAK_KEY, LIMIT. What cannot be parsed at all is STRUCTURE too.
    """
    try:
        return _read(contents, content_type, policy, limits)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        # asn1crypto parses lazily and raises whatever comes up.
        raise Refused(Reason.STRUCTURE, f"not a CMS SignedData: {type(error).__name__}") from error


def _read(contents: bytes, content_type: str, policy: SignaturePolicy, limits: PdfLimits) -> Signed:
    # `pdf` and `tsp` teach asn1crypto the names of their attributes and contents.
    from asn1crypto import cms, core, pdf, tsp  # noqa: F401

    if len(contents) > limits.most_contents:
        raise beyond(f"{len(contents)} octets of CMS", limits.most_contents)
    outer = cms.ContentInfo.load(unpadded(contents))
    if outer["content_type"].native != "signed_data":
        raise Refused(Reason.STRUCTURE, f"CMS of type {outer['content_type'].native}")
    signed_data = outer["content"]
    infos = signed_data["signer_infos"]
    if len(infos) != 1:
        raise Refused(Reason.STRUCTURE, f"{len(infos)} SignerInfo", "exactly one")
    info = infos[0]
    content = _content(signed_data["encap_content_info"], content_type)
    attributes = info["signed_attrs"]
    if isinstance(attributes, core.Void):
        raise Refused(
            Reason.STRUCTURE, "no signed attributes", sub_indication=SubIndication.NOT_VERIFIABLE, unverifiable=True
        )
    names = [attribute["type"].native for attribute in attributes]
    if len(names) != len(set(names)):
        raise Refused(Reason.STRUCTURE, "a signed attribute occurs twice")
    missing = [name for name in ("content_type", "message_digest") if name not in names]
    if missing:
        raise Refused(Reason.STRUCTURE, f"no signed attribute {missing[0]}")
    digest, algorithm = _algorithms(info, policy)
    certificate, others = _certificates(signed_data["certificates"], info["sid"], limits)
    leaf = load_leaf(certificate.dump())
    weakness = policy.weakness(leaf.key)
    if weakness is not None:
        raise Refused(Reason.WEAK_KEY, weakness)
    if not key_fits(SIGNATURES[algorithm], leaf.key):
        raise Refused(Reason.ALGORITHM, "a signature algorithm for another kind of key")
    quirks = []
    if "signing_certificate_v2" not in names:
        quirks.append("signing-certificate-v1" if "signing_certificate" in names else "signing-certificate-not-named")
    if "adbe_revocation_info_archival" in names:
        quirks.append("revocation-information-not-used")
    return Signed(
        info=info,
        certificate=certificate,
        leaf=leaf,
        others=others,
        digest=digest,
        algorithm=algorithm,
        value=info["signature"].native,
        content=content,
        claimed_at=_claimed(attributes),
        tokens=_tokens(info),
        quirks=tuple(quirks),
    )


def check_cms(signed: Signed, digest: bytes, content_type: str) -> None:
    """Check the digest of the content and the signature value.

    `Refused`: DIGEST, VALUE; KEYINFO where the signed attributes name another certificate; STRUCTURE.
    """
    from pyhanko.sign.ades.report import AdESIndeterminate
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    try:
        intact, good = validate_sig_integrity(signed.info, signed.certificate, content_type, digest)
    except SignatureValidationError as error:
        named = error.ades_subindication is AdESIndeterminate.NO_SIGNING_CERTIFICATE_FOUND
        raise Refused(Reason.KEYINFO if named else Reason.STRUCTURE, str(error.failure_message)) from error
    if not intact:
        raise Refused(Reason.DIGEST, "messageDigest differs")
    if not good:
        raise Refused(Reason.VALUE)


def _content(encapsulated: Any, content_type: str) -> bytes | None:
    found = encapsulated["content_type"].native
    if found != content_type:
        raise Refused(Reason.STRUCTURE, f"content of type {found}", content_type)
    value = encapsulated["content"]
    if content_type == DATA:
        # "detached" says it (ISO 32000-1 §12.8.3.3, source to confirm). With data inside, two things would be signed.
        if value.native is not None:
            raise Refused(Reason.STRUCTURE, "content inside a detached signature")
        return None
    return bytes(value)


def _algorithms(info: Any, policy: SignaturePolicy) -> tuple[str, str]:
    digest = str(info["digest_algorithm"]["algorithm"].native)
    if _URIS.get(digest) not in policy.digest_algorithms:
        raise Refused(Reason.ALGORITHM, digest)
    chosen = info["signature_algorithm"]
    name = str(chosen["algorithm"].native)
    try:
        family = str(chosen.signature_algo)
    except ValueError as error:
        raise Refused(Reason.ALGORITHM, name) from error
    hashed = digest
    if family == "rsassa_pss":
        hashed = _pss_hash(chosen["parameters"])
    elif family != "ed25519":
        with suppress(
            ValueError
        ):  # rsaEncryption leaves the hash to the digest algorithm (RFC 3370 §3.2, source to confirm)
            hashed = str(chosen.hash_algo)
    uri = ALGORITHMS.get((family, hashed))
    if uri is None or uri not in policy.signature_algorithms:
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed}")
    if hashed != digest:
        raise Refused(Reason.ALGORITHM, f"{name} with {hashed} over a digest with {digest}")
    return digest, uri


def _pss_hash(parameters: Any) -> str:
    """The hash of RSASSA-PSS; MGF1 with the same, a salt at least as long (RFC 4056: as long; source to confirm)."""
    hashed = str(parameters["hash_algorithm"]["algorithm"].native)
    mask = parameters["mask_gen_algorithm"]
    inner = str(mask["parameters"]["algorithm"].native)
    salt = int(parameters["salt_length"].native)
    if mask["algorithm"].native != "mgf1" or inner != hashed or salt < DIGEST_SIZES.get(hashed, 0):
        raise Refused(Reason.ALGORITHM, f"RSASSA-PSS with {hashed}, MGF1 with {inner}, salt of {salt}")
    return hashed


def _certificates(bag: Any, sid: Any, limits: PdfLimits) -> tuple[Any, tuple[bytes, ...]]:
    """The one certificate that the SignerInfo names, and the others, which are hints only."""
    from pyhanko.sign.general import match_issuer_serial

    if len(bag) > limits.most_certificates:
        raise beyond(f"{len(bag)} certificates", limits.most_certificates)
    mine: dict[bytes, Any] = {}
    others: dict[bytes, None] = {}
    for choice in bag:
        if choice.name != "certificate":
            continue
        certificate = choice.chosen.untag()
        if sid.name == "issuer_and_serial_number":
            is_named = match_issuer_serial(sid.chosen, certificate)
        else:
            is_named = certificate.key_identifier == sid.chosen.native
        if is_named:
            mine[certificate.dump()] = certificate
        else:
            others[certificate.dump()] = None
    if len(mine) != 1:
        raise Refused(Reason.KEYINFO, f"{len(mine)} certificates of the signer", "exactly one")
    return next(iter(mine.values())), tuple(others)


def _claimed(attributes: Any) -> datetime | None:
    for attribute in attributes:
        if attribute["type"].native == "signing_time" and len(attribute["values"]) == 1:
            moment = attribute["values"][0].native
            return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None
    return None


def _tokens(info: Any) -> tuple[bytes, ...]:
    from asn1crypto import core

    attributes = info["unsigned_attrs"]
    if isinstance(attributes, core.Void):
        return ()
    found = [
        value.dump()
        for attribute in attributes
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    ]
    return tuple(found[:4])


def beyond(observed: str, most: int) -> Refused:
    """Too much to be judged is doubt; a long revocation list in a CMS is no crime."""
    return Refused(Reason.LIMIT, observed, f"at most {most}", sub_indication=SubIndication.POLICY_PROCESSING_ERROR)


def unpadded(contents: bytes) -> bytes:
    """The octets of the CMS without the zeros that a PDF pads them with. STRUCTURE if anything else follows."""
    from asn1crypto import parser

    length = parser.peek(contents)
    if contents[length:].strip(b"\0"):
        raise Refused(Reason.STRUCTURE, "octets after the CMS")
    return contents[:length]


def digest_of(name: str, *parts: bytes | memoryview) -> bytes:
    state = hashlib.new(name)
    for part in parts:
        state.update(part)
    return state.digest()
