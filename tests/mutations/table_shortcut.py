"""Conditions of the shortcuts (`schemas/layout.py`, `signing/shape.py`, `schemas/plain.py`, `axis/flow/usual.py` and
what else is quick for the usual package), each of which keeps out what a longer way refuses.

They belong to no line of the refusal table: without a shortcut every line holds just the same. Where two conditions
stand in a row, defence in depth, a mutation switches off both. One has no mutation, because what comes without it
is an exception that `recognise` takes for "not of the shape": that a key has a checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Edit, Mutation, off

SHAPE, LAYOUT, PLAIN = "signing/shape.py", "schemas/layout.py", "schemas/plain.py"
USUAL, READING = "axis/flow/usual.py", "schemas/reading.py"

ANY_ID: Final = ('_ID: Final = r"[A-Za-z_][A-Za-z0-9_.\\-]{0,199}+"', "_ID: Final = r'[^\"<]{0,199}+'")

MUTATIONS: Final[Mapping[str, Mutation]] = {
    # --- where, how many
    "shape-depth": off("depth is bounded", SHAPE, (' or laid.place.count("/") > policy.max_depth:', ":")),
    "shape-end": off(
        "nothing stands between the signature and its end",
        SHAPE,
        ("    if rest is None or rest.end() != laid.end:", "    if rest is None:"),
    ),
    "shape-cid": off(
        "the name of an attachment is of characters that need no other spelling",
        SHAPE,
        ('_CID: Final = r"[!#-%\'-;=?-~]{1,300}+"', "_CID: Final = r'[^\"<>&]{1,300}+'"),
    ),
    "shape-certificate-text": off(
        "so is that of a certificate",
        SHAPE,
        ('_BASE64: Final = r"([A-Za-z0-9+/=]{1,12000}+)"', '_BASE64: Final = r"([^<]{1,12000}+)"'),
    ),
    # --- whose key, which policy
    "shape-target": off(
        "the properties are of this signature", SHAPE, ("    if target != name or digest", "    if digest")
    ),
    "shape-certificate": off("the properties name the certificate", SHAPE, ("or digest != key.digest or", "or")),
    "shape-value": off(
        "the value is one of the key", SHAPE, (" or not key.made(value, _SIGNED_INFO % (algorithm, written)):", ":")
    ),
    "shape-spelling": off(
        "the value is base64 of one spelling", SHAPE, ("        return canonically and self", "        return self")
    ),
    "shape-c14n": off(
        "exclusive C14N is on the policy's list",
        SHAPE,
        ("        EXC_C14N in policy.c14n_algorithms\n        and ", "        "),
    ),
    "shape-transforms": off(
        "so are both transforms", SHAPE, ("        and {ENVELOPED, EXC_C14N} <= policy.transforms\n", "")
    ),
    "shape-sha256": off(
        "so is the hash that names the certificate",
        SHAPE,
        ("        and SHA256_DIGEST in policy.digest_algorithms\n", ""),
    ),
    "shape-references": off("references are counted", SHAPE, ("policy.max_references_beyond_parts >= 2", "True")),
    "shape-two": off("transforms are counted", SHAPE, ("policy.max_transforms >= 2 and ", "")),
    "shape-one": off("certificates are counted", SHAPE, ("policy.max_certificates >= 1 and ", "")),
    "shape-attributes": off("attributes are counted", SHAPE, (" and policy.max_attributes >= 4", "")),
    "shape-algorithm": off(
        "the signature algorithm is on the policy's list", SHAPE, (" or uri not in policy.signature_algorithms:", ":")
    ),
    "shape-weak": off(
        "the key is strong enough", SHAPE, ("    if policy.weakness(leaf.key) is not None or check", "    if check")
    ),
    "shape-bound": off("the key is for signatures of that kind", SHAPE, ("    check_method(leaf.bound, uri)\n", "")),
    "shape-kept": off(
        "a key is kept for its policy",
        SHAPE,
        ("    name = (certificate, algorithm, policy.sha256)", '    name = (certificate, algorithm, "")'),
    ),
    # --- Ids and references
    "shape-ids-once": off(
        "no Id is there twice",
        SHAPE,
        ("    if len(ids) != len(parts) + 2 + (value_id is not None):\n        return None\n", ""),
    ),
    "shape-id-name": Mutation(
        "an Id is of the form that a reference may have: asked where it stands, and where it is referred to",
        (
            Edit(SHAPE, "#[A-Za-z_][A-Za-z0-9_.\\-]{{0,199}}|cid:", '#[^"<>&\\s]{{0,300}}|cid:'),
            Edit(LAYOUT, *ANY_ID),
        ),
    ),
    "shape-part": off("a part is canonicalised", SHAPE, ("        if form == _OF_PART and named", "        if named")),
    "shape-part-hash": Mutation(
        "a part is referred to by its Id and no attachment's name, which no Id is like",
        (Edit(SHAPE, 'named in labels and uri[:1] == b"#":', "named in labels:"), Edit(LAYOUT, *ANY_ID)),
    ),
    "shape-properties": off(
        "the reference to the properties says so",
        SHAPE,
        ("        elif form == _OF_PROPERTIES and named", "        elif named"),
    ),
    "shape-whole": off(
        "the whole is without its signature",
        SHAPE,
        ("        elif form == _OF_WHOLE and not uri:", "        elif not uri:"),
    ),
    "shape-attachment": off(
        "an attachment is digested as it is", SHAPE, ("        elif form == _OF_ATTACHMENT and uri", "        elif uri")
    ),
    "shape-twice": off(
        "a target is referenced once", SHAPE, ("new = uri not in self.uris and algorithm", "new = algorithm")
    ),
    "shape-hash": off(
        "a hash is on the policy's list", SHAPE, (" and algorithm in self.policy.digest_algorithms\n", "\n")
    ),
    "shape-digest": off(
        "the digest is compared",
        SHAPE,
        ("        if not new or b2a_base64(digest, newline=False) != told:", "        if not new:"),
    ),
    "shape-octets": off(
        "octets are bounded, all together",
        SHAPE,
        ("        self.left -= count\n", "        self.left = self.policy.max_enveloped_bytes - count\n"),
    ),
    # --- where everything lies
    **{
        f"layout-{name}": off(f"octets of another form have no layout: {name}", LAYOUT, *pairs)
        for name, pairs in {
            "the declaration": [('encoding="UTF-8"\\?>\\n?)?', 'encoding="UTF-8"\\?>\\s*)?')],
            "the namespace": [("_NS: Final = re.escape(NAMESPACE)", "_NS: Final = '[^\"<&]*'")],
            "angles": [('_LETTER: Final = r"[^<>&', '_LETTER: Final = r"[^<&')],
            "references": [('_LETTER: Final = r"[^<>&', '_LETTER: Final = r"[^<>')],
            "carriage returns": [
                ('[^<>&\\x00-\\x08\\x0b-\\x1f\\xef]"', '[^<>&\\x00-\\x08\\x0b-\\x0c\\x0e-\\x1f\\xef]"')
            ],
            "what no character is": [('[^<>&\\x00-\\x08\\x0b-\\x1f\\xef]"', '[^<>&\\r\\xef]"')],
            "the last of the plane": [('\\x0b-\\x1f\\xef]"', '\\x0b-\\x1f]"')],
            "references that do not stay": [("&(?:amp|lt|gt);", "&(?:amp|lt|gt|quot);")],
            "Ids": [ANY_ID],
            "space before a value": [('r"((?! )[^<>', 'r"([^<>')],
            "space behind a value": [('\\xef]*+(?<! ))"', '\\xef]*+)"')],
            "references in a value": [('_VALUE: Final = r"((?! )[^<>&', '_VALUE: Final = r"((?! )[^<>')],
            "signatures elsewhere": [("(?!(?:Digital)?Signature>|", "(?!")],
            "attachments elsewhere": [("|AttachmentEncoded>)", ")")],
            "end tags": [('held = rf"{_TEXT}</edXML:(?P={name}{depth})>"', 'held = rf"{_TEXT}</edXML:[A-Za-z]+>"')],
            "end tags of what holds": [('depth - 1)}</edXML:(?P={name}{depth})>"', 'depth - 1)}</edXML:[A-Za-z]+>"')],
            "what stands before the signature": [("(?=<ds:Signature )", "(?=<)")],
            "the version of the manifest": [('version="1\\.0" Id="(?P<id>', 'version="[0-9.]+" Id="(?P<id>')],
            "carriage returns in a content": [('b"\\r" in text or ', "")],
            "the end of a content": [("        if not octets.startswith(_BEHIND_CONTENT, end) or", "        if")],
            "contents that are cut out": [(" and not left else -1", " else -1"), ("at = -1 if cuts else at", "pass")],
            "their order": [
                ("text == left[0].encode()", "text.decode() in left"),
                ("cuts[left.pop(0)]", "cuts[left.pop(left.index(text.decode()))]"),
            ],
            "what is behind": [(' or octets[at:].rstrip(b"\\n") != _END:', ":")],
            "the end of attachments": [("octets.startswith(_BLOCK_END, at) and", "True and")],
            "octets": [("        and size <= _MOST\n", "")],
            "octets of a tree": [("        and size <= limits.tree_bytes\n", "")],
            "elements": [("        few\n        and size", "        size")],
            "elements of a site": [("min(limits.elements, _ELEMENTS)", "_ELEMENTS")],
            "levels": [("        and limits.depth >= _LEVELS\n", "")],
            "attributes": [("        and limits.attributes >= _DECLARATIONS\n", "")],
            "namespaces": [("        and limits.namespaces >= _DECLARATIONS\n", "")],
            "declarations": [("        and limits.declarations >= 2 * _DECLARATIONS\n", "")],
            "declarations of attachments": [(" or len(found) >= limits.declarations // 2:", ":")],
            "names": [("        and limits.name_length >= _NAME\n", "\n")],
        }.items()
    },
    "layout-empty": off(
        "the digest is of canonical octets",
        LAYOUT,
        ("_without_empty_tags(self.octets[self.begin : self.end])", "self.octets[self.begin : self.end]"),
    ),
    "layout-manifest": off(
        "attributes are in their order",
        LAYOUT,
        ('_LISTED: Final = b\' Id="%b" version="1.0">', '_LISTED: Final = b\' version="1.0" Id="%b">'),
    ),
    # --- coverage and time
    "shape-signed": off(
        "the properties are signed",
        SHAPE,
        ('    if b"#" + own_id not in told.uris or (document', "    if (document"),
    ),
    "shape-parts": off(
        "every part is signed",
        SHAPE,
        (" or (document is None and len(told.parts) != len(parts)):", ":"),
    ),
    "shape-inline": off(
        "an attachment is covered by the whole only if it is in it",
        SHAPE,
        ("    if not (document is not None and inline) and", "    if not (document is not None) and"),
    ),
    "shape-beside": off(
        "every attachment is signed, or in the whole that is",
        SHAPE,
        ("    if not (document is not None and inline) and any(", "    if not inline and any("),
    ),
    "shape-before": off(
        "nothing was signed before its certificate",
        SHAPE,
        ("    if not key.leaf.not_before - ahead <= claimed_at <=", "    if not claimed_at <="),
    ),
    "shape-after": off("nothing was signed after it came", SHAPE, (" <= at + min(OWN_CLOCKS, ahead):", ":")),
    "shape-clocks": off("what a policy tolerates is noted", SHAPE, ("at + min(OWN_CLOCKS, ahead)", "at + ahead")),
    "shape-ahead": off(
        "what a policy does not tolerate is refused", SHAPE, ("at + min(OWN_CLOCKS, ahead)", "at + OWN_CLOCKS")
    ),
    # --- what is proved from octets
    "plain-elements": off("elements are bounded", PLAIN, ('octets.count(b"<") > limits.elements', "False")),
    "plain-long": off("by octets", PLAIN, ("len(octets) > 4 * limits.elements and", "len(octets) > 1_000_000 and")),
    "plain-attributes": off(
        "attributes are bounded",
        PLAIN,
        ('octets.split(b"=", limits.attributes + 1)', 'octets.split(b"=")'),
        ("    if len(before) > limits.attributes + 1:", "    if False:"),
    ),
    "plain-space": off(
        "an attribute's name may be spaced from its sign",
        PLAIN,
        (' or b" =" in names or b"\\n=" in names or b"\\t=" in names or b"\\r=" in names:', ":"),
    ),
    "plain-base": off("xml:base is seen", PLAIN, ('b"se=" in names or ', "")),
    "plain-marks": off("comments and CDATA are seen", PLAIN, ('    if _holds(octets, b"<!", 0) or', "    if")),
    "plain-instructions": off(
        "instructions are seen", PLAIN, (' or _holds(octets, b"<?", _behind_declaration(octets)):', ":")
    ),
    "plain-declaration": off(
        "an instruction is not taken for the declaration", PLAIN, ('b"<?xml%c" % space for', 'b"<?xml" for')
    ),
    "plain-names": off("names are bounded", PLAIN, ("    return not long_name and not", "    return not")),
    "plain-depth": off("depth is bounded", PLAIN, (" and not _too_deep(limits.depth)(root)", "")),
    # --- how nearly every package begins, and the parser that a thread keeps
    **{
        f"usual-{name}": off(f"what is not the usual head is looked at: {name}", "schemas/gate.py", *pairs)
        for name, pairs in {
            "a document type": [('[\\r\\n]{0,2}<[A-Za-z]"', '[\\r\\n]{0,2}<[!A-Za-z]"')],
            "an instruction": [('[\\r\\n]{0,2}<[A-Za-z]"', '[\\r\\n]{0,2}<[?A-Za-z]"')],
            "another encoding": [("(?:UTF|utf)-8[", "[A-Za-z0-9-]+[")],
            "another version": [("version=[\\\"']1\\.0[", "version=[\\\"']1\\.[01][")],
            "something before it": [("_USUAL.match(raw)", "_USUAL.search(raw)")],
        }.items()
    },
    "parser-own": off(
        "a thread is told the faults of its own documents",
        "schemas/xml.py",
        ("class _PerThread(threading.local):", "class _PerThread:"),
    ),
    # --- what else is quick
    "attachments-cut": off(
        "content that was cut out stands in an attachment",
        "schemas/attachment.py",
        ("    if not parsed.cuts and len(blocks)", "    if len(blocks)"),
    ),
    "attachments-blocks": off(
        "attachments stand in one block", "schemas/attachment.py", ("cuts and len(blocks) < 2 and", "cuts and")
    ),
    "attachments-filled": off(
        "a block that holds something is read",
        "schemas/attachment.py",
        ("any(len(block) or block.text for block in blocks)", "False"),
    ),
    # --- attachments that are decoded as they are scanned
    "cuts-placed": off(
        "a placeholder is the whole text of one content, in order",
        "schemas/cuts.py",
        ("    return found == list(cuts)", "    return True"),
    ),
    "cuts-mark": off(
        "a placeholder is another for other octets around",
        "schemas/cuts.py",
        ("            mark.update(piece)\n", ""),
    ),
    "cuts-mark-content": off("and for another content", "schemas/cuts.py", (' + (told.sha256 if told else b"")', "")),
    "cuts-empty": off(
        "an empty tag has no content, wherever its end comes",
        "schemas/cuts.py",
        ('if angle[0] == b">" and before != b"/":', 'if angle[0] == b">":'),
    ),
    "cuts-begun": off(
        "a start tag may go on in the next piece", "schemas/cuts.py", ("self._begun = piece[begun:]", "pass")
    ),
    "content-padding": off(
        "padding ends a content", "schemas/content.py", ("if len(octets) != whole // 4 * 3:", "if False:")
    ),
    "content-bits": off(
        "no bits are set that no octet holds",
        "schemas/content.py",
        ("if pybase64.b64encode(octets) != self.rest:", "if False:"),
    ),
    "content-foreign": off(
        "what is held back is looked at too",
        "schemas/content.py",
        ("text, self._decoder = self._decoder.rest, None", "self._decoder = None"),
    ),
    "content-foreign-last": off(
        "also at the end",
        "schemas/content.py",
        ("self._foreign = bool(self._decoder.rest.translate(None, _ALPHABET))", "pass"),
    ),
    "content-line-ends": off(
        "a line end may be in two pieces",
        "schemas/content.py",
        ("(self._last + text).count", "text.count"),
    ),
    "content-line-ends-told": off(
        "also when it is told",
        "schemas/content.py",
        ('ended = b"\\r" if whole.endswith(b"\\r") else b""', 'ended = b""'),
    ),
    # --- read without a tree
    "outline-references": off(
        "references are resolved", "schemas/outline.py", ('_resolved(text) if "&" in text else text', "text")
    ),
    "outline-once": off(
        "each once",
        "schemas/outline.py",
        ('text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")', "html.unescape(html.unescape(text))"),
        ("import re\n", "import html\nimport re\n"),
    ),
    "outline-levels": off(
        "an element ends where its end tag stands", "schemas/outline.py", ("[A-Za-z]++>)?|</", "[A-Za-z]++>)?|<//")
    ),
    "outline-texts": off(
        "a text where elements may stand is seen", READING, ("({}, node) if isinstance", '({}, "") if isinstance')
    ),
    "outline-elements": off(
        "elements where only a value may stand are seen",
        READING,
        (
            "        if isinstance(element, dict) or any(",
            '        if isinstance(element, dict):\n            return ""\n        if any(',
        ),
    ),
    "outline-spellings": off(
        "so are two spellings of one name",
        READING,
        ("        return [child for children in found for child in children]", "        return found[0]"),
    ),
    "outline-asked": off(
        "what was asked for is what is there",
        READING,
        ("        if found is None:\n            return ()\n", ""),
        (
            "        self._asked[name] = None\n        return found\n",
            "        self._asked[name] = None\n        return found or ()\n",
        ),
    ),
    "outline-attributes": off(
        "an element is no attribute",
        READING,
        ("        if not isinstance(self._node, etree._Element):\n", "        if isinstance(self._node, str):\n"),
    ),
    "outline-code": off(
        "a text holds no elements",
        READING,
        ("    return not isinstance(element, str) and len(element) > 0", "    return len(element) > 0"),
    ),
    "outline-space": off(
        "white space around a code is noted",
        READING,
        ('        return element\n    return "" if', '        return ""\n    return "" if'),
    ),
    "outline-says": off(
        "what holds nothing counts as absent",
        READING,
        ("if child.strip(SPACE) if isinstance(child, str) else _says(child):", "if True:"),
    ),
    # --- remembered
    "business-noted": off(
        "what is noted of a block of business is noted each time",
        "schemas/edxml.py",
        (
            "    return None if findings.violations or findings.notes else business",
            "    return None if findings.violations else business",
        ),
    ),
    "business-refused": off(
        "what is refused of it is refused each time",
        "schemas/edxml.py",
        (
            "    return None if findings.violations or findings.notes else business",
            "    return None if findings.notes else business",
        ),
    ),
    "speaker-kept": off(
        "who spoke for an agency is named where he signed",
        "axis/core/binding.py",
        ("        if known is None or known[0] is not signer:", "        if known is None:"),
    ),
    # --- read once
    "usual-status": off(
        "what could be a status message is read the long way",
        "schemas/edxml.py",
        ('    if message.elements("StatusCode"):', '    if message.elements("StatusCode") and False:'),
    ),
    "usual-refused": off(
        "what is to be refused is read the long way",
        "schemas/edxml.py",
        ("    if findings.violations or envelope is None:", "    if envelope is None:"),
    ),
    "usual-inside": off("attachments are inside or beside", USUAL, (" or (parts and layout.attachments):", ":")),
    "usual-ids": off(
        "each has an id of its own", USUAL, (" if len(octets) == len(parts or layout.attachments) else None", "")
    ),
    "usual-beside": off(
        "attachments beside are signed under the ids that are listed",
        USUAL,
        ("return found if all(info.content_id in self.octets for info, *_ in found) else None", "return found"),
    ),
    "usual-fields": off(
        "fields are not too long", USUAL, ("            hold_to_fields(reading.message, fields)\n", "")
    ),
    "usual-names": off(
        "attachments are carried under the names that are listed",
        USUAL,
        (
            "        if any(info.content_id != one.content_id for info, one in pairs):\n            return None\n",
            "",
        ),
        ("self.octets[info.content_id]) for info, _ in pairs", "self.octets[one.content_id]) for info, one in pairs"),
    ),
}

TESTS: Final = (
    "tests/unit/signing/test_shape_signed.py",
    "tests/unit/signing/test_shape.py::test_whatever_is_changed_the_two_ways_agree",
    "tests/unit/signing/test_bound_keys.py",
    "tests/unit/signing/test_shape.py::test_a_policy_that_refuses_is_not_passed_by",
    "tests/unit/schemas/test_layout.py",
    "tests/unit/schemas/test_outline.py",
    "tests/unit/schemas/test_attachment.py",
    "tests/unit/schemas/test_cuts.py",
    "tests/unit/schemas/test_plain.py",
    "tests/flow/test_usual.py",
    "tests/unit/binding/test_proven.py",
    "tests/unit/schemas/test_gate.py",
    "tests/unit/schemas/test_xml.py",
)
"""What shows these conditions; a file stands for all of its tests."""
