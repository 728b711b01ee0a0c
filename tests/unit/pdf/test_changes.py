"""What was done to a document after it was signed: found, named, and never passed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from pyhanko.pdf_utils import generic, writer
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import dss

from signing.pdf import Changes, FindingCode, PdfOutcome, PdfPolicy, PdfVerdict
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, pki
from tests.unit.pdf.forge import (
    A4,
    PERSON_BOX,
    STAMP_BOX,
    Words,
    authority_of,
    by_hand,
    cms_of,
    gap,
    judge,
    object_with,
    one_signature,
    only,
    plain,
    prepared,
    sign,
    timestamped,
    two_signatures,
    updated,
    words,
)
from tests.unit.pdf.test_trust import tsa

# mypy: disable-error-code="no-untyped-call"

CHANGED: Words = (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.DIGEST)
BROKEN: Words = (PdfOutcome.INVALID, SubIndication.HASH_FAILURE, Reason.DIGEST)
Change = Callable[[IncrementalPdfFileWriter], None]


def test_an_octet_changed_inside() -> None:
    octets = one_signature().replace(b"1.000.000", b"9.000.000")
    assert octets != one_signature()
    verdict = judge(octets)
    assert (words(only(verdict)), verdict.outcome) == (BROKEN, PdfOutcome.INVALID)
    assert only(verdict).verdict.signer is None, "whose certificate it is was not proved"


def test_an_octet_changed_inside_fails_both_signatures() -> None:
    verdict = judge(two_signatures().replace(b"1.000.000", b"9.000.000"))
    assert [words(signature) for signature in verdict.signatures] == [BROKEN, BROKEN]


def test_an_octet_changed_in_the_second_revision_fails_the_second_signature() -> None:
    octets = two_signatures()
    spot = octets.index(b"/T (CoQuan)")
    verdict = judge(octets[:spot] + b"/T (CoQuaN)" + octets[spot + 11 :])
    person, organisation = verdict.signatures
    assert (words(organisation), verdict.outcome) == (BROKEN, PdfOutcome.INVALID)
    assert person.outcome is PdfOutcome.VALID, "the person's revision is untouched, and what came after is a signature"


def replace_content(made: IncrementalPdfFileWriter) -> None:
    page = made.root["/Pages"]["/Kids"][0]
    page[pdf_name("/Contents")] = made.add_object(generic.StreamObject(stream_data=b"BT (9.000.000) Tj ET"))
    made.update_container(page)


def overwrite_content(made: IncrementalPdfFileWriter) -> None:
    content = made.root["/Pages"]["/Kids"][0].raw_get("/Contents").get_object()
    content._data = b"BT (9.000.000) Tj ET"
    content._encoded_data = None
    made.update_container(content)


def replace_font(made: IncrementalPdfFileWriter) -> None:
    """Shadow attack, replacing: the text stays, its glyphs become others (Mainka et al., NDSS 2021)."""
    font = made.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]["/F1"]
    font[pdf_name("/BaseFont")] = pdf_name("/Wingdings")
    made.update_container(font)


def add_page(made: IncrementalPdfFileWriter) -> None:
    from pyhanko.pdf_utils.writer import PageObject

    content = made.add_object(generic.StreamObject(stream_data=b"BT (annex) Tj ET"))
    made.insert_page(PageObject(contents=content, media_box=(0, 0, 595, 842)))


def annotate(made: IncrementalPdfFileWriter) -> None:
    annotation = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Contents"): generic.pdf_string("9.000.000"),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (72, 700, 300, 740))),
        }
    )
    made.register_annotation(made.find_page_for_modification(0)[0], made.add_object(annotation))


def open_action(made: IncrementalPdfFileWriter) -> None:
    action = {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.pdf_string("app.alert(1)")}
    made.root[pdf_name("/OpenAction")] = generic.DictionaryObject(action)
    made.update_root()


def sign_value_again(made: IncrementalPdfFileWriter) -> None:
    """Reason and date of the signature, written anew: its octets stay covered, its dictionary is another."""
    value = made.root["/AcroForm"]["/Fields"][0]["/V"]
    value[pdf_name("/Reason")] = generic.pdf_string("approved")
    made.update_container(value)


APPENDED: dict[str, Change] = {
    "another content stream": replace_content,
    "the content stream overwritten": overwrite_content,
    "another font": replace_font,
    "another page": add_page,
    "an annotation": annotate,
    "an action": open_action,
}


@pytest.mark.parametrize("name", APPENDED)
def test_a_revision_appended(name: str) -> None:
    verdict = judge(updated(one_signature(), APPENDED[name]))
    signature = only(verdict)
    assert (words(signature), signature.changes) == (CHANGED, Changes.OTHER)
    assert (verdict.outcome, verdict.reason, verdict.revisions) == (PdfOutcome.INVALID, Reason.DIGEST, 3)
    assert signature.covers_revision
    assert not signature.covers_file
    assert signature.verdict.signer is not None, "who signed what was there is known"


def test_a_revision_appended_after_two_signatures() -> None:
    verdict = judge(updated(two_signatures(), annotate))
    assert [words(signature) for signature in verdict.signatures] == [CHANGED, CHANGED]


def test_a_second_signature_does_not_launder_a_change() -> None:
    """Signed, changed, signed again: the second signature is good, the document is not."""
    verdict = judge(sign(updated(sign(plain(), pki().good, "A"), annotate), pki().good, "B"))
    first, second = verdict.signatures
    assert (words(first), second.outcome) == (CHANGED, PdfOutcome.VALID)
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INVALID, Reason.DIGEST)


def test_a_change_between_that_is_undone_later_is_found() -> None:
    number, page = object_with(one_signature(), b"/Type /Page\n")
    changed = by_hand(one_signature(), {number: page.replace(b"595", b"600")})
    assert changed.count(b"600") > one_signature().count(b"600")
    back = by_hand(changed, {number: page})
    assert words(only(judge(back))) == CHANGED


def fill_form(made: IncrementalPdfFileWriter) -> None:
    for ref in made.root["/AcroForm"]["/Fields"]:
        field = ref.get_object()
        if field["/T"] == "amount":
            field[pdf_name("/V")] = generic.pdf_string("9.000.000")
            made.update_container(field)


def test_filling_in_a_form_is_a_change_unless_the_policy_says_otherwise() -> None:
    octets = updated(sign(plain(form=True), pki().good), fill_form)
    verdict = judge(octets)
    assert (words(only(verdict)), only(verdict).changes) == (CHANGED, Changes.FORM_FILLING)
    assert "amount" in only(verdict).changes_detail
    lenient = PdfPolicy("forms", PdfPolicy().accepted_changes | {Changes.FORM_FILLING})
    assert judge(octets, pdf_policy=lenient).outcome is PdfOutcome.VALID


def test_a_policy_never_makes_any_change_acceptable() -> None:
    everything = replace(PdfPolicy(), accepted_changes=frozenset(Changes) - {Changes.OTHER, Changes.UNKNOWN})
    assert words(only(judge(updated(one_signature(), annotate), pdf_policy=everything))) == CHANGED
    for change in (Changes.OTHER, Changes.UNKNOWN):
        with pytest.raises(ValueError, match="nobody understands"):
            replace(PdfPolicy(), accepted_changes=frozenset({change}))


def with_room(where: str) -> bytes:
    """A document that names object 60, which it does not have: what is prepared for somebody's signature."""
    made = writer.PdfFileWriter()
    content = made.add_object(generic.StreamObject(stream_data=b"BT (1.000.000) Tj ET"))
    page = writer.PageObject(contents=content, media_box=A4)
    missing = generic.IndirectObject(60, 0, made)
    match where:
        case "content":
            page[pdf_name("/Contents")] = generic.ArrayObject([content, missing])
        case "annotation":
            page[pdf_name("/Annots")] = generic.ArrayObject([missing])
        case "parent":
            page[pdf_name("/Elsewhere")] = generic.DictionaryObject({pdf_name("/Parent"): missing})
        case "another generation":
            page[pdf_name("/Contents")] = generic.ArrayObject([content, generic.IndirectObject(60, 1, made)])
    made.insert_page(page)
    out = BytesIO()
    made.write(out)
    return sign(out.getvalue(), pki().good)


@pytest.mark.parametrize("where", ["content", "annotation", "parent", "another generation"])
def test_what_was_named_before_it_was_there_is_a_change(where: str) -> None:
    """Shadow attack, hiding: pyHanko takes it for an object that nobody sees."""
    octets = with_room(where)
    assert judge(octets).outcome is PdfOutcome.VALID
    (root,) = {int(number) for number in re.findall(rb"/Root (\d+) 0 R", octets)}
    stream = b"<< /Length 23 >>\nstream\nBT (9.000.000) Tj ET   \nendstream"
    verdict = judge(by_hand(octets, {60: stream}, root=root))
    assert (words(only(verdict)), only(verdict).changes_detail) == (CHANGED, "object 60 was named before it was there")
    assert judge(by_hand(octets, {61: stream}, root=root)).outcome is PdfOutcome.VALID, "one that nobody names"


def test_what_is_more_than_the_information_on_a_document_is_not_written_anew() -> None:
    """A page inherits its resources from what it calls its parent, whatever else that is."""
    made = writer.PdfFileWriter()
    content = made.add_object(generic.StreamObject(stream_data=b"BT (1.000.000) Tj ET"))
    page = writer.PageObject(contents=content, media_box=A4)
    info = made.add_object(generic.DictionaryObject({pdf_name("/Title"): generic.pdf_string("a")}))
    page[pdf_name("/Elsewhere")] = generic.DictionaryObject({pdf_name("/Parent"): info})
    made.insert_page(page)
    made.set_info(info)
    out = BytesIO()
    made.write(out)
    octets = sign(out.getvalue(), pki().good)
    number, _ = object_with(octets, b"/Title (a)")
    (root,) = {int(one) for one in re.findall(rb"/Root (\d+) 0 R", octets)}
    anew = by_hand(octets, {number: b"<< /Resources << >> >>"}, root=root)
    anew = anew[: anew.rindex(b"/Prev")] + b"/Info %d 0 R " % number + anew[anew.rindex(b"/Prev") :]
    verdict = judge(anew)
    assert (words(only(verdict)), only(verdict).changes_detail) == (CHANGED, f"object {number} is more than /Info")


def test_what_fields_are_drawn_with_is_part_of_what_they_show() -> None:
    def draw_anew(made: IncrementalPdfFileWriter) -> None:
        form = made.root["/AcroForm"]
        form[pdf_name("/NeedAppearances")] = generic.BooleanObject(True)
        form[pdf_name("/DR")] = generic.DictionaryObject({pdf_name("/Font"): generic.DictionaryObject()})
        made.update_container(form)

    verdict = judge(updated(sign(plain(form=True), pki().good), draw_anew))
    assert (words(only(verdict)), only(verdict).changes) == (CHANGED, Changes.FORM_FILLING)
    assert judge(updated(one_signature(), draw_anew)).outcome is PdfOutcome.VALID, "no field but that of the signature"


def test_a_document_time_stamp_that_is_drawn_on_the_page_is_a_change() -> None:
    """Anybody can have anything stamped."""
    made = IncrementalPdfFileWriter(BytesIO(one_signature()))
    fields.append_signature_field(made, fields.SigFieldSpec("Dau", box=A4))
    out = BytesIO()
    made.write(out)
    for holder in (tsa(), tsa(issuer=pki().other_root)):
        verdict = judge(timestamped(out.getvalue(), authority_of(holder, NOW)))
        assert (words(only(verdict)), only(verdict).changes_detail) == (CHANGED, "Dau")
    unseen = judge(timestamped(one_signature(), authority_of(tsa(), NOW)))
    assert (unseen.outcome, only(unseen).changes) == (PdfOutcome.VALID, Changes.VALIDATION_DATA)


def signed_over(*boxes: tuple[int, int, int, int]) -> PdfVerdict:
    """One signature, and after it others of somebody else, each drawn in a box."""
    octets = sign(plain(), pki().good, "Nguoi", box=PERSON_BOX)
    for number, box in enumerate(boxes):
        octets = sign(octets, pki().rsa, f"CoQuan{number}", box=box)
    return judge(octets)


def test_what_a_later_signature_draws_is_said() -> None:
    """A seal, or a box with another amount in it: who signed first saw neither."""
    first, second = signed_over(STAMP_BOX).signatures
    assert (first.outcome, first.changes) == (PdfOutcome.VALID, Changes.SIGNATURES)
    assert first.changes_detail == "CoQuan0 draws on page 1: 130 x 130 at 250, 90"
    assert (second.changes, second.changes_detail) == (Changes.NONE, "")
    unseen = judge(sign(one_signature(), pki().rsa, "CoQuan")).signatures[0]
    assert (unseen.changes, unseen.changes_detail) == (Changes.SIGNATURES, "")


@pytest.mark.parametrize(
    "boxes",
    [(A4,), ((595, 842, 0, 0),), ((0, 0, 300, 200), (0, 200, 300, 400), (300, 0, 400, 200))],
    ids=["all of it", "from the other corner", "one after the other"],
)
def test_a_later_signature_drawn_over_much_of_a_page_is_a_change(boxes: tuple[tuple[int, int, int, int], ...]) -> None:
    """The page that was signed is a page that somebody else has painted."""
    verdict = signed_over(*boxes)
    first = verdict.signatures[0]
    assert (words(first), first.changes, verdict.outcome) == (CHANGED, Changes.FORM_FILLING, PdfOutcome.INVALID)
    assert first.changes_detail.startswith("CoQuan0 draws on page 1: ")
    assert all(one.outcome is PdfOutcome.VALID for one in verdict.signatures[-1:])


def test_a_small_page_is_drawn_over_by_a_small_box() -> None:
    """A quarter of the page itself, whatever others measure, and of what of it is shown."""
    small = updated(plain(), lambda made: crop(made, (250, 90, 450, 300)))
    octets = sign(sign(small, pki().good, "Nguoi"), pki().rsa, "CoQuan", box=STAMP_BOX)
    assert words(judge(octets).signatures[0]) == CHANGED


def crop(made: IncrementalPdfFileWriter, box: tuple[int, int, int, int]) -> None:
    page = made.root["/Pages"]["/Kids"][0].get_object()
    page[pdf_name("/CropBox")] = generic.ArrayObject(map(generic.NumberObject, box))
    made.update_container(page)


def test_an_empty_signature_field_drawn_on_the_page_later_is_a_change() -> None:
    """A field that nobody signs can show any picture: a seal that the signer never saw."""

    def draw(made: IncrementalPdfFileWriter) -> None:
        fields.append_signature_field(made, fields.SigFieldSpec("ConDau", box=STAMP_BOX))

    verdict = judge(updated(one_signature(), draw))
    assert (words(only(verdict)), only(verdict).changes) == (CHANGED, Changes.FORM_FILLING)
    assert only(verdict).changes_detail == "ConDau"


def test_validation_data_is_no_change() -> None:
    def add(made: IncrementalPdfFileWriter) -> None:
        store = dss.DocumentSecurityStore(writer=made)
        made.root[pdf_name("/DSS")] = made.add_object(store.as_pdf_object())
        made.update_root()

    verdict = judge(updated(one_signature(), add))
    assert (only(verdict).changes, verdict.outcome) == (Changes.VALIDATION_DATA, PdfOutcome.VALID)
    assert FindingCode.VALIDATION_DATA in {finding.code for finding in verdict.findings}


@pytest.mark.parametrize(("level", "outcome"), [(MDPPerm.NO_CHANGES, "invalid"), (MDPPerm.FILL_FORMS, "valid")])
def test_a_certification_forbids_what_it_says(level: MDPPerm, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    certified = sign(plain(), pki().good, "A", certify=level)
    monkeypatch.setattr("pyhanko.sign.signers.pdf_signer.PdfSigner._enforce_certification_constraints", lambda *_: None)
    verdict = judge(sign(certified, pki().good, "B"))
    assert verdict.outcome == outcome
    if outcome == "invalid":
        assert (words(verdict.signatures[0]), verdict.signatures[0].certification) == (CHANGED, 1)


def test_an_annotation_is_a_change_also_where_the_certification_allows_it() -> None:
    """Evil annotations: what is written over a page is written over it, whoever allowed it (Mainka et al., 2021)."""
    verdict = judge(updated(sign(plain(), pki().good, certify=MDPPerm.ANNOTATE), annotate))
    assert (words(only(verdict)), only(verdict).certification) == (CHANGED, 3)


# --- what no cross-reference leads to, or leads away from (Mladenov et al., CCS 2019: incremental saving attacks)


def test_octets_after_the_end() -> None:
    for tail in (b"<!-- -->", b"\n9 0 obj\n<< >>\nendobj\n", b"\0\0 x"):
        assert words(only(judge(one_signature() + tail))) == CHANGED, tail
    assert judge(one_signature() + b"%%EOF").codes == ("damaged",)


def test_blanks_after_the_end_are_nothing() -> None:
    assert judge(one_signature() + b"\r\n\0 ").outcome is PdfOutcome.VALID


def test_a_body_without_a_cross_reference() -> None:
    """Objects appended, and the old `startxref` again: some readers rebuild the table from what they find."""
    octets = one_signature()
    old = int(octets[octets.rindex(b"startxref") + 9 :].split()[0])
    verdict = judge(octets + b"4 0 obj\n<< /Length 0 >>\nendobj\nstartxref\n%d\n%%%%EOF\n" % old)
    assert (words(only(verdict)), only(verdict).changes_detail) == (CHANGED, "octets after the last revision")


def test_a_revision_that_the_last_one_passes_over() -> None:
    """A revision that changes the page, and one after it whose /Prev leads to the signed one."""
    octets = one_signature()
    old = int(octets[octets.rindex(b"startxref") + 9 :].split()[0])
    hidden = by_hand(octets, {4: b"<< /Length 0 >>\nstream\n\nendstream"})
    verdict = judge(by_hand(hidden, {90: b"<< >>"}, prev=old))
    assert (words(only(verdict)), only(verdict).changes_detail) == (
        CHANGED,
        "2 ends of file after the signature, 1 revisions",
    )


def test_a_later_revision_prepared_inside_the_signed_octets() -> None:
    """Shadow attack, hide and replace: the table that will be used later lies already in what is signed."""
    base = plain()
    inner = b"\nxref\n%d 1\n%010d 00000 n \ntrailer\n<< /Size 100 /Root 1 0 R /Prev %010d >>\n"
    place = base.rindex(b"xref\n0 ")
    room = len(inner % (0, 0, 0))
    hidden = b"4 0 obj\n<< /Length 4 >>\nstream\nshow\nendstream\nendobj\n"
    shifted = base[:place] + hidden + b"%" + b" " * room + b"\n" + base[place:]
    last = int(base[base.rindex(b"startxref") + 9 :].split()[0])
    shifted = shifted.replace(b"startxref\n%d" % last, b"startxref\n%d" % (last + len(hidden) + room + 2))
    signed = sign(shifted, pki().rsa)
    prev = int(signed[signed.rindex(b"startxref") + 9 :].split()[0])
    start = place + len(hidden) + 1
    prepared_table = inner % (4, place, prev)
    # What a preparer would have put there before signing; the signature is then made over it.
    shifted = shifted[:start] + prepared_table.ljust(room) + shifted[start + room :]
    signed = sign(shifted, pki().rsa)
    assert int(signed[signed.rindex(b"startxref") + 9 :].split()[0]) == prev
    octets = signed + b"startxref\n%d\n%%%%EOF\n" % (start + 1)
    verdict = judge(octets)
    assert words(only(verdict)) == CHANGED, only(verdict).verdict.checks[-1]
    assert only(verdict).changes_detail == "a later revision inside the octets that were signed"


# --- signatures that go, move or multiply


def test_a_signature_taken_out_by_a_later_revision() -> None:
    def strip(made: IncrementalPdfFileWriter) -> None:
        del made.root["/AcroForm"]
        made.update_root()

    verdict = judge(updated(one_signature(), strip))
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INVALID, Reason.DIGEST)
    assert (FindingCode.REMOVED.value in verdict.codes, verdict.signatures) == (True, ())


def test_one_of_two_signatures_taken_out() -> None:
    def strip(made: IncrementalPdfFileWriter) -> None:
        form = made.root["/AcroForm"]
        form[pdf_name("/Fields")] = generic.ArrayObject([form["/Fields"].raw_get(0)])
        made.update_container(form)

    verdict = judge(updated(two_signatures(), strip))
    assert verdict.outcome is PdfOutcome.INVALID
    assert [f.detail for f in verdict.findings if f.code is FindingCode.REMOVED] == ["CoQuan"]


def test_a_file_cut_back_to_an_earlier_revision_is_that_revision() -> None:
    """Nothing in the file can show that there was more; that is what the digest of the package is for."""
    first = sign(plain(), pki().good, "Nguoi")
    second = sign(first, pki().rsa, "CoQuan")
    verdict = judge(second[: len(first)])
    assert ([signature.field for signature in verdict.signatures], verdict.outcome) == (["Nguoi"], PdfOutcome.VALID)


def test_signature_data_that_no_field_holds() -> None:
    octets = one_signature().replace(b"/AcroForm", b"/AcroXorm")
    verdict = judge(octets)
    assert (verdict.outcome, verdict.signatures) == (PdfOutcome.INDETERMINATE, ())
    assert verdict.codes == ("signature-outside-form",)


def test_two_fields_with_one_signature() -> None:
    def share(made: IncrementalPdfFileWriter) -> None:
        form = made.root["/AcroForm"]
        first = form["/Fields"][0]
        twin = generic.DictionaryObject({key: first.raw_get(key) for key in first})
        twin[pdf_name("/T")] = generic.pdf_string("Hai")
        form["/Fields"].append(made.add_object(twin))
        made.update_container(form)

    verdict = judge(updated(one_signature(), share))
    assert verdict.outcome is PdfOutcome.INVALID
    assert (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.STRUCTURE) in map(words, verdict.signatures)


def test_the_first_signature_shown_again_as_a_second() -> None:
    """A second dictionary with the ByteRange and the CMS of the first: mathematics that holds, for the first one."""
    octets = one_signature()
    left, right = gap(octets)
    numbers = b"[0 %d %d %d]" % (left, right, len(octets) - right)
    number, form = object_with(octets, b"/Fields")
    field = b"<< /FT /Sig /T (Hai) /V 91 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] /F 132 >>"
    value = b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange %s /Contents <%s> >>" % (
        numbers,
        cms_of(octets).hex().encode(),
    )
    fields_now = re.sub(rb"/Fields \[ *(\d+ 0 R) *\]", rb"/Fields [\1 90 0 R]", form)
    assert fields_now != form
    verdict = judge(by_hand(octets, {number: fields_now, 90: field, 91: value}))
    second = next(signature for signature in verdict.signatures if signature.field == "Hai")
    assert (words(second), verdict.outcome) == (
        (PdfOutcome.INVALID, SubIndication.FORMAT_FAILURE, Reason.COVERAGE),
        PdfOutcome.INVALID,
    )


def test_a_second_signature_by_nobody_we_know_is_doubt() -> None:
    verdict = judge(sign(one_signature(), pki().from_other_root, "La", box=PERSON_BOX))
    assert [signature.outcome for signature in verdict.signatures] == [PdfOutcome.VALID, PdfOutcome.INDETERMINATE]
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INDETERMINATE, Reason.UNTRUSTED)


def test_a_failed_signature_outweighs_a_doubtful_one() -> None:
    octets = prepared(sign(plain(), pki().from_other_root, "A"), lambda data: b"\x30\x00", "B")
    verdict = judge(octets)
    assert [signature.outcome for signature in verdict.signatures] == [PdfOutcome.INDETERMINATE, PdfOutcome.INVALID]
    assert (verdict.outcome, verdict.reason) == (PdfOutcome.INVALID, Reason.STRUCTURE)


def test_a_signature_dictionary_rewritten_later() -> None:
    assert judge(updated(one_signature(), sign_value_again)).outcome is not PdfOutcome.VALID
