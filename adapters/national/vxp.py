"""VXP, the protocol of the national axis, as tables and pure functions: names, times, signing, checking, answers.

What is known comes from the requests of the VPCP SDK 2.0.4 as recorded on a loopback server ("VPCP SDK 2.0.4,
observed") and from how a published release of that library reads answers ("VPCP SDK 2.0.1, read"). There is no public
specification.

Parameters travel in headers `XroadVnpt-<name>`. The HMAC covers the text of one of them, `sign-header`, which repeats
the others; the body of `sendEdoc` is bound to it by `hash-file`, every other body is not bound by anything.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from schemas.dates import VIETNAM

PREFIX: Final = "XroadVnpt-"
SIGN_KEYS: Final = PREFIX + "sign-header-key"
SIGN_TEXT: Final = PREFIX + "sign-header"
SIGNATURE: Final = PREFIX + "hash-header"
VERSION: Final = (PREFIX + "version", "3.0.201608")
USER_AGENT: Final = ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP")
CONTENT_TYPE: Final = "Content-Type"
SERVICE: Final = "eDoc"
BASE_PATH: Final = "/XrdAdapter/adapter"
DEFAULT_SKEW: Final = timedelta(minutes=5)
TAIL: Final = b"\r\n"
"""`sendEdoc` puts one line end after the file; the hash is over the file without it (VPCP SDK 2.0.4, observed)."""

_TIMESTAMP: Final = re.compile(r"(\d{2})(\d{2})(\d{4})T(\d{2})(\d{2})(\d{2})\+(\d{4})", re.ASCII)
_MAX_SIGNED: Final = 64


class Call(StrEnum):
    SEND = "sendEdoc"
    RECEIVED = "getReceivedEdocList"
    SENT = "getSentEdocList"
    GET = "getEdoc"
    UPDATE = "updateStatus"
    AGENCIES = "getAgenciesList"
    REGISTER = "registerAgency"
    DELETE = "deleteAgency"


class MessageType(StrEnum):
    EDOC = "edoc"
    STATUS = "status"


class State(StrEnum):
    """The transport state of one package for one receiver. Not the business status."""

    INITIAL = "INITIAL"
    PROCESSING = "processing"
    DONE = "done"
    FAIL = "fail"


class Code(StrEnum):
    """`ErrorCode`: the only numeric list that was found (a provincial axis; docs/specifications.md)."""

    OK = "0"
    BAD_FILE = "10"
    CREDENTIALS = "15"
    UNKNOWN_RECEIVER = "18"
    UNKNOWN_SENDER = "19"
    SYSTEM = "20"
    PROCESSING = "21"
    BAD_EDXML = "22"
    LOCKED_RECEIVER = "23"


TEXTS: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.OK: "Thanh cong",
        Code.BAD_FILE: "Du lieu khong hop le",
        Code.CREDENTIALS: "Sai SystemId hoac SecretKey",
        Code.UNKNOWN_RECEIVER: "Don vi nhan khong ton tai",
        Code.UNKNOWN_SENDER: "Don vi gui khong dang ky",
        Code.SYSTEM: "Loi he thong",
        Code.PROCESSING: "Loi xu ly file",
        Code.BAD_EDXML: "Sai dinh dang edXML",
        Code.LOCKED_RECEIVER: "Don vi nhan da khoa",
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which parameters a call must have, and which it reads when they are there. All of them must be signed."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return ("systemid", "timestamp", *self.required, *self.optional)


RULES: Final[Mapping[Call, Rule]] = MappingProxyType(
    {
        Call.SEND: Rule(("messagetype", "from", "hash-file")),
        Call.RECEIVED: Rule(("messagetype",), ("fromDate", "toDate", "status", "docid")),
        Call.SENT: Rule(("messagetype",), ("docId",)),
        Call.GET: Rule(("docId",)),
        Call.UPDATE: Rule(("docid", "status")),
        Call.AGENCIES: Rule(),
        Call.REGISTER: Rule(),
        Call.DELETE: Rule(("AgencyCode",)),
    }
)


@dataclass(frozen=True, slots=True)
class VxpError:
    """Why a request is refused: a code of the table and a text that is safe for strangers."""

    code: Code
    text: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request: which system, what it asks, when it was signed, and the signature itself."""

    system: str
    parameters: Mapping[str, str]
    at: datetime
    signature: str

    def get(self, name: str) -> str | None:
        """A signed parameter by the name that the call uses, else by the same name in another case.

        Exact first: an object of the SDK keeps the parameters of its former calls and signs them again, so a request
        may have `docId` of one call beside `docid` of another (VPCP SDK 2.0.1, read).
        """
        exact = self.parameters.get(name)
        if exact is not None:
            return exact
        lower = name.lower()
        return next((value for key, value in self.parameters.items() if key.lower() == lower), None)

    def need(self, name: str) -> str:
        """A parameter that the call's rule requires."""
        value = self.get(name)
        assert value is not None, name
        return value


def write_timestamp(at: datetime, zone: tzinfo = VIETNAM) -> str:
    """`ddMMyyyy'T'HHmmss+SSSS`: the tail looks like a zone and is milliseconds (VPCP SDK 2.0.4, observed)."""
    local = at.astimezone(zone)
    return f"{local:%d%m}{local.year:04}T{local:%H%M%S}+{local.microsecond // 1000:04}"


def read_timestamp(text: str, zone: tzinfo = VIETNAM) -> datetime | None:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, tail = (int(group) for group in found.groups())
    if tail > 999:
        return None
    try:
        return datetime(year, month, day, hour, minute, second, tail * 1000, tzinfo=zone)
    except ValueError:
        return None


def unpadded(digest: bytes) -> str:
    """Hex with no leading zero per byte, so often shorter than 64 (VPCP SDK 2.0.4, observed)."""
    return "".join(f"{octet:x}" for octet in digest)


def sign(parameters: Sequence[tuple[str, str]], secret: str) -> list[tuple[str, str]]:
    """The headers of a request with these parameters (names without prefix), in the order of the SDK."""
    text = json.dumps({PREFIX + name: value for name, value in parameters}, separators=(",", ":"), ensure_ascii=False)
    headers: list[tuple[str, str]] = []
    for name, value in parameters:
        if name == CONTENT_TYPE:
            headers.append((name, value))
        headers.append((PREFIX + name, value))
    return [
        *headers,
        (SIGN_KEYS, ";".join(name for name, _ in parameters)),
        (SIGN_TEXT, text),
        (SIGNATURE, _hmac(text, secret)),
        USER_AGENT,
        VERSION,
    ]


def system_of(headers: Iterable[tuple[str, str]]) -> str:
    """Which system a request says it comes from; empty when it does not say so exactly once."""
    said = [value for name, value in headers if name.lower() == (PREFIX + "systemid").lower()]
    return said[0] if len(said) == 1 else ""


def check_headers(
    call: Call,
    headers: Sequence[tuple[str, str]],
    secret: str | None,
    now: datetime,
    skew: timedelta = DEFAULT_SKEW,
    zone: tzinfo = VIETNAM,
) -> Caller | VxpError:
    """Authenticate a request by its headers; `secret` is `None` for a system that does not exist.

    Every signed parameter must really be there with the signed value, and nothing else under its name; everything that
    the call reads must be signed. A wrong secret and an unknown system get the same answer.
    """
    real: dict[str, list[str]] = {}
    for name, value in headers:
        real.setdefault(name.lower(), []).append(value)
    text, signature, keys = (_only(real, name) for name in (SIGN_TEXT, SIGNATURE, SIGN_KEYS))
    if text is None or signature is None or keys is None:
        return VxpError(Code.CREDENTIALS, "Yeu cau chua duoc ky")
    genuine = hmac.compare_digest(_hmac(text, secret or "").encode(), signature.encode("utf-8", "surrogateescape"))
    if not genuine or secret is None:
        return VxpError(Code.CREDENTIALS)
    signed = _signed(text)
    if signed is None or sorted(keys.split(";")) != sorted(signed):
        return VxpError(Code.CREDENTIALS, "sign-header khong hop le")
    if not _same(signed, real):
        return VxpError(Code.CREDENTIALS, "Tham so khong khop voi sign-header")
    caller = Caller(signed.get("systemid", ""), MappingProxyType(signed), now, signature)
    for name in RULES[call].reads:
        if caller.get(name) is None and (PREFIX + name).lower() in real:
            return VxpError(Code.CREDENTIALS, f"Tham so {name} chua duoc ky")
    for name in ("systemid", "timestamp", *RULES[call].required):
        if caller.get(name) is None:
            return VxpError(Code.BAD_FILE, f"Thieu tham so {name}")
    at = read_timestamp(caller.need("timestamp"), zone)
    if at is None:
        return VxpError(Code.BAD_FILE, "Tham so timestamp khong hop le")
    if abs(at - now) > skew:
        return VxpError(Code.CREDENTIALS, "Thoi gian cua yeu cau lech qua gioi han")
    return Caller(caller.need("systemid"), caller.parameters, at, signature)


class FileDigest:
    """SHA-256 over a body as it comes, with and without one CRLF at its very end."""

    def __init__(self) -> None:
        self._whole = sha256()
        self._body = sha256()
        self._held = b""

    def update(self, piece: bytes) -> None:
        self._whole.update(piece)
        held = self._held + piece
        self._body.update(held[:-2])
        self._held = held[-2:]

    def tail(self, hash_file: str) -> int | None:
        """How many octets at the end of the body are not the file; `None` when the file is not the one signed for.

        `hash_file` may be padded or not. Unpadded hex is a little ambiguous (`1`,`23` and `12`,`3`), which we accept as
        the SDK does: to use it one still has to find another file with a digest of the same digits.
        """
        if self._held == TAIL and _is(self._body.digest(), hash_file):
            return len(TAIL)
        return 0 if _is(self._whole.digest(), hash_file) else None

    def hexdigest(self) -> str:
        return self._whole.hexdigest()


def check(
    call: Call,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    secret: str | None,
    now: datetime,
    skew: timedelta = DEFAULT_SKEW,
    zone: tzinfo = VIETNAM,
) -> Caller | VxpError:
    """`check_headers`, and for `sendEdoc` that the body is the file signed for."""
    caller = check_headers(call, headers, secret, now, skew, zone)
    if isinstance(caller, VxpError) or call is not Call.SEND:
        return caller
    digest = FileDigest()
    digest.update(body)
    if digest.tail(caller.need("hash-file")) is None:
        return VxpError(Code.BAD_FILE, "Noi dung file khong khop voi hash-file")
    return caller


def succeeded(data: object = None, doc_id: str | None = None) -> dict[str, object]:
    """The answer to a call that was carried out.

    `DocId` stands at the top, where the SDK takes it from, and in `data` as well. There are no nulls: the SDK trips
    over them (VPCP SDK 2.0.1, read).
    """
    answer: dict[str, object] = {"status": "OK", "ErrorCode": Code.OK.value, "ErrorDesc": TEXTS[Code.OK]}
    if doc_id is not None:
        return {**answer, "DocId": doc_id, "data": {"DocId": doc_id}}
    return answer if data is None else {**answer, "data": data}


def failed(error: VxpError, call: Call | None = None) -> dict[str, object]:
    """The answer to a call that was refused: never without code and text, never with a list.

    After `sendEdoc` the SDK reads `DocId` even from a refusal and swallows the reason when it is missing (VPCP SDK
    2.0.1, read).
    """
    answer = {"status": "FAIL", "ErrorCode": error.code.value, "ErrorDesc": error.text or TEXTS[error.code]}
    return {**answer, "DocId": ""} if call is Call.SEND else {**answer}


def write_answer(answer: Mapping[str, object]) -> bytes:
    """JSON in ASCII, so that a client which guesses the charset cannot guess wrong."""
    return json.dumps(answer, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _hmac(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogateescape"), sha256).hexdigest()


def _only(real: Mapping[str, list[str]], name: str) -> str | None:
    values = real.get(name.lower(), [])
    return values[0] if len(values) == 1 else None


def _signed(text: str) -> dict[str, str] | None:
    """The sign-header as parameters without prefix; `None` unless it is one flat object of distinct names and texts."""
    try:
        pairs = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, list) or not 0 < len(pairs) <= _MAX_SIGNED:
        return None
    signed: dict[str, str] = {}
    for pair in pairs:
        if not isinstance(pair, tuple):
            return None
        name, value = pair
        if not isinstance(value, str) or not name.startswith(PREFIX) or name.removeprefix(PREFIX) in signed:
            return None
        signed[name.removeprefix(PREFIX)] = value
    return signed


def _same(signed: Mapping[str, str], real: Mapping[str, list[str]]) -> bool:
    """Say whether the real headers are the signed ones: per name (any case) the same values, no more, no fewer.

    The plain Content-Type goes with the signed one, because the key list does not say which of the two it means.
    """
    named: dict[str, list[str]] = {}
    for name, value in signed.items():
        named.setdefault((PREFIX + name).lower(), []).append(value)
    if any(sorted(values) != sorted(real.get(name, ())) for name, values in named.items()):
        return False
    plain, meant = real.get(CONTENT_TYPE.lower()), signed.get(CONTENT_TYPE)
    return plain is None or meant is None or [_media_type(value) for value in plain] == [_media_type(meant)]


def _media_type(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _is(digest: bytes, text: str) -> bool:
    given = text.encode("utf-8", "surrogateescape")
    padded = hmac.compare_digest(digest.hex().encode(), given)
    return hmac.compare_digest(unpadded(digest).encode(), given) or padded
