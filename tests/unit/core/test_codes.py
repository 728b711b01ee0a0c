"""Agency codes: which grammar, where they hang, what is no code at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import MAX_LENGTH, AgencyCode, CodeError, Grammar, document_key

CODES = [  # text, grammar, path, parent guessed by grammar
    ("000.00.00.H53", Grammar.QCVN_102, ("H53",), None),
    ("000.00.13.H53", Grammar.QCVN_102, ("H53", "13"), "000.00.00.H53"),
    ("000.20.31.H53", Grammar.QCVN_102, ("H53", "31", "20"), "000.00.31.H53"),
    ("002.20.31.H53", Grammar.QCVN_102, ("H53", "31", "20", "002"), "000.20.31.H53"),
    ("002.00.20.H13", Grammar.QCVN_102, ("H13", "20", "00", "002"), "000.00.20.H13"),  # a gap keeps its place
    ("H53", Grammar.QD_20, ("H53",), None),
    ("H53.31.20", Grammar.QD_20, ("H53", "31", "20"), "H53.31"),
    ("H01.151", Grammar.QD_20, ("H01", "151"), "H01"),
    ("H37.DN.001", Grammar.QD_20, ("H37", "DN", "001"), "H37.DN"),
    ("vxp.saas.03", Grammar.OTHER, ("vxp.saas.03",), None),
    ("00.53.W00", Grammar.OTHER, ("00.53.W00",), None),
    ("001.00.20.TT2", Grammar.OTHER, ("001.00.20.TT2",), None),
    ("000.A53.000", Grammar.OTHER, ("000.A53.000",), None),
    ("00.00.008.K99", Grammar.OTHER, ("00.00.008.K99",), None),
    ("999.010.01.H22", Grammar.OTHER, ("999.010.01.H22",), None),
    ("28.22.H17", Grammar.OTHER, ("28.22.H17",), None),
    ("h53.31", Grammar.OTHER, ("h53.31",), None),
]


@pytest.mark.parametrize(("text", "grammar", "path", "parent"), CODES)
def test_a_code_is_read_by_its_grammar(text: str, grammar: Grammar, path: tuple[str, ...], parent: str | None) -> None:
    code = AgencyCode.parse(text)
    above = code.guess_parent()
    assert (code.grammar, code.path, above and above.text) == (grammar, path, parent)
    assert str(code) == text


def test_the_same_agency_has_one_path_in_both_grammars() -> None:
    assert AgencyCode.parse("000.20.31.H53").path == AgencyCode.parse("H53.31.20").path


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "H53 ",
            " H53",
            "H53\n",
            "H53.",
            ".H53",
            "H53..31",
            "H53-31",
            "H53/31",
            "*",
            "Ｈ53",
            "H５3",
            "ĐH.01",
        ),
        "A" * (MAX_LENGTH + 1),
    ],
)
def test_what_is_not_exactly_a_code_is_refused(text: str) -> None:
    with pytest.raises(CodeError):
        AgencyCode.parse(text)


def test_a_code_has_at_most_35_characters() -> None:
    assert AgencyCode.parse("H" * 35).text == "H" * 35


group = st.text("ABCXYZ019", min_size=1, max_size=4)
level_1 = st.from_regex(r"[A-Z][0-9]{2}", fullmatch=True)
qd20 = st.builds(lambda first, rest: ".".join([first, *rest]), level_1, st.lists(group, max_size=6))
qcvn = st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}", fullmatch=True)
anything = st.text("ABab09.", min_size=1, max_size=40)


@given(st.one_of(qd20, qcvn, anything))
def test_a_guessed_parent_stands_above_its_child_and_the_way_up_ends(text: str) -> None:
    try:
        code: AgencyCode | None = AgencyCode.parse(text)
    except CodeError:
        return
    for _ in range(MAX_LENGTH):
        assert code is not None
        assert code.path
        above = code.guess_parent()
        if above is None:
            return
        assert AgencyCode.parse(above.text) == above
        assert len(above.path) < len(code.path)
        assert code.path[: len(above.path)] == above.path
        code = above
    pytest.fail("no end")


@pytest.mark.parametrize(
    ("one", "other"),
    [(" 12/QĐ-UBND\n", "12/QĐ-UBND"), ("Đề án ễ", "Đề án ễ")],
)
def test_document_ids_are_compared_trimmed_and_composed(one: str, other: str) -> None:
    assert document_key(one) == document_key(other)


def test_document_ids_of_different_case_are_different() -> None:
    assert document_key("a,2026,1") != document_key("A,2026,1")
