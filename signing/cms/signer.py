"""Whose CMS it is: the one certificate that the SignerInfo names, and that was signed for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from hmac import compare_digest
from typing import Any

from signing.certificate import Leaf, load_leaf
from signing.cms.algorithm import HASHES
from signing.cms.form import Form
from signing.refusal import Refused, beyond
from signing.verdict import Reason

VERSIONS = ("signing_certificate", "signing_certificate_v2")


class Naming(StrEnum):
    """How the signed attributes name the signer's certificate."""

    BY_DIGEST = "v2"
    BY_SHA1 = "v1"
    NOT = "none"


def find_signer(bag: Any, known: Sequence[bytes], sid: Any, form: Form) -> tuple[Leaf, tuple[bytes, ...]]:
    """The certificate that `sid` names, from the bag or `known` (DER), and the others of the bag: the bag is not
    signed, its order says nothing."""
    mine: dict[bytes, None] = {}
    others: dict[bytes, None] = {}
    for der in _certificates(bag, form):
        (mine if _is_named(sid, der) else others)[der] = None
    for der in known:
        if _is_named(sid, der):
            mine[der] = None
    if len(mine) != 1:
        raise Refused(Reason.KEYINFO, f"{len(mine)} certificates of the signer", "exactly one")
    return load_leaf(next(iter(mine))), tuple(others)


def _certificates(bag: Any, form: Form) -> Iterator[bytes]:
    from signing.asn1 import core

    if isinstance(bag, core.Void):
        return
    if len(bag) > form.most_certificates:
        raise beyond(f"{len(bag)} certificates", form.most_certificates)
    for choice in bag:
        if choice.name == "certificate":
            yield choice.chosen.dump()


def _is_named(sid: Any, der: bytes) -> bool:
    from signing.asn1 import x509

    try:
        certificate = x509.Certificate.load(der, strict=True)
        if sid.name == "issuer_and_serial_number":
            return _same(sid.chosen["issuer"], sid.chosen["serial_number"], certificate)
        return bool(certificate.key_identifier == sid.chosen.native)
    except (ValueError, TypeError, KeyError):
        return False  # an odd certificate beside the signer's


def _same(issuer: Any, serial: Any, certificate: Any) -> bool:
    # Octets first: a name that breaks the rules for strings cannot be compared as one, and is still the same name.
    same = issuer.dump() == certificate.issuer.dump() or issuer == certificate.issuer
    return bool(same and serial.native == certificate.serial_number)


def check_naming(attributes: Mapping[str, Any], leaf: Leaf, form: Form) -> Naming:
    """The certificate must be the one that was signed for (RFC 5035 §3, RFC 2634 §5.4), or keys could change hands.

    RFC 3161 knows only the first version, which is SHA-1 and still in use; RFC 5816 adds the second. A PDF of the older
    kind (adbe.pkcs7.detached) need not name it at all.
    """
    from signing.asn1 import x509

    versions = [name for name in VERSIONS if name in attributes]
    if not versions:
        if form.names_signer:
            raise Refused(Reason.KEYINFO, "the signer's certificate is not named")
        return Naming.NOT
    certificate = x509.Certificate.load(leaf.der, strict=True)
    for name in versions:
        first = attributes[name]["certs"][0]
        hash_name = "sha1" if name == VERSIONS[0] else str(first["hash_algorithm"]["algorithm"].native)
        if name == VERSIONS[1] and hash_name not in HASHES:
            raise Refused(Reason.ALGORITHM, f"certificate named by {hash_name}")
        # Not for security of its own: SHA-1 binds a certificate here that must also lead to a root of ours.
        digest = hashlib.new(hash_name, leaf.der, usedforsecurity=False).digest()
        if not compare_digest(digest, first["cert_hash"].native):
            raise Refused(Reason.KEYINFO, "another certificate is named")
        _check_issuer_serial(first["issuer_serial"], certificate)
    return Naming.BY_DIGEST if VERSIONS[1] in versions else Naming.BY_SHA1


def _check_issuer_serial(issuer_serial: Any, certificate: Any) -> None:
    from signing.asn1 import core

    if isinstance(issuer_serial, core.Void):
        return
    issuers = [name.chosen for name in issuer_serial["issuer"] if name.name == "directory_name"]
    if len(issuers) != 1 or not _same(issuers[0], issuer_serial["serial_number"], certificate):
        raise Refused(Reason.KEYINFO, "another issuer or serial number is named")
