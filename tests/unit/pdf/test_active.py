"""What acts by itself, or can show something else with the same octets, is told and changes no outcome."""

from __future__ import annotations

import pytest

from signing.pdf import FindingCode, PdfOutcome, PdfVerdict
from tests.pki import pki
from tests.unit.pdf.forge import by_hand, judge, object_with, one_signature, raw_pdf, sign

SCRIPT = b"<< /S /JavaScript /JS (app.alert) >>"
FORM = b"/AcroForm << /Fields [] "


def told(verdict: PdfVerdict) -> str | None:
    return next((one.detail for one in verdict.findings if one.code is FindingCode.ACTIVE), None)


def with_entry(root: bytes = b"", page: bytes = b"", more: bytes = b"null") -> PdfVerdict:
    return judge(sign(document(root, page, more), pki().good))


def document(root: bytes, page: bytes, more: bytes) -> bytes:
    return raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % root,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s >>" % page,
            4: more,
        }
    )


@pytest.mark.parametrize(
    ("root", "page", "more", "kinds"),
    [
        (b"/OpenAction 4 0 R", b"", SCRIPT, "JavaScript"),
        (b"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next 4 0 R >>", b"", b"<< /S /Launch /F (a.exe) >>", "Launch"),
        (b"/Names << /JavaScript << /Names [(a) 4 0 R] >> >>", b"", SCRIPT, "JavaScript"),
        (
            b"/Names << /EmbeddedFiles << /Names [(a) 4 0 R] >> >>",
            b"",
            b"<< /Type /Filespec /EF << >> >>",
            "EmbeddedFiles",
        ),
        (FORM + b"/XFA [(template) 4 0 R] >>", b"", b"<< >>", "XFA"),
        (b"", b"/AA << /O 4 0 R >>", b"<< /S /SubmitForm /F (http://a) >>", "SubmitForm"),
        (b"", b"/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A 4 0 R >> 5 0 R]", b"<< /S /Hide /T (a) >>", "Hide"),
        (b"", b"/Annots [<< /Subtype /RichMedia /Rect [0 0 9 9] >>]", b"null", "RichMedia"),
        (b"/OCProperties << /OCGs [4 0 R] /D << /OFF [4 0 R] >> >>", b"", b"<< /Type /OCG >>", "OptionalContent"),
    ],
)
def test_what_acts_is_told(root: bytes, page: bytes, more: bytes, kinds: str) -> None:
    verdict = with_entry(root, page, more)
    assert (verdict.outcome, told(verdict), verdict.codes) == (PdfOutcome.VALID, kinds, ("active-content",))


def test_what_does_not_act_is_not() -> None:
    """A place in the document, an address, a layer that is always shown, words that look like it."""
    shown = b"/OCProperties << /OCGs [4 0 R] /D << /Order [4 0 R] >> >>"
    links = b"/Annots [<< /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (http://a/JavaScript) >> >>]"
    verdict = with_entry(b"/OpenAction [3 0 R /Fit] " + shown, links, b"<< /Type /OCG /Name (/JS) >>")
    assert (verdict.outcome, verdict.codes) == (PdfOutcome.VALID, ())


def test_of_a_document_that_nobody_signed_nothing_is_told() -> None:
    assert judge(document(b"/OpenAction 4 0 R", b"", SCRIPT)).codes == ()


def test_what_acts_and_was_added_after_the_signature_is_a_change_as_ever() -> None:
    octets = one_signature()
    number, catalogue = object_with(octets, b"/Catalog")
    verdict = judge(by_hand(octets, {number: catalogue[:-2] + b"/OpenAction %s >>" % SCRIPT}, root=number))
    assert (verdict.outcome, told(verdict)) == (PdfOutcome.INVALID, "JavaScript")


def test_looking_takes_nothing_from_judging_and_says_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signing.pdf.active.MOST_STEPS", 30)
    verdict = with_entry(b"/OpenAction 4 0 R", b"", SCRIPT)
    assert (verdict.outcome, verdict.codes) == (PdfOutcome.VALID, ("active-content-not-searched",))
