"""The protocol of the national axis as pure functions, held against nine requests that the real SDK made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.national import vxp
from adapters.national.vxp import Call, Caller, Code, FileDigest, VxpError
from schemas.dates import VIETNAM
from tests.unit.national.world import NOW, SECRET, SYSTEM, Recorded, recorded

ALL = recorded()


def checked(request: Recorded, secret: str | None = SECRET) -> Caller | VxpError:
    return vxp.check(request.call, request.headers, request.body, secret, request.at)


@pytest.mark.parametrize("request_", ALL, ids=lambda r: r.call)
def test_every_recorded_request_is_authentic_and_only_under_its_secret(request_: Recorded) -> None:
    caller = checked(request_)
    assert isinstance(caller, Caller)
    assert (caller.system, caller.at) == (SYSTEM, request_.at)
    for secret in ("test-secreT", "", None):
        assert checked(request_, secret) == VxpError(Code.CREDENTIALS)


@pytest.mark.parametrize("request_", ALL, ids=lambda r: r.call)
def test_we_sign_exactly_as_the_sdk_does(request_: Recorded) -> None:
    values = dict(request_.headers)
    parameters = [(key, values[vxp.PREFIX + key]) for key in values[vxp.SIGN_KEYS].split(";")]
    ours = dict(vxp.sign(parameters, SECRET))
    assert ours[vxp.SIGN_TEXT] == values[vxp.SIGN_TEXT]
    assert ours[vxp.SIGNATURE] == values[vxp.SIGNATURE]
    assert set(ours.items()) <= set(request_.headers)


def test_the_order_and_case_of_header_names_do_not_matter_and_their_values_do() -> None:
    request = ALL[2]
    shuffled = replace(request, headers=tuple((n.lower(), v) for n, v in reversed(request.headers)))
    assert isinstance(vxp.check(Call.SEND, shuffled.headers, request.body, SECRET, request.at), Caller)
    values = dict(request.headers)
    louder = request.with_header("XroadVnpt-from", values["XroadVnpt-from"].lower())
    assert checked(louder) == VxpError(Code.CREDENTIALS, "Tham so khong khop voi sign-header")


@pytest.mark.parametrize("name", ["docId", "timestamp", "systemid"])
def test_what_a_call_reads_must_be_signed(name: str) -> None:
    request = ALL[5]
    values = dict(request.headers)
    keys = [key for key in values[vxp.SIGN_KEYS].split(";") if key != name]
    signed = vxp.sign([(key, values[vxp.PREFIX + key]) for key in keys], SECRET)
    unsigned = vxp.check_headers(Call.GET, [*signed, (vxp.PREFIX + name, values[vxp.PREFIX + name])], SECRET, NOW)
    assert unsigned == VxpError(Code.CREDENTIALS, f"Tham so {name} chua duoc ky")
    missing = vxp.check_headers(Call.GET, signed, SECRET, NOW)
    assert missing == VxpError(Code.BAD_FILE, f"Thieu tham so {name}")


def test_optional_parameters_that_a_call_reads_must_be_signed_too() -> None:
    request = ALL[4]
    more = replace(request, headers=(*request.headers, ("XroadVnpt-status", "done")))
    assert checked(more) == VxpError(Code.CREDENTIALS, "Tham so status chua duoc ky")


def test_the_hash_of_the_file_must_be_signed() -> None:
    request = ALL[2]
    values = dict(request.headers)
    keys = [key for key in values[vxp.SIGN_KEYS].split(";") if key != "hash-file"]
    signed = vxp.sign([(key, values[vxp.PREFIX + key]) for key in keys], SECRET)
    headers = [*signed, ("XroadVnpt-hash-file", values["XroadVnpt-hash-file"])]
    assert isinstance(vxp.check(Call.SEND, headers, request.body, SECRET, request.at), VxpError)


def test_parameters_left_over_from_another_call_of_one_sdk_object_are_told_apart() -> None:
    """`docId` of the last getEdoc beside `docid` of this updateStatus: both signed, both headers there."""
    parameters = [("systemid", SYSTEM), ("docId", "old"), ("docid", "new"), ("status", "done")]
    headers = vxp.sign([*parameters, ("timestamp", vxp.write_timestamp(NOW))], SECRET)
    caller = vxp.check_headers(Call.UPDATE, headers, SECRET, NOW)
    assert isinstance(caller, Caller)
    assert (caller.get("docid"), caller.get("docId")) == ("new", "old")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '"x"',
        "{" * 20_000,
        '{"XroadVnpt-systemid":1}',
        '{"XroadVnpt-systemid":{"a":"b"}}',
        '{"systemid":"00.31.W00"}',
        '{"XroadVnpt-systemid":"00.31.W00","XroadVnpt-systemid":"00.31.W00"}',
    ],
)
def test_a_signed_text_that_is_no_flat_object_of_texts_is_refused_even_with_a_good_signature(text: str) -> None:
    headers = [(vxp.SIGN_KEYS, "systemid"), (vxp.SIGN_TEXT, text), (vxp.SIGNATURE, vxp._hmac(text, SECRET))]
    found = vxp.check_headers(Call.AGENCIES, [*headers, ("XroadVnpt-systemid", SYSTEM)], SECRET, NOW)
    assert isinstance(found, VxpError)
    assert found.code is Code.CREDENTIALS


@pytest.mark.parametrize(("off", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_the_timestamp_may_be_off_by_the_skew_and_no_more(off: int, good: bool) -> None:
    request = ALL[1]
    now = request.at + timedelta(seconds=off)
    found = vxp.check_headers(request.call, request.headers, SECRET, now, timedelta(minutes=5))
    assert isinstance(found, Caller) is good


def test_the_tail_of_a_timestamp_is_milliseconds_and_no_zone() -> None:
    at = datetime(2026, 11, 22, 7, 31, 33, 36_000, tzinfo=UTC)
    assert vxp.write_timestamp(at) == "22112026T143133+0036"
    assert vxp.read_timestamp("22112026T143133+0036") == at
    assert vxp.read_timestamp("22112026T143133+0036", UTC) == at + timedelta(hours=7)
    assert vxp.read_timestamp("22112026T143133+0700") == at.replace(microsecond=700_000)


@pytest.mark.parametrize("text", ["", "22112026T143133", "32112026T143133+0036", "22112026T143133+1000", "x" * 50])
def test_what_is_no_timestamp_is_none(text: str) -> None:
    assert vxp.read_timestamp(text) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(0, 999))  # noqa: DTZ001
def test_timestamps_come_back_as_written(at: datetime, milliseconds: int) -> None:
    moment = at.replace(microsecond=milliseconds * 1000, tzinfo=VIETNAM)
    assert vxp.read_timestamp(vxp.write_timestamp(moment)) == moment


@given(st.binary(max_size=40), st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\n", b"\r"]), st.lists(st.integers(1, 5)))
def test_a_file_is_found_with_and_without_its_line_end_however_it_is_cut(
    start: bytes, end: bytes, cuts: list[int]
) -> None:
    file = start + end
    for body, tail in ((file + vxp.TAIL, 2), (file, 0)):
        digest, at = FileDigest(), 0
        for cut in (*cuts, len(body)):
            digest.update(body[at : at + cut])
            at += cut
        for text in (vxp.unpadded(sha256(file).digest()), sha256(file).hexdigest()):
            assert digest.tail(text) == tail
        assert digest.tail(sha256(file + b"x").hexdigest()) is None


def test_exactly_one_line_end_is_taken_off() -> None:
    digest = FileDigest()
    digest.update(b"file\r\n\r\n")
    assert digest.tail(sha256(b"file").hexdigest()) is None
    assert digest.tail(sha256(b"file\r\n").hexdigest()) == 2


def test_answers_have_no_nulls_and_a_refusal_to_send_names_an_empty_doc_id() -> None:
    refused = json.loads(vxp.write_answer(vxp.failed(VxpError(Code.SYSTEM), Call.SEND)))
    assert refused == {"status": "FAIL", "ErrorCode": "20", "ErrorDesc": "Loi he thong", "DocId": ""}
    sent = json.loads(vxp.write_answer(vxp.succeeded(doc_id="a")))
    assert sent == {
        "status": "OK",
        "ErrorCode": "0",
        "ErrorDesc": "Thanh cong",
        "DocId": "a",
        "data": {"DocId": "a"},
    }
    assert vxp.write_answer(vxp.succeeded(["Sở"])).isascii()


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in ALL[2].headers]), st.text(max_size=20)), max_size=20))
def test_whatever_the_headers_say_there_is_an_answer(headers: list[tuple[str, str]]) -> None:
    for call in Call:
        assert isinstance(vxp.check(call, headers, b"", SECRET, NOW), VxpError)
