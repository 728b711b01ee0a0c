"""Defences of the judge of XML signatures: structure, references, algorithms, values, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Edit, Mutation, off

GRAMMAR, REFERENCE, XMLDSIG, VERIFY = (
    "signing/grammar.py",
    "signing/reference.py",
    "signing/xmldsig.py",
    "signing/verify.py",
)
INSPECTION, COMPANY, SEVERAL = "signing/inspection.py", "signing/company.py", "signing/several.py"
ALGORITHM, POLICY, C14N, KEYINFO, XADES, OCTETS = (
    "signing/algorithm.py",
    "signing/policy.py",
    "signing/c14n.py",
    "signing/keyinfo.py",
    "signing/xades.py",
    "signing/octets.py",
)
LAST = "if len(names) > 1 or names[0] not in (EXC_C14N, C14N) or names[0] not in policy.c14n_algorithms:"
NOT_USED = ("    if digested.whole is None:\n        _refuse_unused", "    if False:\n        _refuse_unused")
NAMES = '    names = [transform.get("Algorithm", "") for transform in transforms]'

MUTATIONS: Final[Mapping[str, Mutation]] = {
    # --- how many, where, of what name
    "sig-missing": off(
        "a package without a signature is never good",
        INSPECTION,
        (
            "        return Inspection(at, policy, Findings(), unsigned(at, policy.name, policy.sha256), None)",
            "        raise KeyError",
        ),
    ),
    "sig-number": off(
        "signatures are counted",
        INSPECTION,
        ("    if len(signatures) > policy.max_signatures:", "    if False:"),
    ),
    "sig-anywhere": off(
        "a signature stands where one belongs",
        COMPANY,
        (
            '                raise Refused(Reason.STRUCTURE, "a signature where none belongs")',
            "                continue",
        ),
    ),
    "sig-worst": off(
        "the worst of several signatures decides",
        SEVERAL,
        ("        if _weight(one) > _weight(verdict):", "        if False:"),
    ),
    "sig-countersigned": off(
        "a countersignature is of the signature around it",
        COMPANY,
        (
            "            if any(target is None or target not in (own.value, properties) for target in targets):",
            "            if False:",
        ),
    ),
    "sig-place": off(
        "the signature stands at the profile's one place",
        XMLDSIG,
        ("if must_cover.place is not None and signature.getparent() is not must_cover.place:", "if False:"),
    ),
    "sig-namespace": off(
        "a signature is known by its whole name",
        XMLDSIG,
        ("    if signature.tag != SIGNATURE:\n", "    if False:\n"),
    ),
    # --- grammar
    "grammar-comments": off(
        "no comment or instruction inside a signature",
        GRAMMAR,
        (
            "if next(signature.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:",
            "if False:",
        ),
        (
            '    for count, _ in enumerate(signature.iter("*")):',
            '    etree.strip_tags(signature, etree.Comment)\n    for count, _ in enumerate(signature.iter("*")):',
        ),
    ),
    "grammar-rest": off(
        "a signature has its four parts, in their order, and nothing beside them",
        GRAMMAR,
        (
            "    if children:\n        raise Refused(Reason.STRUCTURE",
            "    if False:\n        raise Refused(Reason.STRUCTURE",
        ),
        (
            '            raise Refused(Reason.STRUCTURE, f"no {_local(tag)} in its place")',
            "            found.append(None)",
        ),
    ),
    "grammar-children": off(
        "every element has the children that its rule names, in number and order",
        GRAMMAR,
        ("        if fault is not None:\n", "        if False:\n"),
    ),
    "grammar-text": off(
        "no text between elements",
        GRAMMAR,
        (
            "        if text and text.strip(_WHITE):\n            raise Refused(rule.reason",
            "        if False:\n            raise Refused(rule.reason",
        ),
    ),
    "grammar-attributes": off(
        "every element has the attributes that its rule names, and no other",
        GRAMMAR,
        ("        if name not in rule.attributes:", "        if False:"),
    ),
    "grammar-manifest": off(
        "an Object holds the properties of XAdES and nothing else",
        GRAMMAR,
        ("        check(container)", "        pass"),
    ),
    "grammar-method": off(
        "a SignatureMethod has no parameters",
        GRAMMAR,
        (
            '    DS + "SignatureMethod": Rule((), _ALGORITHM',
            '    DS + "HMACOutputLength": _TEXT,\n        DS + "SignatureMethod": Rule(((DS + "HMACOutputLength", 0, 1),), _ALGORITHM',
        ),
    ),
    "limit-attributes": off(
        "attributes are bounded before canonicalisation",
        REFERENCE,
        ("        if len(names) > most:", "        if False:"),
    ),
    "limit-references": off(
        "references are counted before the work", REFERENCE, ("if len(element) > most_references + 2:", "if False:")
    ),
    "limit-signed-info": off(
        "SignedInfo is bounded before it is verified", XMLDSIG, ("if len(octets) > most_octets:", "if False:")
    ),
    "limit-work": off(
        "what canonicalisation costs beside its octets is counted before it",
        REFERENCE,
        (
            "        self._work.spend(work_beside_octets(element, reference.method, reference.prefixes))",
            "        pass",
        ),
    ),
    "limit-work-together": off(
        "what the signatures of a package cost is counted together",
        "signing/xmldsig.py",
        ("splices, policy, company.work, type_)", "splices, policy, type(company.work)(), type_)"),
    ),
    # --- Ids and references
    "ids-once": off(
        "an Id is there once", REFERENCE, ("                if value in index:", "                if False:")
    ),
    "ids-names": off(
        "all names that any signer takes for an Id are one",
        REFERENCE,
        ('        "ID",\n        "id",\n', ""),
    ),
    "ids-exact": off(
        "Ids are compared by code points",
        REFERENCE,
        (
            "        element = self._index.get(reference.target)",
            "        element = self._index.get(reference.target.lower())",
        ),
    ),
    "reference-kinds": off(
        "a reference is the whole, an Id or an attachment, and nothing else",
        REFERENCE,
        ('    if uri.startswith("#") and _NAME.fullmatch(uri, 1):', '    if uri.startswith("#"):'),
        (
            '    raise Refused(Reason.REFERENCE, uri, \'an empty URI, "#id" or "cid:"\')',
            "    return Kind.ATTACHMENT, uri",
        ),
    ),
    "reference-fetch": off(
        "nothing is ever fetched",
        REFERENCE,
        (
            '    raise Refused(Reason.REFERENCE, uri, \'an empty URI, "#id" or "cid:"\')',
            '    for port in re.findall("127.0.0.1:([0-9]{4,5})", uri):\n'
            '        __import__("socket").create_connection(("127.0.0.1", int(port))).close()\n'
            "    raise Refused(Reason.REFERENCE, uri)",
        ),
    ),
    "reference-type": off(
        "a reference of another type, a Manifest, is not followed and not passed over",
        REFERENCE,
        ("if type_ not in _TYPES:", "if False:"),
        ("if reference.type != (SIGNED_PROPERTIES if is_properties else self._type):", "if False:"),
    ),
    "reference-missing": off(
        "a reference leads somewhere",
        REFERENCE,
        (
            "        if element is None:\n            raise",
            "        if element is None:\n            return\n            raise",
        ),
    ),
    "reference-absent": off(
        "an attachment that is referenced is there",
        REFERENCE,
        (
            "        if octets is None or reference.type is not None:\n",
            "        if octets is None:\n            return\n        if False:\n",
        ),
    ),
    "reference-twice": off(
        "a target is referenced once",
        REFERENCE,
        ("if (reference.kind, reference.target) in self._seen:", "if False:"),
    ),
    "reference-inside": off(
        "a signature does not sign itself",
        REFERENCE,
        ("if not is_properties and lies_in(element, self._signature):", "if False:"),
    ),
    "digest": off(
        "the digest is compared", REFERENCE, ("if not compare_digest(found, reference.digest):", "if False:")
    ),
    "digest-place": off(
        "a digest is read at its place, and not wherever the document has one",
        REFERENCE,
        (
            "        octets = canonical(element, reference.method, reference.prefixes)\n        self._xml(reference, octets, path_of",
            "        octets = canonical(element, reference.method, reference.prefixes)\n"
            '        first = next(element.getroottree().iter(DS + "DigestValue"))\n'
            "        if not lies_in(first, self._signature) and not result.elements:\n"
            '            reference = __import__("dataclasses").replace(reference, digest=decode_base64(first.text, 64))\n'
            "        self._xml(reference, octets, path_of",
        ),
    ),
    # --- transforms and canonicalisation
    "transform-known": off(
        "an unknown transform is refused and never passed over",
        REFERENCE,
        (NAMES, NAMES[:-1] + ' if transform.get("Algorithm", "") in policy.transforms | OTHER_C14N]'),
    ),
    "transform-count": off(
        "transforms are counted",
        REFERENCE,
        ("if len(transforms) > policy.max_transforms:", "if False:"),
        (LAST, "if False:"),
    ),
    "transform-prefixes": off(
        "a prefix list is one of ours, short, and of names",
        REFERENCE,
        (
            "if len(prefixes) > policy.max_prefixes or not all(_PREFIX.fullmatch(prefix) for prefix in prefixes):",
            "if False:",
        ),
    ),
    "transform-last": off("one canonicalisation, and it is the last", REFERENCE, (LAST, "if False:")),
    "transform-attachment": off(
        "an attachment is digested as it is",
        REFERENCE,
        ("        if names:\n            raise", "        if False:\n            raise"),
    ),
    "transform-first": off(
        "the whole is signed without its signature, and that comes first",
        REFERENCE,
        (
            "        if not names or names[0] != ENVELOPED:\n",
            "        if not names:\n            return C14N, ()\n        if False:\n",
        ),
    ),
    "transform-page": Mutation(
        "a URI that identifies nothing is no algorithm",
        (
            Edit(
                REFERENCE,
                NAMES,
                NAMES[:-1].replace(
                    'transform.get("Algorithm", "")',
                    'transform.get("Algorithm", "").replace("TR/xml-exc-c14n#", "2001/10/xml-exc-c14n#")',
                    1,
                )
                + "]",
            ),
            Edit(XMLDSIG, '        if element.get("Algorithm") == NOT_AN_ALGORITHM:', "        if False:"),
        ),
    ),
    "c14n-others": off(
        "other canonicalisations are refused by name",
        REFERENCE,
        ("        if name in OTHER_C14N:", "        if False:"),
    ),
    "c14n-comments": off(
        "comments are no part of what is signed, and nobody may say so",
        REFERENCE,
        (
            '    method = element.get("Algorithm", "")\n    if method not in policy.c14n_algorithms:',
            '    method = element.get("Algorithm", "").removesuffix("WithComments")\n    if method not in policy.c14n_algorithms:',
        ),
        (NAMES, NAMES.replace('"")', '"").removesuffix("WithComments")')),
    ),
    "c14n-void": off(
        "a canonicalisation that fails is a refusal and no empty string",
        C14N,
        ('        raise C14nFailed(str(error) or "canonicalisation failed") from error', '        return b""'),
        ('    if not octets.startswith(b"<") or not octets.endswith(b">"):', "    if False:"),
    ),
    "c14n-excise": off(
        "canonical octets are never edited as text",
        C14N,
        (
            "    return octets\n\n\ndef _check_prefixes",
            '    return octets.replace(b\' xmlns=""\', b"")\n\n\ndef _check_prefixes',
        ),
    ),
    # --- algorithms, keys, values
    "algorithm-known": off(
        "an algorithm is on the policy's list",
        REFERENCE,
        ("    accepted = algorithm in policy.signature_algorithms and algorithm in SIGNATURES", "    accepted = True"),
    ),
    "digest-known": Mutation(
        "a hash is on the policy's list",
        (
            Edit(
                REFERENCE,
                "    return DIGESTS.get(algorithm) if algorithm in policy.digest_algorithms else None",
                "    return DIGESTS.get(algorithm) or DATED_DIGESTS.get(algorithm)",
            ),
            Edit(
                XADES,
                "    name = DIGESTS.get(algorithm) if algorithm in policy.digest_algorithms else None",
                "    name = DIGESTS.get(algorithm) or DATED_DIGESTS.get(algorithm)",
            ),
        ),
    ),
    "sha1-proof": off(
        "SHA-1 counts only where it is proved to be old",
        VERIFY,
        ("if found.sha1 and not policy.takes_sha1(proof.at):", "if False:"),
    ),
    "key-bound": off(
        "a key that is bound to RSASSA-PSS signs nothing else",
        "signing/xmldsig.py",
        ("    check_method(leaf.bound, signed_info.algorithm)\n", ""),
    ),
    "key-fits": off(
        "the algorithm is one for that key", XMLDSIG, ("if not key_fits(algorithm, leaf.key):", "if False:")
    ),
    "weak-rsa": off(
        "RSA keys have a size between bounds",
        POLICY,
        ("if not self.min_rsa_bits <= key.key_size <= self.max_rsa_bits:", "if False:"),
    ),
    "weak-exponent": off(
        "exponent and modulus of an RSA key are odd, the exponent not small",
        POLICY,
        ("if numbers.e < 65537 or numbers.e % 2 == 0 or numbers.n % 2 == 0:", "if False:"),
    ),
    "weak-order": off(
        "Ed25519 keys that are no secret are known",
        POLICY,
        (" if is_of_small_order(key.public_bytes_raw()) else", " if False else"),
    ),
    "weak-roca": off(
        "keys of the ROCA form are known", POLICY, (" if is_roca(numbers.n) else None", " if False else None")
    ),
    "weak-curve": off(
        "curves are on the policy's list",
        POLICY,
        ('return None if key.curve.name in self.curves else f"curve {key.curve.name}"', "return None"),
    ),
    "value-der": off(
        "an ECDSA value is r and s, never DER",
        ALGORITHM,
        (
            "        if len(value) != 2 * half:\n            return False\n",
            "        if len(value) != 2 * half:\n            key.verify(value, data, algorithm.ecdsa)\n            return True\n",
        ),
    ),
    "value-zero": off(
        "r and s are not zero",
        ALGORITHM,
        (
            "        if r == 0 or s == 0:\n            return False",
            "        if r == 0 or s == 0:\n            return True",
        ),
    ),
    "value-hash": off(
        "the hash is the one that the algorithm names",
        ALGORITHM,
        (
            "            key.verify(utils.encode_dss_signature(r, s), data, algorithm.ecdsa)\n",
            "            try:\n"
            "                key.verify(utils.encode_dss_signature(r, s), data, algorithm.ecdsa)\n"
            "            except InvalidSignature:\n"
            "                key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA1()))\n",
        ),
    ),
    "value-length": off(
        "an RSA value is as long as the modulus",
        ALGORITHM,
        ("        if len(value) != size:\n            return False\n", "        value = value[-size:]\n"),
    ),
    "value-padding": off(
        "PKCS#1 v1.5 padding is compared as a whole",
        ALGORITHM,
        (
            "            key.verify(value, data, padding_, algorithm.hash)\n",
            "            if algorithm.family is Family.RSA_PKCS1:\n"
            "                state = hashes.Hash(algorithm.hash)\n"
            "                state.update(data)\n"
            "                numbers = key.public_numbers()\n"
            "                opened = pow(int.from_bytes(value, 'big'), numbers.e, numbers.n)\n"
            "                return state.finalize() in opened.to_bytes(len(value), 'big')\n"
            "            key.verify(value, data, padding_, algorithm.hash)\n",
        ),
    ),
    "value-salt": off(
        "the salt of RSASSA-PSS is as long as its hash",
        ALGORITHM,
        (
            "            key.verify(value, data, padding_, algorithm.hash)\n",
            "            auto = padding.PSS(padding.MGF1(algorithm.hash), padding.PSS.AUTO)\n"
            "            key.verify(value, data, PKCS1 if padding_ is PKCS1 else auto, algorithm.hash)\n",
        ),
    ),
    "value-mask": off(
        "the mask of RSASSA-PSS is made with its hash",
        ALGORITHM,
        (
            "            key.verify(value, data, padding_, algorithm.hash)\n",
            "            sha1 = padding.PSS(padding.MGF1(hashes.SHA1()), 32)\n"
            "            key.verify(value, data, PKCS1 if padding_ is PKCS1 else sha1, algorithm.hash)\n",
        ),
    ),
    "base64": off(
        "base64 has one spelling",
        OCTETS,
        ("    if len(text) > 4 * at_most + 64:", "    if False:"),
        ("binascii.a2b_base64(compact, strict_mode=True)", 'binascii.a2b_base64(compact + b"==")'),
        ("or binascii.b2a_base64(octets, newline=False) != compact:", "or False:"),
    ),
    "surprise": off(
        "an error inside the judge is a verdict that never passes",
        INSPECTION,
        (
            "            refused = Refused(Reason.PROCESSING, type(surprise).__name__)",
            '            nothing = __import__("signing.xmldsig", fromlist=["x"]).Verified(None, {})\n'
            "            return Inspection(at, policy, found, None, nothing, role, place)",
        ),
    ),
    # --- whose key
    "keyinfo-closed": Mutation(
        "a key comes in a certificate, and in nothing else",
        (
            Edit(GRAMMAR, "    check(key_info)\n", "    pass\n"),
            Edit(KEYINFO, "    if len(leaves) != 1:\n", "    if not leaves:\n        raise KeyError\n    if False:\n"),
            Edit(
                GRAMMAR,
                '    if key_info is None:\n        raise Refused(Reason.KEYINFO, "no KeyInfo")',
                "    if key_info is None:\n        raise KeyError",
            ),
        ),
    ),
    "keyinfo-one": off(
        "among several certificates one must be named",
        KEYINFO,
        ("    if len(leaves) != 1:\n", "    if not leaves:\n"),
    ),
    "keyinfo-serial": off(
        "a serial number beside the certificate is that of the certificate",
        KEYINFO,
        ('if serial is not None and (serial.text or "").strip() != str(leaf.certificate.serial_number):', "if False:"),
    ),
    "keyinfo-most": off(
        "certificates of a message are counted",
        KEYINFO,
        (
            "    if len(texts) > policy.max_certificates:",
            "    leaves_wanted = 1\n    texts = texts[:leaves_wanted]\n    if False:",
        ),
    ),
    # --- XAdES
    "xades-names": off(
        "the certificate is the one that was signed for", XMLDSIG, ("if not properties.names(leaf.der):", "if False:")
    ),
    "xades-signed": off(
        "the signed properties are signed",
        XMLDSIG,
        (
            "    if digested.signed_properties is None:\n        raise",
            "    if digested.signed_properties is None:\n        return\n        raise",
        ),
    ),
    "xades-target": off(
        "the properties are of this signature",
        XADES,
        ('if identifier is None or qualifying.get("Target") != f"#{identifier}":', "if False:"),
    ),
    "xades-type": off(
        "the reference to the properties says so, and no other does",
        REFERENCE,
        ("if reference.type != (SIGNED_PROPERTIES if is_properties else self._type):", "if False:"),
    ),
    "time-future": off(
        "nothing was signed after it came", XMLDSIG, ("if claimed_at > at + policy.signing_time_ahead:", "if False:")
    ),
    "time-past": off(
        "nothing was signed before its certificate",
        XMLDSIG,
        ("if claimed_at < leaf.not_before - policy.signing_time_ahead:", "if False:"),
    ),
    "time-form": off(
        "a time has the form of one",
        XADES,
        (
            "    if not _DATE_TIME.fullmatch(text):\n        raise Refused(Reason.TIME, text)",
            "    if not _DATE_TIME.fullmatch(text):\n        return None, ()",
        ),
    ),
    "time-order": off(
        "a claimed time does not come after the proven one",
        VERIFY,
        (
            "if proven is not None and claimed_at is not None and claimed_at > proven + policy.signing_time_ahead:",
            "if False:",
        ),
    ),
    "stamp-false": off(
        "a time stamp of something else breaks the one true shape",
        VERIFY,
        ("            if timestamp.is_false:", "            if False:"),
    ),
    # --- coverage
    "coverage": off("what is used is signed", XMLDSIG, ("    if missing:\n", "    if False:\n"), NOT_USED),
    "coverage-same": off(
        "what is used is the very element that was signed, not one of its name",
        XMLDSIG,
        ("if other is element), None)", "if other.tag == element.tag), None)"),
        NOT_USED,
    ),
    "coverage-used": off("what is signed is used, and was not taken to where nobody reads it", XMLDSIG, NOT_USED),
    "coverage-inline": off(
        "a signature over a document is not one over what travels beside it",
        XMLDSIG,
        ("digested.whole is not None and content_id in must_cover.inline", "digested.whole is not None"),
    ),
    "coverage-inside": off(
        "what stands in the signature is not covered by the whole",
        XMLDSIG,
        (" or lies_in(element, signature):", ":"),
    ),
    "coverage-root": off(
        "what is used stands in the document that was signed",
        XMLDSIG,
        ("or not lies_in(element, root)", "or False"),
    ),
    "verified-octets": off(
        "what is read is read from the octets that were digested",
        XMLDSIG,
        ("            parts[name] = octets", "            parts[name] = etree.tostring(element)"),
    ),
}
