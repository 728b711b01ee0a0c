"""What of the evidence under verdicts is stored already, as far as this process remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MOST_KNOWN: Final = 65_536
"""Digests that a process remembers as stored, some 10 MB: a year of lists and answers for thousands of signers."""


class Known:
    """Digests of evidence that is on stable storage, at most so many: what is known need not be written again."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._digests: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._digests)

    def lacks(self, digests: Iterable[str]) -> frozenset[str]:
        """Those that are not known; the others are remembered longer."""
        known, missing = self._digests, []
        for digest in digests:
            if digest in known:
                known.move_to_end(digest)
            else:
                missing.append(digest)
        return frozenset(missing)

    def add(self, digests: Iterable[str]) -> None:
        """Only after their commit."""
        self._digests.update(dict.fromkeys(digests))
        while len(self._digests) > self._most:
            self._digests.popitem(last=False)
