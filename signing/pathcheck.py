"""The second opinion on one path: RFC 5280 §6 as pyhanko-certvalidator has it. The only file that imports it."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from signing.policy import SignaturePolicy
from signing.refusal import Refused
from signing.store import Issuer, Store
from signing.verdict import Reason

_NO_TOLERANCE: Final = timedelta(0)


def check_path(leaf_der: bytes, path: tuple[Issuer, ...], store: Store, at: datetime, policy: SignaturePolicy) -> None:
    """Judge the path from `leaf_der` through `path`, whose last member is a self-signed root of ours. `Refused` if
    not good.

    Imported when first needed, because it takes a tenth of a second and most processes never judge a path. It is
    given this one path and our own lists, and fetches nothing.
    """
    from asn1crypto import crl as asn1_crl
    from asn1crypto import x509 as asn1_x509
    from pyhanko_certvalidator import ValidationContext, errors
    from pyhanko_certvalidator.authority import CertTrustAnchor
    from pyhanko_certvalidator.path import ValidationPath
    from pyhanko_certvalidator.validate import async_validate_path

    def load(der: bytes) -> Any:
        return asn1_x509.Certificate.load(der, strict=True)

    anchor = CertTrustAnchor(load(path[-1].der))
    leaf, between = load(leaf_der), [load(issuer.der) for issuer in reversed(path[:-1])]
    lists = {crl.sha256: crl for issuer in path for crl in store.lists_of(issuer)}
    context = ValidationContext(
        trust_roots=[anchor],
        other_certs=between,
        moment=at,
        crls=[asn1_crl.CertificateList.load(crl.der, strict=True) for crl in lists.values()],
        ocsps=[],
        allow_fetching=False,
        revocation_mode="require" if policy.require_revocation else "soft-fail",
        time_tolerance=_NO_TOLERANCE,
    )
    try:
        _finish(async_validate_path(context, ValidationPath(anchor, between, leaf)))
    except errors.RevokedError as error:
        raise Refused(Reason.REVOKED if error.is_ee_cert else Reason.CA_REVOKED, str(error)) from error
    except errors.InsufficientRevinfoError as error:
        raise Refused(Reason.REVOCATION_UNKNOWN, str(error)) from error
    except errors.DisallowedAlgorithmError as error:
        raise Refused(Reason.WEAK_KEY, str(error)) from error
    except errors.ValidationError as error:
        raise Refused(Reason.CHAIN, str(error)) from error


def _finish(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that has nothing to wait for, with no event loop and inside one alike."""
    try:
        work.send(None)
    except StopIteration:
        return
    finally:
        work.close()
    raise RuntimeError("the path validator wanted to wait")
