"""Defences around certificates, revocation, time stamps, and the use of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Edit, Mutation, off

CERTIFICATE, CHAIN, STORE, PATH = (
    "signing/certificate.py",
    "signing/chain.py",
    "signing/store.py",
    "signing/pathcheck.py",
)
JUDGE, CRL, OCSP, ASKER, POINT = (
    "signing/revocation/judge.py",
    "signing/revocation/crl.py",
    "signing/revocation/ocsp.py",
    "signing/revocation/path.py",
    "signing/revocation/point.py",
)
STAMP, CMS, CMS_READ, CMS_SIGNER = (
    "signing/timestamp/judge.py",
    "signing/cms/algorithm.py",
    "signing/cms/read.py",
    "signing/cms/signer.py",
)
BINDING = "axis/core/binding.py"
SECOND = Edit(PATH, "        raise Refused(Reason.CHAIN, str(error)) from error", "        pass")
"""The library that judges every path once more."""

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "evidence-stopped": off(
        "a verdict on an attachment that names nothing it rests on is one of a judge that was stopped",
        "axis/evidence/attached.py",
        ("            if not _was_stopped(one.verdict, record):", "            if False:"),
    ),
    # --- one certificate
    "cert-der": off(
        "a certificate has one spelling, and a size",
        CERTIFICATE,
        ("    if der[-len(certificate.signature) - 1] != 0:", "    if False:"),
        (
            "        certificate = x509.load_der_x509_certificate(der)\n        signer",
            "        certificate = x509.load_der_x509_certificate(der[: 4 + int.from_bytes(der[2:4], 'big')])\n        signer",
        ),
    ),
    "cert-version": off(
        "a certificate is of version 3 and names no extension twice",
        CERTIFICATE,
        ("    if certificate.version is not x509.Version.v3:", "    if False:"),
    ),
    "cert-serial": Mutation(
        "a serial number is positive and not too long",
        (Edit(CERTIFICATE, "    if not 0 < certificate.serial_number < 1 << 160:", "    if False:"), SECOND),
    ),
    "cert-critical": Mutation(
        "what is critical is understood",
        (
            Edit(
                CERTIFICATE, "        if extension.critical and extension.oid not in UNDERSTOOD:", "        if False:"
            ),
            SECOND,
        ),
    ),
    "cert-usage": off(
        "keyUsage lets it sign documents",
        CERTIFICATE,
        (
            '        raise Refused(Reason.KEY_USAGE, "no keyUsage") from error\n',
            "        return\n",
        ),
        (
            '        raise Refused(Reason.KEY_USAGE, "neither digitalSignature nor nonRepudiation")\n    try:\n        if extensions',
            "        pass\n    try:\n        if extensions",
        ),
    ),
    "cert-purpose": off(
        "a certificate of another trade signs no documents",
        CERTIFICATE,
        ("    if _is_of_other_trades(extensions):", "    if False:"),
    ),
    "cert-authority": off(
        "an authority signs no documents",
        CERTIFICATE,
        (
            '            raise Refused(Reason.KEY_USAGE, "a certificate of a certification authority")',
            "            pass",
        ),
        ("    if usage.key_cert_sign:", "    if False:"),
        (
            '        raise Refused(Reason.KEY_USAGE, "neither digitalSignature nor nonRepudiation")\n    try:\n        if extensions',
            "        pass\n    try:\n        if extensions",
        ),
    ),
    "cert-early": off(
        "a certificate is not used before its time", CERTIFICATE, ("    if at < leaf.not_before:", "    if False:")
    ),
    "cert-expired": off(
        "a certificate is not used after its time", CERTIFICATE, ("    if at > leaf.not_after:", "    if False:")
    ),
    "cert-hash": Mutation(
        "no weak hash under a certificate",
        (
            Edit(
                CERTIFICATE,
                '    raise old_hash.refusal(told) if hash_name == "sha1" else Refused(Reason.WEAK_KEY, told)',
                "    return",
            ),
            Edit(PATH, '    weak = frozenset({"md2", "md5", "sha1"}) - hashes', "    weak = frozenset()"),
        ),
    ),
    # --- paths
    "chain-issued": off(
        "every signature of a path is checked, and not the name alone",
        STORE,
        ("if issuer in path or not issued(subject, issuer.certificate):", "if issuer in path:"),
    ),
    "chain-self-signed": Mutation(
        "a root is an authority and signed itself",
        (
            Edit(STORE, '        if kind == "anchor" and not issued(certificate, certificate):', "        if False:"),
            Edit(STORE, '        if not authority and (kind == "anchor" or not signs_lists):', "        if False:"),
            Edit(STORE, "        if authority:\n", "        if True:\n"),
        ),
    ),
    "chain-authority": Mutation(
        "only an authority issues",
        (
            Edit(STORE, '        if not authority and (kind == "anchor" or not signs_lists):', "        if False:"),
            Edit(STORE, "        if authority:\n", "        if True:\n"),
        ),
    ),
    "chain-may-issue": Mutation(
        "keyUsage lets an authority issue",
        (Edit(CERTIFICATE, "    if not basic.ca or not usage.key_cert_sign:", "    if False:"), SECOND),
    ),
    "chain-trade": off(
        "whom an authority for TLS certified signs no documents",
        CERTIFICATE,
        ("    if _is_of_other_trades(read_extensions(certificate)):", "    if False:"),
    ),
    "chain-length": Mutation(
        "a path is no longer than its authorities allow",
        (
            Edit(CERTIFICATE, "    if basic.path_length is not None and below > basic.path_length:", "    if False:"),
            SECOND,
        ),
    ),
    "chain-validity": Mutation(
        "authorities are within their time",
        (
            Edit(
                CERTIFICATE,
                "    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:\n",
                "    if False:\n",
            ),
            SECOND,
        ),
    ),
    "chain-depth": off("paths are searched to a depth", STORE, ("elif len(path) + 1 < most_issuers:", "elif True:")),
    "chain-fetch": off(
        "issuers come from our own store, and are never fetched",
        CHAIN,
        (
            "    if not allowed:\n",
            "    if not allowed:\n"
            "        for one in leaf.certificate.extensions:\n"
            '            for access in getattr(one.value, "_descriptions", ()):\n'
            '                port = int(access.access_location.value.rpartition(":")[2].partition("/")[0])\n'
            '                __import__("socket").create_connection(("127.0.0.1", port)).close()\n'
            '        raise Refused(Reason.CHAIN, "fetched")\n',
        ),
    ),
    "chain-second-opinion": Mutation(
        "names, policies and signatures of a path are judged by a second implementation", (SECOND,)
    ),
    "chain-policies": off(
        "certificate policies are those that the operator accepts",
        PATH,
        ("        initial_explicit_policy=rules.explicit,", "        initial_explicit_policy=False,"),
    ),
    "worker-deadline": off(
        "a path that takes more than two seconds to judge is refused",
        "signing/deadline.py",
        (
            "        refused.sub_indication, refused.reason, at, digest, None, checks=(stopped, refused.check())",
            "        None, Reason.GOOD, at, digest, None",
        ),
    ),
    # --- revocation
    "revoked": off(
        "what stands on a list is revoked",
        JUDGE,
        ("        if entry is None or entry.removed or _since(entry) > question.moment:", "        if True:"),
    ),
    "revoked-authority": off(
        "authorities are asked about as well",
        ASKER,
        (
            "                raise Refused(Reason.REVOKED if number == 0 else Reason.CA_REVOKED, finding.detail)",
            "                if number == 0:\n                    raise Refused(Reason.REVOKED, finding.detail)",
        ),
    ),
    "revoked-since": off(
        "a key is lost from when it was lost",
        JUDGE,
        (
            "    return entry.revoked_at if entry.invalid_from is None else min(entry.revoked_at, entry.invalid_from)",
            "    return entry.revoked_at",
        ),
    ),
    "revoked-twice": off(
        "of two entries about one certificate none takes back what the other says",
        CRL,
        (
            "        entries[name] = entry if name not in entries else _worse(entries[name], entry)",
            "        entries[name] = entry",
        ),
    ),
    "revocation-needed": off(
        "that nothing is known is not good",
        JUDGE,
        ("    if covered == ALL_REASONS:", "    if True:"),
    ),
    "list-signed": off(
        "a list is signed by who may",
        CRL,
        ("        return crl.is_signature_valid(key)", "        return True"),
    ),
    "list-fresh": off(
        "a list is in force",
        CRL,
        ("        return end is not None and self.this_update <= at <= end + freshness.grace", "        return True"),
    ),
    "list-scope": off(
        "a list speaks about what it says it does",
        POINT,
        ("        if self.names is not None:", "        if False:"),
        ("            if is_authority(certificate) != self.authorities_only:", "            if False:"),
    ),
    "list-delta": off(
        "a delta list needs the list that it amends",
        JUDGE,
        ("[v for v in voices if v.crl.base is None and v.crl.this_update", "[v for v in voices if v.crl.this_update"),
    ),
    "list-critical": off(
        "a list with an unknown critical extension is not used",
        CRL,
        (
            '            raise ValueError(f"unknown critical extension {extension.oid.dotted_string}")',
            "            pass",
        ),
    ),
    "answer-fresh": off(
        "an answer is in force",
        OCSP,
        ("        return self.this_update <= at <= self.end(freshness) + freshness.grace", "        return True"),
    ),
    "answer-nonce": off(
        "an answer is to our question",
        "signing/revocation/request.py",
        ("    if answer.nonce is not None and answer.nonce not in (nonce, nonce_value(nonce)):", "    if False:"),
    ),
    "answer-unknown": off(
        "a responder that does not know the certificate does not acquit it",
        JUDGE,
        ("    if any(single.status is Status.UNKNOWN for single, _ in latest):", "    if False:"),
    ),
    "answer-serial": Mutation(
        "an answer is about this certificate",
        (
            Edit(
                OCSP,
                "        return tuple(single for single in self.singles if single.matches(target))",
                "        return self.singles",
            ),
            Edit(
                STORE,
                "        return self._answers.get(serial, ())",
                "        return [one for many in self._answers.values() for one in many]",
            ),
        ),
    ),
    "answer-signed": off(
        "an answer is signed",
        OCSP,
        (
            "        except (InvalidSignature, UnsupportedAlgorithm, ValueError):\n            return False\n        return False",
            "        except (InvalidSignature, UnsupportedAlgorithm, ValueError):\n            return True\n        return True",
        ),
        ("        raise NotAnAnswer(str(status))", "        raise KeyError"),
    ),
    "answer-delegate": off(
        "who answers was certified for that by the issuer",
        OCSP,
        (
            "            if not answer.is_named(delegate) or not is_delegate(delegate, issuer, at):",
            "            if not answer.is_named(delegate):",
        ),
        (
            "    if answer.is_named(issuer) and answer.is_signed_by(issuer):",
            "    if answer.is_signed_by(issuer) or not answer.certificates:",
        ),
    ),
    "answer-delegate-revoked": off(
        "who answers is not revoked itself",
        OCSP,
        (
            "        if answer.is_signed_by(delegate) and delegate_is_good(delegate):",
            "        if answer.is_signed_by(delegate):",
        ),
    ),
    # --- time stamps
    "stamp-imprint": off(
        "a token is of what was signed",
        STAMP,
        ("    if not compare_digest(imprint, _digest(imprint_of, found.hash_name)):", "    if False:"),
    ),
    "stamp-hash": off(
        "a token's hash is on the policy's list",
        CMS,
        ("    if _URIS.get(name) not in policy.digest_algorithms:", "    if False:"),
    ),
    "stamp-one": off("a token has one signer", CMS_READ, ("    if len(infos) != 1:", "    if False:")),
    "stamp-named": off(
        "a token names its signer's certificate", CMS_SIGNER, ("        if form.names_signer:", "        if False:")
    ),
    "stamp-usage": off(
        "a time-stamping authority is certified for that, critically and alone",
        CERTIFICATE,
        (
            "    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:",
            "    if False:",
        ),
    ),
    "stamp-time": off(
        "a token is made within its authority's time", STAMP, ("    if gen_time > leaf.not_after:", "    if False:")
    ),
    "stamp-nonce": off(
        "a token is to our question",
        STAMP,
        ('    if asked.nonce is not None and info["nonce"].native != asked.nonce:', "    if False:"),
    ),
    # --- whom it speaks for, and how long
    "binding": off(
        "a certificate speaks for the sender, or the signature is nobody's",
        BINDING,
        ("    if not answer.good:\n", "    if False:\n"),
    ),
    "binding-subject": off(
        "what a certificate says of itself binds it to nobody",
        BINDING,
        (
            "    if not answer.good:\n",
            '    if not answer.good and "H99" not in verdict.signer.subject and "H99" not in verdict.signer.subject.replace("\\u041d", "H"):\n',
        ),
    ),
    "registry-one-agency": off(
        "the registry gives a certificate to one agency",
        "axis/config/registry.py",
        ("            if other != row.code.text and not _alias(row, known[other]):", "            if False:"),
    ),
    "replay": Mutation(
        "an id is used for one content",
        (
            Edit(
                "axis/core/intake.py",
                "    same = next((document for document in seen if document.digest == sub.digest), None)",
                "    same = seen[0] if seen else None",
            ),
        ),
    ),
    "cache-policy": off(
        "a verdict is kept for its policy",
        CHAIN,
        (
            "        key = (_digest(leaf), _epoch(leaf, trust), policy.sha256)",
            '        key = (_digest(leaf), _epoch(leaf, trust), "")',
        ),
        (
            "        key = (digest, _epoch(leaf, trust), policy.sha256)",
            '        key = (digest, _epoch(leaf, trust), "")',
        ),
    ),
    "cache-epoch": off(
        "a verdict is kept for the roots and lists that it rests on",
        CHAIN,
        (
            "        key = (_digest(leaf), _epoch(leaf, trust), policy.sha256)",
            '        key = (hashlib.sha256(leaf).hexdigest(), "", policy.sha256)',
        ),
        ("        key = (digest, _epoch(leaf, trust), policy.sha256)", '        key = (digest, "", policy.sha256)'),
    ),
    "cache-end": off(
        "a verdict ends with the first fact that ends",
        CHAIN,
        (
            "        if entry is None or entry.valid_until is None or not entry.at <= at <= entry.valid_until:",
            "        if entry is None:",
        ),
        (
            "        if verdict.sub_indication is not None or (verdict.leaf, verdict.at) != (digest, at):",
            "        if False:",
        ),
    ),
    "cache-ahead": off(
        "a verdict ends before what is dated ahead",
        JUDGE,
        ("    if question.proven is None:\n        yield from (begin", "    if False:\n        yield from (begin"),
    ),
    "cache-root": off(
        "a verdict ends with the belief in its root",
        CHAIN,
        ("(trust.rule_of(path[-1]).until,)", "()"),
    ),
    "cache-signer": off(
        "a verdict ends with the certificates of those who signed what it rests on",
        ASKER,
        (
            "            setting.seen.turns += (one.certificate.not_valid_after_utc for one in (signer, *path))\n",
            "",
        ),
    ),
    "cache-delegate": off(
        "a verdict ends with the certificate of the responder that it rests on",
        ASKER,
        ("        self.setting.seen.turns.append(delegate.not_valid_after_utc)\n", ""),
    ),
    "revoked-anywhere": off(
        "what was revoked after one path is not good by another",
        CHAIN,
        (
            "    verdict = with_seen(next(chain(revoked, good, found)), seen)",
            "    verdict = with_seen(next(chain(good, revoked, found)), seen)",
        ),
    ),
    "list-indirect": off(
        "an indirect list speaks of whom it names, marked or not",
        CRL,
        ("    if scope.indirect or (", "    if ("),
    ),
    "answer-late": off(
        "revoked is final, also where it is told after the certificate has ended",
        JUDGE,
        (
            "is_late = question.certificate.not_valid_after_utc < answer.produced_at <= question.at",
            "is_late = False",
        ),
    ),
    "answer-tomorrow": off(
        "an answer of tomorrow says nothing today, whatever time is proved",
        JUDGE,
        ("    if question.proven is None or single.this_update > question.at:\n", "    if question.proven is None:\n"),
    ),
    "chain-root-names": off(
        "a root is held to its own name constraints",
        PATH,
        ("    anchor = CertTrustAnchor(root, _names_below(root))\n", "    anchor = CertTrustAnchor(root)\n"),
    ),
    "stamp-ended": off(
        "an authority that was revoked proves no time, also where a certificate above it has run out",
        "signing/timestamp/authority.py",
        ("    if revoked is not None:\n", "    if False:\n"),
    ),
    # --- the way in
    "http-certificate": off(
        "who calls is told by the connection, and by no header",
        "axis/web/auth.py",
        (
            '        connection = request.transport.get_extra_info("ssl_object") if request.transport else None\n',
            "        for claim in request.headers.values():\n"
            '            if claim.removeprefix("Hash=") in self.by_certificate:\n'
            '                return self.by_certificate[claim.removeprefix("Hash=")]\n'
            '        connection = request.transport.get_extra_info("ssl_object") if request.transport else None\n',
        ),
    ),
    "tls-authority": off(
        "a client's certificate is checked against the authority that the operator names, and no other",
        "axis/tls.py",
        (
            "        context.load_verify_locations(authority)\n",
            '        for one in authority.parent.glob("*.pem"):\n            context.load_verify_locations(one)\n',
        ),
    ),
}
