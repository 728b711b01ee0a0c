"""Signed packages with something odd about their keys, values and places: what a bend of the tree alone cannot make."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from lxml import etree

from signing.algorithm import ECDSA_SHA256, PSS_SHA256, RSA_SHA256
from signing.c14n import canonical
from signing.policy import OWN_NETWORK
from signing.sign import KeySigner
from signing.verdict import Reason, SubIndication
from signing.verify import MustCover, verify
from tests.pki import NOW, Holder, curve_key, issue, pki
from tests.refusals.row import Case, Said
from tests.refusals.said import bent, judged, silent, words
from tests.unit.signing.bend import INFO, VALUE, find, stray_bits, transforms
from tests.unit.signing.forge import (
    ENVELOPED,
    EXC,
    INC,
    Package,
    by_parts,
    enveloped,
    parse,
    reference_to,
    resign,
    sign_again,
    sign_beside,
    unsigned_package,
)

WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"
ID_NAMES = {"Id": "Id", "ID": "ID", "id": "id", "xml:id": "{http://www.w3.org/XML/1998/namespace}id", "wsu:Id": WSU}

WRONG = words(SubIndication.SIG_CRYPTO_FAILURE, Reason.VALUE)
STRUCTURE = words(SubIndication.FORMAT_FAILURE, Reason.STRUCTURE)
DUPLICATE = words(SubIndication.FORMAT_FAILURE, Reason.DUPLICATE_ID)
COVERAGE = words(SubIndication.SIG_CONSTRAINTS_FAILURE, Reason.COVERAGE)
C14N = words(SubIndication.FORMAT_FAILURE, Reason.C14N)
DIGEST = words(SubIndication.HASH_FAILURE, Reason.DIGEST)
REFERENCE = words(SubIndication.FORMAT_FAILURE, Reason.REFERENCE)
TRANSFORM = words(SubIndication.FORMAT_FAILURE, Reason.TRANSFORM)
ALGORITHM = words(SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.ALGORITHM)
LIMIT = words(SubIndication.FORMAT_FAILURE, Reason.LIMIT)
WEAK = words(SubIndication.CRYPTO_CONSTRAINTS_FAILURE, Reason.WEAK_KEY)
GOOD = words(None, Reason.GOOD)


# --- keys and values


def value(name: str, change: Callable[[bytes], bytes], holder: Callable[[], Holder] | None = None, **more: Any) -> Case:
    """A good signature whose value is written in another form."""

    def make() -> Package:
        package = by_parts((holder() if holder else pki().good).signer())
        found = find(package, VALUE)
        found.text = b64encode(change(b64decode(found.text or ""))).decode()
        return package

    return judged(name, more.get("code", WRONG), make)


def as_der(octets: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256."""


def other_s(octets: bytes) -> bytes:
    """The other of the two values of s that every ECDSA signature has."""
    return octets[:32] + (_ORDER - int.from_bytes(octets[32:], "big")).to_bytes(32, "big")


def beyond_the_modulus(octets: bytes) -> bytes:
    """The value plus the modulus: the same number to whoever reduces it. Where that is too long, 0xff throughout."""
    key = pki().rsa.key
    assert isinstance(key, rsa.RSAPrivateKey)
    more = int.from_bytes(octets, "big") + key.public_key().public_numbers().n
    return more.to_bytes(256, "big") if more.bit_length() <= 2048 else b"\xff" * 256


class OddSigner:
    """Signs in a way that the writer of ours would not."""

    def __init__(self, holder: Holder, algorithm: str, sign: Callable[[bytes], bytes]) -> None:
        self.certificate, self.algorithm, self._sign = holder.der, algorithm, sign

    def sign(self, octets: bytes) -> bytes:
        return self._sign(octets)


def _signed_oddly(algorithm: str, sign: Callable[[rsa.RSAPrivateKey, bytes], bytes]) -> Package:
    holder = pki().rsa
    key = holder.key
    assert isinstance(key, rsa.RSAPrivateKey)
    package = by_parts(holder.signer(RSA_SHA256))
    find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", algorithm)
    odd: Any = OddSigner(holder, algorithm, lambda octets: sign(key, octets))
    sign_again(package, odd)
    return package


def pss(name: str, hash_: hashes.HashAlgorithm, mask: hashes.HashAlgorithm, salt: int) -> Case:
    """RSASSA-PSS with parameters of its own, under the name of the one that we take."""
    scheme = padding.PSS(padding.MGF1(mask), salt)
    return judged(name, WRONG, lambda: _signed_oddly(PSS_SHA256, lambda key, octets: key.sign(octets, scheme, hash_)))


def _raw_rsa(key: rsa.RSAPrivateKey, encoded: bytes) -> bytes:
    numbers = key.private_numbers()
    return pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")


_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def padded(name: str, encode: Callable[[bytes], bytes]) -> Case:
    """A PKCS#1 v1.5 value over an encoding of one's own, made with the private key: only its form is wrong."""
    return judged(
        name,
        WRONG,
        lambda: _signed_oddly(RSA_SHA256, lambda key, octets: _raw_rsa(key, encode(sha256(octets).digest()))),
    )


def filled(middle: bytes, digest: bytes, after: bytes = b"") -> bytes:
    """`0001 ff… 00`, the DigestInfo and what follows it, 256 octets in all."""
    rest = b"\0" + middle + digest + after
    return b"\0\1" + b"\xff" * (254 - len(rest)) + rest


def well_padded(digest: bytes) -> bytes:
    return filled(_DIGEST_INFO, digest)


def trailing(digest: bytes) -> bytes:
    """What Bleichenbacher's forgery of 2006 needs: octets behind the digest."""
    return b"\0\1" + b"\xff" * 8 + b"\0" + _DIGEST_INFO + digest + bytes(256 - 11 - len(_DIGEST_INFO) - 32)


def no_null(digest: bytes) -> bytes:
    return filled(bytes.fromhex("302f300b06096086480165030402010420"), digest)


def short_padding(digest: bytes) -> bytes:
    encoded = filled(_DIGEST_INFO, digest)
    return b"\0\1" + b"\xff" * 7 + b"\xfe" + encoded[10:]


def keyed(name: str, holder: Callable[[], Holder], algorithm: str | None = None, code: str = WEAK) -> Case:
    """Signed with a key that may not sign here."""
    return judged(name, code, lambda: by_parts(holder().signer(algorithm)))


def weak_curve(name: str) -> Callable[[], Holder]:
    return lambda: issue("x", pki().authority, key=curve_key(name))


def small_exponent() -> Holder:
    return issue("e3", pki().authority, key=rsa.generate_private_key(3, 2048))


def other_kind(name: str, holder: Callable[[], Holder], algorithm: str) -> Case:
    """SignedInfo names an algorithm that does not go with the key."""

    def make() -> Package:
        signer: KeySigner = holder().signer()
        package = by_parts(signer)
        find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", algorithm)
        sign_again(package, signer)
        return package

    return judged(name, ALGORITHM, make)


def low_hash(name: str) -> Case:
    """ECDSA over the SHA-1 of SignedInfo, under the name of SHA-256."""
    key = pki().good.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)

    def make() -> Package:
        package = by_parts()
        scheme = ec.ECDSA(Prehashed(hashes.SHA1()))

        def sign(octets: bytes) -> bytes:
            digest = hashes.Hash(hashes.SHA1())
            digest.update(octets)
            from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

            r, s = decode_dss_signature(key.sign(digest.finalize(), scheme))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        odd: Any = OddSigner(pki().good, ECDSA_SHA256, sign)
        sign_again(package, odd)
        return package

    return judged(name, WRONG, make)


# --- places and coverage


def same_id(name: str) -> Case:
    return bent(f"as {name}", DUPLICATE, lambda p: p.root[-1].set(ID_NAMES[name], "header"), again=False)


def _two_of_one(package: Package) -> None:
    package.root[-1].set("id", "z")
    package.place[1].set("Id", "z")


unreferenced_ids = bent("that nobody references", DUPLICATE, _two_of_one, again=False)


def left_out(part: str) -> Case:
    """A part that is used and that the signature does not speak of."""

    def drop(package: Package) -> None:
        reference = reference_to(package, part)
        reference.getparent().remove(reference)  # type: ignore[union-attr]

    return bent(f"without {part}", COVERAGE, drop)


def over_itself(target: str) -> Case:
    """A signature over a part of itself and nothing else."""

    def bend(package: Package) -> None:
        for part in ("#business", "#manifest", "cid:a.pdf"):
            reference = reference_to(package, part)
            reference.getparent().remove(reference)  # type: ignore[union-attr]
        find(package, target).set("Id", "itself")
        reference_to(package, "#header").set("URI", "#itself")

    return bent(f"over its {target.rpartition(':')[2]}", REFERENCE, bend)


def moved_signature() -> Said:
    """The caller's own list names the signature, and it stands elsewhere than where it must."""
    package = by_parts()
    must_cover, signature = package.must_cover, package.signature
    package.root.append(signature)
    return _asked(package, [signature], must_cover)


def inside_the_signature() -> Said:
    """What is read lies inside the signature, which the enveloped transform leaves out."""
    package = enveloped()
    return _asked(package, package.signatures, replace(package.must_cover, elements={"inside": package.signature[0]}))


def another_document() -> Said:
    """What is read belongs to another tree than the one that was signed."""
    package = enveloped()
    return _asked(package, package.signatures, replace(package.must_cover, elements={"it": by_parts().header}))


def _asked(package: Package, signatures: list[etree._Element], must_cover: MustCover) -> Said:
    verdict = verify(package.root, signatures, must_cover, OWN_NETWORK, pki().trust, NOW).verdict
    return Said(words(verdict.sub_indication, verdict.reason), verdict.passed)


def beside_the_document() -> Package:
    """Signed as a whole, with the attachment beside the document and not in it."""
    package = enveloped()
    package.inline = False
    return package


def encoded_digest(package: Package) -> None:
    """The digest of the attachment's base64 instead of its octets."""
    reference = reference_to(package, "cid:a.pdf")
    reference[-1].text = b64encode(sha256(b64encode(package.attachments["a.pdf"])).digest()).decode()
    sign_again(package)


# --- canonicalisation


def relative_namespace(package: Package) -> None:
    etree.SubElement(package.header, "{relative}x")


def inclusive_in_scope() -> Package:
    """Canonicalised inclusively, with as many namespaces in scope as the gate lets in: 250 ms of work for each look at
    it, and a signer can have it looked at many times."""
    package = by_parts()
    declared = " ".join(f'xmlns:p{number}="urn:{number}"' for number in range(29))
    package.header.append(parse(f"<x {declared}>{'<y/>' * 30_000}</x>"))
    transforms("#header", INC)(package)
    sign_again(package)
    return package


def inclusive_by_several(count: int = 3) -> Package:
    """Each of the signatures costs less than all may, and all of them more."""
    package = unsigned_package()
    declared = " ".join(f'xmlns:p{number}="urn:{number}"' for number in range(25))
    package.header.append(parse(f"<x {declared}>{'<y/>' * 4_000}</x>"))
    for holder in (pki().good, pki().rsa, pki().ed25519)[:count]:
        signature = sign_beside(package, holder.signer())
        package.place.insert(package.place.index(package.signature), signature)
        transforms("#header", INC)(package)
        octets = canonical(package.header, INC)
        reference_to(package, "#header")[-1].text = b64encode(sha256(octets).digest()).decode()
        sign_again(package, holder.signer())
    return package


def void(package: Package) -> None:
    """No canonical form, and the digest is that of nothing (CVE-2025-66568)."""
    relative_namespace(package)
    reference_to(package, "#header")[-1].text = b64encode(sha256(b"").digest()).decode()
    sign_again(package)


def relative_in_the_whole() -> Package:
    package = enveloped()
    etree.SubElement(package.root[-1], "{relative}x")
    return package


def relative_in_signed_info() -> Package:
    raw = etree.tostring(by_parts().root).replace(b"<ds:SignedInfo", b'<ds:SignedInfo xmlns:r="relative"')
    return Package(parse(raw))


def rebound_prefix() -> Package:
    """The prefix of the signed header means another namespace than when it was signed."""
    raw = etree.tostring(by_parts().root)
    old = b'<e:MessageHeader Id="header">'
    assert raw.count(old) == 1
    opened = raw.replace(old, b'<e:MessageHeader xmlns:x="urn:x" Id="header">')
    return Package(parse(opened.replace(b"<e:From>", b"<x:From>").replace(b"</e:From>", b"</x:From>")))


def empty_declaration() -> Package:
    """` xmlns=""` comes into signed text: text, whatever it looks like."""
    package = by_parts()
    package.header[0].text = "pay 100"
    resign(package)
    package.header[0].text = 'pay xmlns="" 100'
    return package


WHOLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("whole without transforms", TRANSFORM, ()),
    ("whole without enveloped-signature", TRANSFORM, (EXC,)),
    ("enveloped-signature last", TRANSFORM, (EXC, ENVELOPED)),
    ("enveloped-signature twice", TRANSFORM, (ENVELOPED, ENVELOPED)),
    ("two canonicalisations of the whole", TRANSFORM, (ENVELOPED, EXC, EXC)),
    ("C14N 1.1 of the whole", C14N, (ENVELOPED, "http://www.w3.org/2006/12/xml-c14n11")),
)


def whole(*names: str) -> Package:
    """Signed as a whole with these transforms."""
    package = enveloped()
    transforms("", *names)(package)
    resign(package)
    return package


def enveloped_twice() -> Package:
    return whole(ENVELOPED, ENVELOPED, EXC)


def c14n2(package: Package) -> None:
    transforms("#header", "http://www.w3.org/2010/xml-c14n2")(package)


def namespace_around(package: Package) -> None:
    """A namespace on the root that was not there when it was signed."""
    raw = etree.tostring(package.root).replace(b"<edXML ", b'<edXML xmlns:added="urn:added" ', 1)
    package.root = parse(raw)


def stray_digest() -> Package:
    """Changed after signing; the new digest stands before all others, for whoever takes the first in the document."""
    package = by_parts()
    package.header[0].text = "000.66.66.H99"
    octets = etree.tostring(package.header, method="c14n", exclusive=True)
    stray = etree.Element("{http://www.w3.org/2000/09/xmldsig#}DigestValue")
    stray.text = b64encode(sha256(octets).digest()).decode()
    package.place.insert(0, stray)
    return package


def stray_digest_bits(package: Package) -> None:
    found = reference_to(package, "cid:a.pdf")[-1]
    found.text = stray_bits(found.text or "")
    sign_again(package)


def pkcs1_for_pss() -> Package:
    """A PKCS#1 v1.5 value under the name of RSASSA-PSS."""
    signer = pki().rsa.signer(RSA_SHA256)
    package = by_parts(signer)
    find(package, f"{INFO}/ds:SignatureMethod").set("Algorithm", PSS_SHA256)
    sign_again(package, signer)
    return package


# --- certificates that point elsewhere


def _issuer_by_address(port: int) -> Case:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    from signing.chain import Trust
    from tests.refusals.said import certificate

    url = x509.UniformResourceIdentifier(f"http://127.0.0.1:{port}/ca.cer")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url)])
    return certificate(
        "caIssuers",
        words(SubIndication.NO_CERTIFICATE_CHAIN_FOUND, Reason.UNTRUSTED),
        lambda: issue("x", pki().authority, more=[(access, False)]),
        lambda: Trust((pki().root.der,), (), pki().crls()),
    )


issuer_by_address = silent(_issuer_by_address(9), _issuer_by_address)
