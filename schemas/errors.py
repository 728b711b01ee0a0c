"""What is wrong with bytes that were meant to be edXML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault found in a package.

    `code` is stable and lower-case (`xml-doctype`, `missing`, `too-long`); `path` is the place in the package as
    local names (`MessageHeader/Code/CodeNumber`), empty where the fault has no place; `detail` is safe for strangers:
    it never quotes the document.
    """

    code: str
    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code} {self.path}: {self.detail}" if self.path else f"{self.code}: {self.detail}"


class SchemaError(Exception):
    """The bytes are not a package that we read. Carries at least one `Violation`.

    `malformed` tells XML that cannot be read at all (400) from XML that is not edXML (422).
    """

    def __init__(self, *violations: Violation, malformed: bool = False) -> None:
        assert violations
        super().__init__("; ".join(str(v) for v in violations))
        self.violations = violations
        self.malformed = malformed
