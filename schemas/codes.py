"""Identifiers: agencies, documents."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_ALLOWED = re.compile(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*")
_QCVN = re.compile(r"\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}")
_QD20 = re.compile(r"[A-Z]\d{2}(?:\.[A-Z0-9]+)*")
_SAID_BEFORE = re.compile("SỐ[:.]?(?=[0-9])")
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
MAX_LENGTH = 35  # QĐ 20/2020/QĐ-TTg: at most 35 characters


class Grammar(StrEnum):
    """Which rule a code was formed by. It classifies; the registry decides whether a code exists."""

    QCVN_102 = "qcvn102"  # 000.20.31.H53: read from right to left, 13 characters in four groups
    QD_20 = "qd20"  # H53.31.20: level 1 first, at most 35 characters
    OTHER = "other"  # test tenants, technical nodes, party bloc: real codes that follow neither


class Level(StrEnum):
    """Level of government (cấp chính quyền): an attribute of an agency's record, not of its code."""

    CENTRAL = "central"
    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"


class CodeError(ValueError):
    """The text cannot be an agency code."""


@dataclass(frozen=True, slots=True, order=True)
class AgencyCode:
    """Mã định danh cơ quan. Build it with `AgencyCode.parse`; compare and store it as text.

    QĐ 28/2018 art. 10.2(a) describes the 13-character form, QĐ 20/2020 the form of at most 35 characters; real data
    hold others too, so anything of letters, digits and single dots is a possible code.
    """

    text: str

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> AgencyCode:
        """Read a code. No trimming, no case folding: `CodeError` for anything that is not exactly a code."""
        if len(text) > MAX_LENGTH or not text.isascii() or not _ALLOWED.fullmatch(text):
            raise CodeError("an agency code is 1 to 35 ASCII letters and digits in groups joined by dots")
        return cls(text)

    @property
    def grammar(self) -> Grammar:
        if _QCVN.fullmatch(self.text):
            return Grammar.QCVN_102
        if _QD20.fullmatch(self.text):
            return Grammar.QD_20
        return Grammar.OTHER

    @property
    def path(self) -> tuple[str, ...]:
        """The groups, level 1 first, empty (zero) groups of the QCVN form left out.

        `000.20.31.H53` → `("H53", "31", "20")`, the same as `H53.31.20`; a code of no known grammar is one group.
        A guess that the registry's parent links may overrule.
        """
        return _path(self)

    def guess_parent(self) -> AgencyCode | None:
        """The code one level up by grammar alone; `None` at level 1 and for codes of no known grammar."""
        groups = self.text.split(".")
        match self.grammar:
            case Grammar.QD_20 if len(groups) > 1:
                return AgencyCode(".".join(groups[:-1]))
            case Grammar.QCVN_102:
                for place in range(3):
                    if groups[place].strip("0"):
                        groups[place] = "0" * len(groups[place])
                        return AgencyCode(".".join(groups))
        return None

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=4096)
def _path(code: AgencyCode) -> tuple[str, ...]:
    groups = code.text.split(".")
    match code.grammar:
        case Grammar.QD_20:
            return tuple(groups)
        case Grammar.QCVN_102:
            upward = list(reversed(groups))
            while len(upward) > 1 and not upward[-1].strip("0"):
                upward.pop()
            return tuple(upward)
        case Grammar.OTHER:
            return (code.text,)


def document_key(text: str) -> str:
    """A DocumentId (mã định danh văn bản) in the form in which two are compared: trimmed, Unicode NFC.

    The id itself is opaque: organ, date and number inside it are hints at best (official samples hold 2014/02/30).
    """
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def number_spellings(text: str) -> tuple[str, ...]:
    """How an official number (số, ký hiệu) that a person types may stand in a message, as `document_key` has it.

    As it was typed; in capitals, without the word "Số", spaces and typographic dashes; then the same with or without
    the zero that is written before a number below ten (NĐ 30/2020 Phụ lục I, source to confirm).
    """
    typed = document_key(text)
    bare = _SAID_BEFORE.sub("", "".join(typed.upper().translate(_DASHES).split()))
    digits = re.match("[0-9]*", bare)
    number = digits[0] if digits else ""
    other = number.lstrip("0") if number.startswith("0") else f"0{number}"
    forms = [typed, typed.upper(), bare]
    if number.strip("0") and (number.startswith("0") or len(number) == 1):
        forms.append(other + bare[len(number) :])
    return tuple(dict.fromkeys(forms))
