"""The second opinion on one path: RFC 5280 §6 as pyhanko-certvalidator has it. The only file that imports it.

It judges names, constraints, policies and signatures along the path. Revocation is ours (`signing.revocation`): the
library takes 135 ms a certificate with a list of 20 000 entries, ours looks into an index.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from signing.refusal import Refused
from signing.store import Issuer
from signing.verdict import Reason

_NO_TOLERANCE: Final = timedelta(0)
_ALONE: Final = threading.Lock()
"""asn1crypto reads a part of a certificate when it is first asked for, and two threads that ask one certificate disturb
each other: a good signature was a `processing-error`. All of it is Python, so that nobody waits longer for this."""


@dataclass(frozen=True, slots=True)
class PathRules:
    """The inputs of RFC 5280 §6.1.1 (c) to (g): certificate policies by dotted name, any of them by default."""

    accepted: frozenset[str] = frozenset({"any_policy"})
    explicit: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False


ANY_POLICY: Final = PathRules()


def judge_path(
    leaf_der: bytes,
    path: Sequence[Issuer],
    at: datetime,
    rules: PathRules = ANY_POLICY,
    hashes: frozenset[str] = frozenset({"sha256", "sha384", "sha512"}),
) -> None:
    """Judge the path from `leaf_der` through `path`, whose last member is a self-signed root of ours, but for
    revocation. `Refused` if not good.

    Imported when first needed, because it takes a tenth of a second and most processes never judge a path. It is given
    this one path and fetches nothing.
    """
    with _ALONE:
        import signing.asn1  # noqa: F401 - before the library, which adds to what is set up there

        _judge_path(leaf_der, path, at, rules, hashes)


def _judge_path(
    leaf_der: bytes, path: Sequence[Issuer], at: datetime, rules: PathRules, hashes: frozenset[str]
) -> None:
    from pyhanko_certvalidator import ValidationContext, errors
    from pyhanko_certvalidator.authority import CertTrustAnchor
    from pyhanko_certvalidator.path import ValidationPath
    from pyhanko_certvalidator.policy_decl import (
        CertRevTrustPolicy,
        DisallowWeakAlgorithmsPolicy,
        PKIXValidationParams,
        RevocationCheckingPolicy,
        RevocationCheckingRule,
    )
    from pyhanko_certvalidator.validate import async_validate_path

    root = _load(path[-1].der)
    anchor = CertTrustAnchor(root, _names_below(root))
    leaf, between = _load(leaf_der), [_load(issuer.der) for issuer in reversed(path[:-1])]
    no_check = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
    weak = frozenset({"md2", "md5", "sha1"}) - hashes
    context = ValidationContext(
        trust_roots=[anchor],
        other_certs=between,
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(no_check),
        # Sizes and kinds of keys were judged before, by the one policy that the verdict names.
        algorithm_usage_policy=DisallowWeakAlgorithmsPolicy(weak, dsa_key_size_threshold=0),  # type: ignore[no-untyped-call]
        time_tolerance=_NO_TOLERANCE,
    )
    parameters = PKIXValidationParams(
        user_initial_policy_set=rules.accepted,
        initial_policy_mapping_inhibit=rules.inhibit_mapping,
        initial_explicit_policy=rules.explicit,
        initial_any_policy_inhibit=rules.inhibit_any,
    )
    try:
        _finish(async_validate_path(context, ValidationPath(anchor, between, leaf), parameters))
    except errors.DisallowedAlgorithmError as error:
        raise Refused(Reason.WEAK_KEY, str(error)) from error
    except errors.ValidationError as error:
        raise Refused(Reason.CHAIN, str(error)) from error


def _names_below(root: Any) -> Any:
    """The name constraints of a root, as RFC 5937 §3.2 has them apply; `None` where it has none. RFC 5280 §6.1 leaves a
    root's extensions aside, and we hold it to its own path length already."""
    from pyhanko_certvalidator.authority import TrustQualifiers
    from pyhanko_certvalidator.name_trees import process_general_subtrees
    from pyhanko_certvalidator.policy_decl import PKIXValidationParams

    from signing.asn1 import x509

    told = root.name_constraints_value
    if told is None:
        return None
    permitted, excluded = (
        process_general_subtrees(told[name]) if isinstance(told[name], x509.GeneralSubtrees) else None
        for name in ("permitted_subtrees", "excluded_subtrees")
    )
    names = PKIXValidationParams(initial_permitted_subtrees=permitted, initial_excluded_subtrees=excluded)
    return TrustQualifiers(standard_parameters=names)


def _load(der: bytes) -> Any:
    """A certificate as asn1crypto has it, read anew where reading has changed it.

    One with unique identifiers (PKITS 4.3.6) was good at its first judgement and had a wrong signature at the second.
    """
    kept = _read(der)
    if kept["tbs_certificate"].dump() in der:
        return kept
    return _read.__wrapped__(der)


@lru_cache(maxsize=256)
def _read(der: bytes) -> Any:
    from signing.asn1 import x509

    return x509.Certificate.load(der, strict=True)


def _finish(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that has nothing to wait for, with no event loop and inside one alike."""
    try:
        work.send(None)
    except StopIteration:
        return
    finally:
        work.close()
    raise RuntimeError("the path validator wanted to wait")
