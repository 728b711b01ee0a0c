"""Defences of `schemas/`: before and around the XML parser, and in what is read of a package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.mutations.edit import Mutation, off

GATE, XML, READING = "schemas/gate.py", "schemas/xml.py", "schemas/reading.py"

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "gate-doctype": off(
        "a document type before the root is refused",
        GATE,
        (
            '            raise refusal("xml-doctype", "a document type declaration is not accepted")',
            "            return",
        ),
    ),
    "gate-declared": off(
        "no other encoding may be declared",
        GATE,
        ('if encoding is not None and encoding[1:-1].upper() != b"UTF-8":', "if False:"),
    ),
    "gate-wide": off(
        "UTF-16 and UTF-32 are known by their first bytes",
        GATE,
        ('if head.startswith(_WIDE) or b"\\0" in head[:2]:', "if False:"),
    ),
    "gate-utf8": off(
        "every byte is decoded strictly before the parser sees it",
        GATE,
        ("            octets.decode()", "            pass"),
    ),
    "gate-utf8-long": off(
        "so is every byte of a long text, which is read by pieces",
        GATE,
        ("                decoder.decode(piece)", "                pass"),
        ("    if decoder.getstate()[0]:\n        raise", "    if False:\n        raise"),
    ),
    "gate-nul": off("a NUL is refused", GATE, ('    if b"\\0" in octets:', "    if False:")),
    "gate-nul-long": off("a NUL is refused in a long text", GATE, ('        if b"\\0" in piece:', "        if False:")),
    "gate-version": off("only XML 1.0", GATE, ('if declaration["version"][1:-1] != b"1.0":', "if False:")),
    "gate-gzip": off("compressed bytes are known by their magic", GATE, ("if head.startswith(_GZIP):", "if False:")),
    "gate-size": off("the number of bytes is bounded", GATE, ("if size > limits.max_bytes:", "if False:")),
    "gate-prolog": off(
        "nothing stands before the root but white space, comments and instructions",
        GATE,
        (
            '            raise refusal("xml-malformed", "there is something else than XML before the root element")',
            '            raise refusal("xml-unknown", "")',
        ),
    ),
    "xml-recover": off(
        "what is not well-formed is not mended", XML, ("        recover=False,", "        recover=True,")
    ),
    "xml-huge": off(
        "what becomes a tree is bounded, and the parser's own bounds stay on: defence in depth",
        XML,
        ("        huge_tree=False,", "        huge_tree=True,"),
        ("    if len(octets) > limits.tree_bytes:", "    if False:"),
    ),
    "xml-depth": off("depth is bounded", XML, ("if depth > limits.depth:", "if False:")),
    "xml-attributes": off(
        "attributes of one element are bounded", XML, ("if len(attributes) > limits.attributes:", "if False:")
    ),
    "xml-elements": off(
        "elements are bounded, before and after the parse",
        XML,
        ("if len(octets) > limits.elements:", "if False:"),
        ("if total + len(below) + count > limits.elements:", "if False:"),
    ),
    "xml-names": off(
        "names are bounded", XML, ('if len(str(name).rpartition("}")[2]) > limits.name_length:', "if False:")
    ),
    "xml-namespaces": off(
        "namespaces in scope of one element are bounded", XML, ("if in_scope > limits.namespaces:", "if False:")
    ),
    "xml-namespace-names": off(
        "the names of namespaces are bounded", XML, ("if len(uri) > limits.name_length:", "if False:")
    ),
    "xml-declarations": off(
        "namespace declarations in all are bounded", XML, ("if len(declarations) > limits.declarations:", "if False:")
    ),
    "xml-relative": off(
        "a relative namespace name is refused", XML, ("if uri and not _SCHEME.match(uri):", "if False:")
    ),
    "xml-mixed": off(
        "a comment or instruction inside a value is refused",
        XML,
        ("if parent not in filled and not any(is_element(sibling) for sibling in parent):", "if False:"),
        ("    if not isinstance(node, etree._Comment):\n        raise", "    if False:\n        raise"),
    ),
    "xml-instructions": off(
        "processing instructions beside the root are refused",
        XML,
        (
            "            if not isinstance(node, etree._Comment):\n                raise",
            "            if False:\n                raise",
        ),
    ),
    "xml-base": off("xml:base is refused", XML, ('if b"xml:base" in skeleton.octets and', "if False and")),
    "xml-schema-location": off(
        "nothing that a document names is looked up",
        XML,
        (
            "    root = _parse(skeleton)\n",
            "    root = _parse(skeleton)\n"
            "    for name, value in root.items():\n"
            '        for port in re.findall("127.0.0.1:([0-9]+)", str(value)):\n'
            '            __import__("socket").create_connection(("127.0.0.1", int(port))).close()\n',
        ),
    ),
    "edxml-exact": off(
        "values are read as they stand",
        READING,
        (
            "            return element\n        if len(element) == 0:\n            return _first_text(element)\n",
            "            return element.lower()\n        if len(element) == 0:\n"
            "            return _first_text(element).lower()\n",
        ),
    ),
    "edxml-root": off(
        "only our names in our namespace are a package",
        "schemas/names.py",
        ("    return element.tag in tags_of(names)", "    return local(element) in names"),
    ),
    "edxml-foreign": off(
        "an element of another namespace is refused",
        READING,
        (
            '            self.findings.refuse("foreign-namespace", self.path, "there is an element of another namespace")',
            "            pass",
        ),
    ),
    "edxml-once": off(
        "what may stand once is refused twice",
        READING,
        ('            self.refuse("repeated", name, "may stand here only once")', "            pass"),
    ),
    "edxml-missing": off(
        "what must be there is missed",
        READING,
        ('        self.refuse("missing", name, "is required")', "        pass"),
    ),
    "edxml-whole": off(
        "the whole text of an element counts, not the part before a comment",
        READING,
        ("        return _whole(element)\n\n    def _agency", '        return element.text or ""\n\n    def _agency'),
    ),
    "edxml-code": off(
        "an agency code is exactly a code",
        "schemas/codes.py",
        ("if len(text) > MAX_LENGTH or not text.isascii() or not _ALLOWED.fullmatch(text):", "if False:"),
    ),
    "edxml-pattern": off(
        "no pattern can be made slow",
        "schemas/codes.py",
        ('re.compile(r"[A-Za-z0-9]+(?:\\.[A-Za-z0-9]+)*")', 're.compile(r"(?:[A-Za-z0-9]+\\.?)+")'),
    ),
    "edxml-unknown": off(
        "an element without a meaning is noted, and nobody reads it",
        READING,
        (
            '                    self.note("unknown-element", _under(path, name[:64]), "not read")',
            "                    pass",
        ),
    ),
    "edxml-number": off(
        "a number is digits, and not too many",
        READING,
        ("if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:", "if True:"),
    ),
    "edxml-kind": off(
        "a kind of business that nobody knows is refused",
        "schemas/document_xml.py",
        ('        block.refuse("kind", "BussinessDocType", "is none of 0, 1, 2, 3")', "        pass"),
    ),
    "attachments": off(
        "what is listed and what is carried belong together, one to one",
        "schemas/attachment.py",
        (
            "    if len(envelope.attachments) != len(encoded):\n",
            "    if len(envelope.attachments) != len(encoded):\n        return ()\n",
        ),
    ),
    "attachments-place": off(
        "attachments stand in the package, and not in a signature of it",
        "schemas/attachment.py",
        ("        if any(local(above) in SIGNATURES for above in block.iterancestors()):", "        if False:"),
    ),
    "attachments-named": off(
        "an attachment has the same name where it is listed and where it stands",
        "schemas/attachment.py",
        ("        if info.named and _name(info) != _name(other):", "        if False:"),
    ),
    "attachments-only-name": off(
        "the only name of an attachment is asked like others",
        "schemas/attachment.py",
        ("        fault = check_name(other.name)", "        fault = None"),
    ),
    "xml-swelling": off(
        "what canonicalisation writes longer is counted",
        "schemas/xml.py",
        ("""    if any(_count(octets, mark) > 4 * limits.elements for mark in (b'"', b">")):""", "    if False:"),
    ),
}
