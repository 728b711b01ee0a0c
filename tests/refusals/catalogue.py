"""The refusal table: every line of both lists, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.refusals import rows_certificate, rows_judge, rows_several, rows_signature, rows_xml
from tests.refusals.row import NUMBERS, Case, Row

ALL: Final = (
    *rows_judge.ROWS,
    *rows_several.ROWS,
    *rows_xml.ROWS,
    *rows_signature.ROWS,
    *rows_certificate.ROWS,
)
ROWS: Final[Mapping[str, Row]] = MappingProxyType(
    {row.id: row for row in sorted(ALL, key=lambda row: NUMBERS.index(row.id))}
)
CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {f"{row.id}: {case.name}": case for row in ROWS.values() for case in row.cases}
)
