"""Conditions of the shortcuts (`signing/shape.py`, `signing/as_it_came.py`, `schemas/plain.py`, `axis/flow/usual.py` and
what else is quick for the usual package), each of which keeps out what a longer way refuses.

They belong to no line of the refusal table: without a shortcut every line holds just the same. Where two conditions
stand in a row, defence in depth, a mutation switches off both. Three have no mutation, because what comes without them
is an exception that `recognise` takes for "not of the shape": that `place` is known, that it has an ancestor, that a
key has a checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Mutation, off

SHAPE, CAME, PLAIN = "signing/shape.py", "signing/as_it_came.py", "schemas/plain.py"
USUAL, STRUCTURE = "axis/flow/usual.py", "schemas/structure.py"

MUTATIONS: Final[Mapping[str, Mutation]] = {
    # --- where, how many
    "shape-place": off(
        "the signature stands at its place",
        SHAPE,
        ("    if place is None or signature.getparent() is not place:", "    if place is None:"),
    ),
    "shape-root": off(
        "the signature stands in the document, and its place too: defence in depth",
        SHAPE,
        ("        if above is None:\n            return None", "        if above is None:\n            break"),
        ("only = next(ours, None) is signature and", "only = next(ours, None) is not None and"),
    ),
    "shape-only": off("no other signature is there", SHAPE, (" and next(ours, None) is None\n", "\n")),
    "shape-depth": off("depth is bounded", SHAPE, (" or len(nodes) > policy.max_depth:", ":")),
    # --- whose key, which policy
    "shape-target": off(
        "the properties are of this signature", SHAPE, ("    if target != name or digest", "    if digest")
    ),
    "shape-certificate": off("the properties name the certificate", SHAPE, ("or digest != key.digest or", "or")),
    "shape-value": off("the value is one of the key", SHAPE, (" or not key.made(value, signed_info):", ":")),
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
    "shape-attributes": off("attributes are counted", SHAPE, (" and policy.max_attributes >= 64", "")),
    "shape-algorithm": off(
        "the signature algorithm is on the policy's list", SHAPE, (" or uri not in policy.signature_algorithms:", ":")
    ),
    "shape-weak": off(
        "the key is strong enough", SHAPE, ("    if policy.weakness(leaf.key) is not None or check", "    if check")
    ),
    "shape-kept": off(
        "a key is kept for its policy",
        SHAPE,
        ("    name = (certificate, algorithm, policy.sha256)", '    name = (certificate, algorithm, "")'),
    ),
    # --- Ids and references
    "shape-ids": off("nothing else has an Id", SHAPE, (" or len(known) != tidy.ids:", ":")),
    "shape-ids-once": off("no Id is there twice", SHAPE, ("    if len({*known}) != len(known) or len", "    if len")),
    "shape-id-name": off(
        "an Id is of the form that a reference may have",
        SHAPE,
        ("#[A-Za-z_][A-Za-z0-9_.\\-]{{0,199}}|cid:", '#[^"<>&\\s]{{0,300}}|cid:'),
    ),
    "shape-part": off("a part is canonicalised", SHAPE, ("        if form == _OF_PART and uri", "        if uri")),
    "shape-part-hash": off(
        "a part is referred to by its Id and no attachment's name", SHAPE, (' in ids and uri[0] == "#":', " in ids:")
    ),
    "shape-properties": off(
        "the reference to the properties says so",
        SHAPE,
        ("        elif form == _OF_PROPERTIES and target", "        elif target"),
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
    # --- octets as they came
    **{
        f"came-{name}": off(f"octets that are not canonical are not taken as they came: {name}", CAME, *pairs)
        for name, pairs in {
            "its own tag": [("or start.end() <= at or", "or")],
            "no namespace": [(" or not namespace:", ":")],
            "angles in attributes": [('="[^"<>&\\t\\n\\r]*")+)(/?)>', '="[^"<&\\t\\n\\r]*")+)(/?)>')],
            "references in attributes": [('="[^"<>&\\t\\n\\r]*")+)(/?)>', '="[^"<>\\t\\n\\r]*")+)(/?)>')],
            "white space in attributes": [('="[^"<>&\\t\\n\\r]*")+)(/?)>', '="[^"<>&]*")+)(/?)>')],
            "declarations in its tag": [("(?!xmlns=)", "")],
            "the prefix xml": [("rb'<((?:((?!xml)%b+):)?%b+)", "rb'<((?:(%b+):)?%b+)")],
            "the order of attributes": [("for one in sorted(_ATTRIBUTE", "for one in (_ATTRIBUTE")],
            "tags that are not ours": [("return 2 * ours == tags and content", "return content")],
            "no prefix": [('prefix is None and b":" in content', "False")],
            "angles": [('== tags and content.count(b">") == tags and', "== tags and")],
            "attributes": [(' and b"=" not in content and', " and")],
            "references": [('b"&" in octets or ', "")],
            "line ends": [('b"\\r" in octets or ', "")],
            "space at an end": [(' or b" >" in octets:', ":")],
            "a line at an end": [('not (b"\\n" in octets and b"\\n>" in octets) and ', "")],
            "a tab at an end": [(' and not (b"\\t" in octets and b"\\t>" in octets)', "")],
            "what the root declares": [('(<%b+ xmlns="', '(<%b+ xmlns(?::q)?="')],
            "a declaration again": [("is not None or start < closed else", "is not None else")],
            "leaves that hold elements": [('">([^<>&\\r]*)</\\1>', '">(.*)</\\1>')],
            "empty tags": [('b"</%b>" % name if empty else b""', 'b""')],
            "angles in the document": [('tags.count(b">") != tags.count(b"<") or ', "")],
        }.items()
    },
    # --- coverage and time
    "shape-signed": off(
        "the properties are signed",
        SHAPE,
        ('    if f"#{own_id.decode()}" not in told.uris or not _all', "    if not _all"),
    ),
    "shape-covered": off(
        "all is covered", SHAPE, (" or not _all_is_covered(root, signature, must_cover, told, document):", ":")
    ),
    "shape-parts": off(
        "every part is signed",
        SHAPE,
        ("    if document is None and told.parts.keys() != elements.keys():", "    if False:"),
    ),
    "shape-inside": off(
        "what stands in the signature is not covered by the whole",
        SHAPE,
        ("    while node is not None and node is not signature:", "    while node is not None:"),
    ),
    "shape-elsewhere": off(
        "what stands elsewhere is not covered by the whole",
        SHAPE,
        (
            "        node = node.getparent()\n    return False",
            "        node = node.getparent()\n    return node is None",
        ),
    ),
    "shape-inline": off(
        "an attachment is covered by the whole only if it is in it, and by no part",
        SHAPE,
        ("frozenset[str]() if document is None else must_cover.inline", "must_cover.inline"),
    ),
    "shape-beside": off(
        "every attachment is signed",
        SHAPE,
        (" in told.uris or name in inline for name", " in told.uris or document for name"),
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
    "plain-names": off(
        "names are bounded", PLAIN, ('b"w" + b"a" * (limits.name_length + 1) in octets.translate(_KINDS) or ', "")
    ),
    "plain-depth": off("depth is bounded", PLAIN, (" or _too_deep(limits.depth)(root):", ":")),
    **{
        f"plain-{name}": off(f"{name} is counted", PLAIN, (text, "0"))
        for name, text in (("Id", 'names.count(b"Id=")'), ("ID", 'names.count(b"ID=")'), ("id", 'names.count(b"id=")'))
    },
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
    "parts-each": off(
        "parts that are read in one go are one element each",
        "schemas/xml.py",
        ("    if len(found) != len(parts) or", "    if"),
    ),
    "parts-before": off(
        "no text stands before the first of them", "schemas/xml.py", ("or root.text or any(", "or any(")
    ),
    "parts-between": off("nor between them", "schemas/xml.py", ("any(one.tail or not", "any(not")),
    "parts-comment": off("and none is a comment", "schemas/xml.py", (" or not is_element(one) for", " for")),
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
    # --- read once
    "usual-bare": off(
        "nothing is beside the parts",
        USUAL,
        (" if holds_nothing_else(parsed.root, parts) else None", ""),
    ),
    "usual-root": off(
        "the outermost elements are those of the customary spelling, one in the other",
        STRUCTURE,
        (
            "    if envelope is None or envelope.getparent() is not root or root.tag != _ROOT:",
            "    if envelope is None:",
        ),
    ),
    "usual-traces": off(
        "the list of traces holds only the block of business",
        STRUCTURE,
        ("    levels += [(child, _IN_TRACES) for child in header if child.tag == _TRACES]\n", ""),
    ),
    "usual-body": off(
        "the body holds only the manifest",
        STRUCTURE,
        ("    levels += [(child, _IN_BODY) for child in envelope if child.tag == _BODY]\n", ""),
    ),
    "usual-text": off(
        "no text stands before elements", STRUCTURE, ('    if (holder.text or "").strip():\n        return False\n', "")
    ),
    "usual-tail": off("no text stands after elements", STRUCTURE, (' or (child.tail or "").strip():', ":")),
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
    "usual-whole": off(
        "there are signed parts",
        USUAL,
        ('        if verified.whole is not None or "MessageHeader" not in parts:\n            return None\n', ""),
    ),
    "usual-fields": off(
        "fields are not too long", USUAL, ("            hold_to_fields(reading.message, fields)\n", "")
    ),
    "usual-names": off(
        "attachments are carried under the names that are listed",
        USUAL,
        (
            "            if any(info.content_id != one.content_id for info, one in pairs):\n                return None\n",
            "",
        ),
        ("self.octets[info.content_id]) for info, _ in pairs", "self.octets[one.content_id]) for info, one in pairs"),
    ),
}

TESTS: Final = (
    "tests/unit/signing/test_shape_signed.py",
    "tests/unit/signing/test_shape.py::test_whatever_is_changed_the_two_ways_agree",
    "tests/unit/signing/test_shape.py::test_a_policy_that_refuses_is_not_passed_by",
    "tests/unit/signing/test_as_it_came.py",
    "tests/unit/schemas/test_attachment.py",
    "tests/unit/schemas/test_cuts.py",
    "tests/unit/schemas/test_plain.py",
    "tests/flow/test_usual.py",
    "tests/unit/schemas/test_gate.py",
    "tests/unit/schemas/test_xml.py",
)
"""What shows these conditions; a file stands for all of its tests."""
