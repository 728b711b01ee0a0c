"""Keys that their certificate binds to RSASSA-PSS, and the parameters that this has (RFC 4055)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from signing.algorithm import DIGEST_SIZES, SIGNATURES, Family
from signing.refusal import Refused
from signing.verdict import Reason

_OID: Final = bytes.fromhex("06092a864886f70d01010a")
_NOTHING: Final = "nothing that is known"


class Bound(NamedTuple):
    """What a key may be used with: a hash by its name, empty for any, and a salt of at least so many octets."""

    hash: str
    salt: int

    def check(self, family: Family, hash_name: str, salt: int) -> None:
        """`Refused`: ALGORITHM, for a signature that the key may not have made (RFC 4055 §1.2, §3.3)."""
        if family is not Family.RSA_PSS or self.hash not in ("", hash_name) or self.salt > salt:
            only = f" with {self.hash} and a salt of {self.salt}" if self.hash else ""
            raise Refused(Reason.ALGORITHM, f"a key for RSASSA-PSS{only} only")


def bound_by(der: bytes) -> Bound | None:
    """What a certificate binds its key to; `None` for a key of no such kind. `cryptography` does not tell."""
    if _OID not in der:
        return None
    from signing.asn1 import algos, core, x509

    try:
        told = x509.Certificate.load(der)["tbs_certificate"]["subject_public_key_info"]["algorithm"]
        if told["algorithm"].native != "rsassa_pss":
            return None
        if isinstance(told["parameters"], core.Void):
            return Bound("", 0)
        if isinstance(told["parameters"], algos.RSASSAPSSParams):
            return Bound(*read_parameters(told["parameters"]))
    except (Refused, ValueError, TypeError, KeyError):
        pass
    return Bound(_NOTHING, 0)


def read_parameters(parameters: Any) -> tuple[str, int]:
    """The hash and the salt's length; MGF1 with the same hash, a salt at least as long (RFC 4056 §2.2), the one trailer
    that there is (RFC 4055 §3.1). `Refused`: ALGORITHM."""
    hashed = str(parameters["hash_algorithm"]["algorithm"].native)
    mask = parameters["mask_gen_algorithm"]
    inner = str(mask["parameters"]["algorithm"].native)
    salt = int(parameters["salt_length"].native)
    if int(parameters["trailer_field"]) != 1:
        raise Refused(Reason.ALGORITHM, "RSASSA-PSS with another trailer")
    if mask["algorithm"].native != "mgf1" or inner != hashed or not DIGEST_SIZES.get(hashed, 512) <= salt <= 512:
        raise Refused(Reason.ALGORITHM, f"RSASSA-PSS with {hashed}, MGF1 with {inner}, salt of {salt}")
    return hashed, salt


def check_method(bound: Bound | None, uri: str) -> None:
    """`Refused`: ALGORITHM, where a key that is bound to something else has this SignatureMethod."""
    if bound is not None:
        algorithm = SIGNATURES.get(uri)
        family = Family.RSA_PKCS1 if algorithm is None else algorithm.family
        hash_name, size = ("", 0) if algorithm is None else (algorithm.hash.name, algorithm.hash.digest_size)
        bound.check(family, hash_name, size)
