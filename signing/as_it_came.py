"""Canonical octets without canonicalisation: octets as they came, where counting proves that they are canonical.

Exclusive C14N writes declarations where an apex or an element uses a prefix, attributes in the order of their names,
no empty tags, no white space in tags, and a few characters as references. What has nothing of that to be changed is
found by looking for single octets, which takes a tenth of the time.

All of it holds for octets that were parsed without an error, in which every `<` begins a tag, and of which the caller
says so (`signing.shape.Tidy`).
"""

from __future__ import annotations

import re
from itertools import chain, pairwise, zip_longest
from typing import Final

_IN_NAME: Final = rb"[^\s<>:/=&\"']"
_START: Final = re.compile(
    rb'<((?:((?!xml)%b+):)?%b+)((?: (?!xmlns=)%b+="[^"<>&\t\n\r]*")+)(/?)>' % (_IN_NAME, _IN_NAME, _IN_NAME)
)
"""A start tag with attributes that have no prefix: its name, its prefix, the attributes, and whether it is empty."""
_TOP: Final = re.compile(
    rb'(?:<\?xml [^<>?]*\?>)?\n{0,2}(<%b+ xmlns="[^"<>&\t\n\r]+"><(((?!xml)%b+):%b+) xmlns:\3="[^"<>&\t\n\r]+">)'
    % (_IN_NAME, _IN_NAME, _IN_NAME)
)
"""A root that declares the default namespace, and in it an envelope that declares its prefix, as our writer has it."""
_LEAF: Final = re.compile(rb'<(((?!xml)%b+):%b+) xmlns:\2="[^"<>&\t\n\r]+">([^<>&\r]*)</\1>' % (_IN_NAME, _IN_NAME))
"""An element that declares its own prefix and holds only text: the content of an attachment, as our writer has it."""
_MOST_EMPTY: Final = 4
_ATTRIBUTE: Final = re.compile(rb' ([^=]+)="([^"]*)"')


def element(raw: bytes, name: bytes, namespace: bytes) -> bytes | None:
    """The exclusive canonical form of the element with `Id="name"`, which stands in `namespace`; `None` where it may be
    another than the octets that came. `ValueError` where there is no such element.

    The first end tag of its name is its own: `_is_settled` would not be true of what is left open.
    """
    at = raw.index(b' Id="%b"' % name)
    start = _START.match(raw, raw.rindex(b"<", 0, at))
    if start is None or start.end() <= at or not namespace:
        return None
    tag, prefix, attributes, empty = start.groups()
    content = b""
    if not empty:
        begin = start.end()
        content = raw[begin : raw.index(b"</%b>" % tag, begin)]
        if not _is_settled(content, prefix):
            return None
    declaration = b' xmlns="%b"' % namespace if prefix is None else b' xmlns:%b="%b"' % (prefix, namespace)
    return b"<%b%b%b>%b</%b>" % (tag, declaration, in_order(attributes), content, tag)


def whole(raw: bytes, begin: int, end: int) -> bytes | None:
    """The exclusive canonical form of the document without the element that takes `begin` to `end`; `None` where it may
    be another than the octets that came, but for attributes and a few empty tags. `ValueError` for too many of those.

    Only the root and the envelope in it declare anything, each what it uses itself, and beyond the envelope leaves do:
    so every declaration stands where canonicalisation writes it, and no other prefix can be in use.
    """
    top = _TOP.match(raw)
    if top is None:
        return None
    told, texts, pieces = [top[1]], list[tuple[int, bytes]](), ((top.end(), begin), (end, len(raw)))
    closed = raw.rindex(b"</%b>" % top[2])
    for at, stop in pieces:
        while (sign := raw.find(b"=", at, stop)) >= 0:
            start = raw.rindex(b"<", at, sign)
            tag = _START.match(raw, start)
            leaf = None if tag is not None or start < closed else _LEAF.match(raw, start)
            if tag is not None and tag.end() > sign:
                name, _, attributes, empty = tag.groups()
                told += (raw[at:start], b"<%b%b>" % (name, in_order(attributes)), b"</%b>" % name if empty else b"")
                at = tag.end()
            elif leaf is not None and leaf.end() > sign:
                begin, stop_of_text = leaf.span(3)
                told.append(raw[at:begin])
                texts.append((len(told), leaf[3]))
                at = stop_of_text
            else:
                return None
        told.append(raw[at:stop])
    return _written(told, texts)


def _written(told: list[bytes], texts: list[tuple[int, bytes]]) -> bytes | None:
    """All that is told, with each of `texts` before what has its number there; `None` where it may not be canonical.

    The texts were matched as such: they hold no angle, no reference and no other line end, and are not looked at again.
    """
    begins = [0, *(number for number, _ in texts), len(told)]
    runs = [b"".join(told[begin:end]) for begin, end in pairwise(begins)]
    runs[-1] = runs[-1].rstrip(b" \t\r\n")
    runs = _without_empty_tags(runs)
    tags = b"".join(runs)
    if tags.count(b">") != tags.count(b"<") or not _is_written_so(tags):
        return None
    between = (text for _, text in texts)
    return b"".join(chain.from_iterable(zip_longest(runs, between, fillvalue=b""))) if texts else tags


def _without_empty_tags(runs: list[bytes]) -> list[bytes]:
    """A few empty tags without attributes, written as canonicalisation does. `ValueError` for too many.

    What is no tag, or has white space in it, gets angles or spaces here by which it is found out.
    """
    left, written = _MOST_EMPTY, []
    for octets in runs:
        mark = octets.find(b"/>")
        while mark >= 0:
            if left == 0:
                raise ValueError
            name = octets[octets.rindex(b"<", 0, mark) + 1 : mark]
            octets = b"%b></%b>%b" % (octets[:mark], name, octets[mark + 2 :])
            mark, left = octets.find(b"/>", mark), left - 1
        written.append(octets)
    return written


def in_order(attributes: bytes) -> bytes:
    """Attributes without a prefix in their canonical order."""
    if attributes.count(b"=") == 1:
        return attributes
    return b"".join([b' %b="%b"' % one for one in sorted(_ATTRIBUTE.findall(attributes))])


def _is_settled(content: bytes, prefix: bytes | None) -> bool:
    """Say whether `content`, all up to some end tag of the element around it, is canonical and closes what it opens.

    No `=` is no attribute and no declaration. As many `>` as `<` are none in a text. Where twice the end tags of our
    prefix make up all tags, there are no empty tags and no others, each start tag has its end tag, and so its prefix.
    """
    tags = content.count(b"<")
    if prefix is None and b":" in content:
        return False
    ours = content.count(b"</" if prefix is None else b"</%b:" % prefix)
    return 2 * ours == tags and content.count(b">") == tags and b"=" not in content and _is_written_so(content)


def _is_written_so(octets: bytes) -> bool:
    """Say whether nothing in `octets` is a reference, a line end of another system, or white space at a tag's end."""
    if b"&" in octets or b"\r" in octets or b" >" in octets:
        return False
    return not (b"\n" in octets and b"\n>" in octets) and not (b"\t" in octets and b"\t>" in octets)
