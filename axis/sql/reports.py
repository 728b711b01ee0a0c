"""Statements about many documents and their statuses at once. What is asked for travels as one JSON text on both
databases."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from axis.sql.tables import attachment_check, document, status_report


def _columns(table: Table, *names: str) -> str:
    return ", ".join(f"{table.name}.{name}" for name in names or table.c.keys())


_OUTLINE: Final = _columns(
    document,
    "ref", "sender", "recipients", "state", "principal", "document_id", "number", "issued_on", "concerns", "crossed",
)  # fmt: skip
_SAID: Final = _columns(status_report, "ref", "document", "receiver", "wire", "at")

_SENT: Final = """SELECT document, seq, endpoint, recipients, state FROM delivery
    WHERE cargo = 'document' AND document"""
_COUNTED: Final = """UNION ALL SELECT document, seq, NULL, receiver, wire FROM status_report
    WHERE standing = 'applied' AND document"""
_CHECKED: Final = f"SELECT {_columns(attachment_check)} FROM attachment_check WHERE document"  # noqa: S608

_SQLITE: Final = (
    "document.ref IN (SELECT value FROM json_each(:refs))",
    "delivery.id IN (SELECT value FROM json_each(:ids))",
    f"SELECT {_OUTLINE} FROM document WHERE ref = :ref",  # noqa: S608 - our own names
    f"SELECT {_OUTLINE} FROM document WHERE ref IN (SELECT value FROM json_each(:refs))",  # noqa: S608
    "SELECT ref, crossed FROM document WHERE ref IN (SELECT value FROM json_each(:refs))",
    f"""SELECT {_SAID} FROM status_report WHERE document = :document AND receiver = :receiver
    AND (standing <> 'repeated' OR wire = :wire AND at = :at) ORDER BY seq""",  # noqa: S608
    f"""SELECT {_SAID} FROM status_report WHERE (document, receiver) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:pairs))
    AND (standing <> 'repeated' OR (wire, at) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:same))) ORDER BY seq""",  # noqa: S608
    "SELECT endpoint FROM delivery WHERE cargo_ref = :of AND document IS NULL",
    "IN (SELECT value FROM json_each(:refs))",
    "SELECT seq FROM status_report WHERE document = :document AND receiver = :receiver LIMIT :most",
    """SELECT wire FROM status_report WHERE sender = :sender AND document_key = :named AND document IS NULL
    AND receiver = :receiver""",
    """SELECT wire FROM status_report WHERE sender = :sender AND number_key = :named AND document IS NULL
    AND receiver = :receiver""",
)
# An array, and a question kept whole by OFFSET 0, are answered by their indexes whatever the planner knows.
_POSTGRES: Final = (
    "document.ref = ANY(ARRAY(SELECT json_array_elements_text(CAST(:refs AS json))))",
    "delivery.id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))))",
    f"SELECT {_OUTLINE} FROM document WHERE ref = %(ref)s FOR NO KEY UPDATE NOWAIT",  # noqa: S608
    f"""SELECT {_OUTLINE} FROM document WHERE ref =
    ANY(ARRAY(SELECT json_array_elements_text(CAST(%(refs)s AS json)))) FOR NO KEY UPDATE NOWAIT""",  # noqa: S608
    """SELECT ref, crossed FROM document WHERE ref =
    ANY(ARRAY(SELECT json_array_elements_text(CAST(%(refs)s AS json)))) FOR NO KEY UPDATE NOWAIT""",
    f"""SELECT {_SAID} FROM status_report WHERE document = %(document)s AND receiver = %(receiver)s
    AND (standing <> 'repeated' OR wire = %(wire)s AND at = %(at)s) ORDER BY seq""",  # noqa: S608
    f"""SELECT {_SAID} FROM json_array_elements(CAST(%(pairs)s AS json)) AS asked(pair),
    LATERAL (SELECT * FROM status_report AS one
    WHERE one.document = asked.pair ->> 0 AND one.receiver = asked.pair ->> 1 OFFSET 0) AS status_report
    WHERE status_report.standing <> 'repeated' OR (status_report.wire, status_report.at) IN
    (SELECT told.one ->> 0, told.one ->> 1 FROM json_array_elements(CAST(%(same)s AS json)) AS told(one))
    ORDER BY status_report.seq""",  # noqa: S608
    "SELECT endpoint FROM delivery WHERE cargo_ref = %(of)s AND document IS NULL",
    "= ANY(ARRAY(SELECT json_array_elements_text(CAST(%(refs)s AS json))))",
    "SELECT seq FROM status_report WHERE document = %(document)s AND receiver = %(receiver)s LIMIT %(most)s",
    """SELECT wire FROM status_report WHERE sender = %(sender)s AND document_key = %(named)s AND document IS NULL
    AND receiver = %(receiver)s""",
    """SELECT wire FROM status_report WHERE sender = %(sender)s AND number_key = %(named)s AND document IS NULL
    AND receiver = %(receiver)s""",
)


class Reports:
    """Their texts. `outline`, `outlines` and `crossed` lock the documents (`axis.sql.statements`); `said` (one pair of
    document and receiver) and `said_of_pairs` (each named once) ask for what decides of them: what is no repetition,
    and what has the same code and instant. `told_of` asks for all of a pair, to count them. `passed_on` tells where an
    orphan was made out to, `orphan_codes` what others say of the same. `reached` has for each of `refs` its deliveries
    and the statuses that count, `checks` how far judging its attachments is. `among` and `these` are conditions for
    other statements: a document is one of `refs`, a delivery one of `ids`."""

    def __init__(self, *, one_writer: bool) -> None:
        texts = _SQLITE if one_writer else _POSTGRES
        self.among, self.these, self.outline, self.outlines, self.crossed, *rest = texts
        self.said, self.said_of_pairs, self.passed_on, named, self.told_of, *rest = rest
        self.orphan_codes, self.orphan_codes_by_number = rest
        self.reached = f"{_SENT} {named} {_COUNTED} {named}"
        self.checks = f"{_CHECKED} {named}"
