"""What can be asked for under `/v1`: one row for each operation. The routes are made of this table, a caller's role is
held to it, and the description tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from axis.core.model import Role
from axis.core.problems import Kind
from axis.web.openapi.row import Body, Good, Named, Operation
from axis.web.shapes import (
    REF,
    AcknowledgedFacts,
    InboxFacts,
    ReceiptFacts,
    ResultsFacts,
    StatusFacts,
    TakenNoticeFacts,
    WholeDocumentFacts,
    Words,
)
from schemas.multipart import RELATED, XML_TYPES
from signing.verdict import Sentence

JSON: Final = "application/json"
XML: Final = "application/xml"
OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain"
INBOX_LIMIT: Final = 200
"""Items of one page of a mailbox."""
INBOX_USUAL: Final = 50
MAX_JSON: Final = 65_536
"""Octets of a body that is read whole, where nothing else is said."""
MOST_STATUSES: Final = 100
"""Statuses of one request."""
MAX_BATCH: Final = 262_144
"""Octets of one request with several."""
NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""How a number is written in a query."""


ALWAYS: Final = frozenset({Kind.BAD_REQUEST, Kind.INTERNAL})
_KNOWN: Final = ALWAYS | {Kind.UNAUTHENTICATED}
_STORED: Final = _KNOWN | {Kind.STORE_UNAVAILABLE}
_AGENCY: Final = _STORED | {Kind.FORBIDDEN}
_OCTETS: Final = frozenset({Kind.NOT_FOUND, Kind.CONTENT_REMOVED, Kind.STORED_DAMAGED})
_SENT: Final = frozenset({Kind.UNSUPPORTED_MEDIA, Kind.TOO_LARGE, Kind.TOO_SLOW})
_STATUS: Final = _AGENCY | _SENT | {Kind.LOG_STALE}
_TAKEN: Final = (
    _AGENCY
    | _SENT
    | {
        Kind.NOT_YOUR_AGENCY,
        Kind.MALFORMED_XML,
        Kind.MALFORMED_PARTS,
        Kind.SCHEMA_VIOLATION,
        Kind.ATTACHMENT,
        Kind.SIGNATURE_FAILED,
        Kind.SIGNATURE_MISSING,
        Kind.ATTACHMENT_SIGNATURE_FAILED,
        Kind.CERTIFICATE_MISMATCH,
        Kind.UNKNOWN_AGENCY,
        Kind.INACTIVE_AGENCY,
        Kind.NO_ROUTE,
        Kind.ROUTING_LOOP,
        Kind.DUPLICATE_CONFLICT,
        Kind.ILLEGAL_STATUS,
        Kind.CONTENT_REMOVED,
        Kind.RATE_LIMITED,
        Kind.BUSY,
        Kind.REVOCATION_UNKNOWN,
        Kind.LOG_STALE,
        Kind.KEY_UNAVAILABLE,
    }
)

_DOCUMENT: Final = Named("document", Sentence("tham chiếu văn bản", "the axis' reference of the document"), REF)
_DELIVERY: Final = Named("delivery", Sentence("mã lượt chuyển", "the delivery's id"), REF)
_SHA256: Final = r"[0-9a-f]{64}"
_PACKAGE_SHA256: Final = Named(
    "Axis-Package-SHA256",
    Sentence("băm của gói tin, không tùy cách nó đi", "the package's digest, however it travels"),
    _SHA256,
    required=False,
)
_DIGEST: Final = Named(
    "Repr-Digest", Sentence("SHA-256 của thân", "SHA-256 of the body (RFC 9530)"), "sha-256=:.{43}=:", required=False
)
_STATED: Final = tuple(
    Named(
        name,
        Sentence(
            "sha-256 ghi ở đây phải là của thân", "a sha-256 that stands here must be that of the body (RFC 9530)"
        ),
        ".*",
        {"type": "string", "examples": ["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]},
        required=False,
    )
    for name in ("Content-Digest", "Repr-Digest")
)
_ATTACHED: Final = Named(
    "Axis-Attached-Pdfs",
    Sentence("kết luận về các PDF đính kèm", "the worst outcome of the attached PDFs"),
    "[a-z]+",
    required=False,
)
_RESUMABLE: Final = (
    Named("Accept-Ranges", Sentence("tải tiếp được", "it can be gone on with"), "bytes", required=False),
    Named("ETag", Sentence("nêu lại ở If-Range", "to be named in If-Range"), f'"{_SHA256}"', required=False),
)
_RANGE: Final = (
    Named(
        "Range",
        Sentence("một phần, để tải tiếp", "one part, to go on with a download (RFC 9110)"),
        ".*",
        {"type": "string", "examples": ["bytes=65536-"]},
        required=False,
    ),
    Named(
        "If-Range",
        Sentence("ETag của lần trước", "the ETag of before: without it, all is sent where that is another"),
        ".*",
        {"type": "string"},
        required=False,
    ),
)
_IN_PARTS: Final = frozenset({Kind.RANGE, Kind.BUSY})
_PACKAGE: Final = Words({"type": "string", "description": "edXML (QCVN 102:2016)"})
_PARTS: Final = Words(
    {
        "type": "string",
        "description": "envelope, rồi các tệp · the envelope as application/xml, then each file by its Content-ID, "
        "raw (RFC 2387); docs/endpoints.md, section 10",
    }
)
_WHOLE: Final = MappingProxyType({XML: _PACKAGE, RELATED: _PARTS})
SENDABLE: Final = Body(
    Sentence(
        "gói tin: edXML, hoặc nhiều phần; cũng là thông điệp trạng thái", "a package: edXML, or in parts; or a status"
    ),
    MappingProxyType({**dict.fromkeys((XML, *sorted(XML_TYPES - {XML}), OCTETS), _PACKAGE), RELATED: _PARTS}),
)
_RECEIPT: Final = Good(
    202,
    Sentence("đã lưu bền vững: biên nhận, hay trạng thái đã ghi", "stored durably: the receipt, or the status"),
    MappingProxyType({JSON: (ReceiptFacts, StatusFacts)}),
    (
        Named(
            "Location",
            Sentence("văn bản, nếu là văn bản", "the document, where it is one"),
            f"/v1/documents/{REF}",
            required=False,
        ),
    ),
)


def _ok(vi: str, en: str, content: Mapping[str, Any], *headers: Named, status: int = 200) -> Good:
    return Good(status, Sentence(vi, en), MappingProxyType(dict(content)), headers)


def _in_query(name: str, vi: str, en: str, **schema: int) -> Named:
    return Named(name, Sentence(vi, en), NUMBER.pattern, {"type": "integer", **schema}, required=False)


def _part(content: Mapping[str, Any], *headers: Named) -> Good:
    """What is sent of a large package to who asks for a part."""
    told = Named("Content-Range", Sentence("phần nào", "which part"), r"bytes [0-9]+-[0-9]+/[0-9]+")
    return _ok("phần được hỏi", "the part that was asked for", content, told, *_RESUMABLE, *headers, status=206)


POST_DOCUMENT: Final = Operation(
    "post_document",
    "POST",
    "/v1/documents",
    Sentence("Gửi văn bản, hoặc thông điệp trạng thái", "Send a document, or a status message"),
    _RECEIPT,
    _TAKEN | {Kind.NOT_FOUND, Kind.TOO_MANY_REPEATS},
    roles=(Role.AGENCY,),
    headers=_STATED,
    body=SENDABLE,
    asks=True,
)
POST_STATUS: Final = Operation(
    "post_status",
    "POST",
    "/v1/documents/{document}/statuses",
    Sentence("Báo một trạng thái xử lý", "Report a status"),
    _ok("đã ghi", "it is recorded; `standing` says what it means", {JSON: StatusFacts}, status=202),
    _STATUS | {Kind.NOT_FOUND, Kind.NOT_YOUR_AGENCY, Kind.ILLEGAL_STATUS, Kind.TOO_MANY_REPEATS},
    roles=(Role.AGENCY,),
    parts=(_DOCUMENT,),
    body=Body(Sentence("một trạng thái", "one status"), MappingProxyType({JSON: "StatusBody"}), MAX_JSON),
)
GET_DELIVERY: Final = Operation(
    "get_delivery",
    "GET",
    "/v1/deliveries/{delivery}/package",
    Sentence("Lấy gói tin, trạng thái hoặc thông báo", "Fetch the package, the status or the notice"),
    _ok(
        "đúng những byte đã gửi",
        "the very octets that were sent; a status as edXML, a notice as JSON",
        {**_WHOLE, JSON: Words({"$ref": "#/components/schemas/Notice"})},
        _PACKAGE_SHA256,
        _DIGEST,
        _ATTACHED,
        *_RESUMABLE,
    ),
    _AGENCY | _OCTETS | _IN_PARTS,
    roles=(Role.AGENCY,),
    parts=(_DELIVERY,),
    headers=_RANGE,
    part=_part(_WHOLE, _PACKAGE_SHA256, _DIGEST, _ATTACHED),
)
POST_ACK: Final = Operation(
    "post_ack",
    "POST",
    "/v1/deliveries/{delivery}/ack",
    Sentence("Xác nhận đã lưu bền vững", "Acknowledge what was stored durably"),
    _ok("đã giao", "it is delivered; repeating this is harmless", {JSON: AcknowledgedFacts}),
    _AGENCY | {Kind.NOT_FOUND},
    roles=(Role.AGENCY,),
    parts=(_DELIVERY,),
)
GET_DOCUMENT: Final = Operation(
    "get_document",
    "GET",
    "/v1/documents/{document}",
    Sentence("Xem văn bản, lượt chuyển, trạng thái", "A document, its deliveries and statuses"),
    _ok("điều bên này được thấy", "what the caller may see of it", {JSON: WholeDocumentFacts}),
    _STORED | {Kind.NOT_FOUND},
    parts=(_DOCUMENT,),
)
GET_PACKAGE: Final = Operation(
    "get_package",
    "GET",
    "/v1/documents/{document}/package",
    Sentence("Lấy gói tin của văn bản", "The document's package"),
    _ok("đúng những byte đã gửi", "the very octets that were sent", _WHOLE, _PACKAGE_SHA256, _DIGEST, *_RESUMABLE),
    _STORED | _OCTETS | _IN_PARTS,
    parts=(_DOCUMENT,),
    headers=_RANGE,
    part=_part(_WHOLE, _PACKAGE_SHA256, _DIGEST),
)
POST_STATUSES: Final = Operation(
    "post_statuses",
    "POST",
    "/v1/statuses",
    Sentence("Báo nhiều trạng thái một lần", "Report many statuses at once"),
    _ok("kết quả từng mục", "each item has a result of its own: the status, or a problem", {JSON: ResultsFacts}),
    _STATUS,
    roles=(Role.AGENCY,),
    body=Body(
        Sentence(f"từ 1 đến {MOST_STATUSES} trạng thái", f"1 to {MOST_STATUSES} statuses"),
        MappingProxyType({JSON: "Batch"}),
        MAX_BATCH,
    ),
)
GET_INBOX: Final = Operation(
    "get_inbox",
    "GET",
    "/v1/inbox",
    Sentence("Xem hộp thư đến", "Look into the mailbox"),
    _ok("một trang, theo seq", "one page, by seq", {JSON: InboxFacts}),
    _AGENCY,
    roles=(Role.AGENCY,),
    query=(
        _in_query(
            "after",
            "bắt đầu sau seq này",
            "begin behind this seq; 0 at each look",
            minimum=0,
            maximum=10**18 - 1,
            default=0,
        ),
        _in_query(
            "limit",
            "nhiều nhất bao nhiêu mục",
            f"how many items at most; more than {INBOX_LIMIT} is taken for {INBOX_LIMIT}",
            minimum=0,
            maximum=10**18 - 1,
            default=INBOX_USUAL,
        ),
    ),
)
GET_RECEIPT: Final = Operation(
    "get_receipt",
    "GET",
    "/v1/receipts/{document}",
    Sentence("Lấy lại biên nhận", "The receipt again"),
    _ok(
        "đúng những byte lần đầu, chỉ cho nơi gửi",
        "the same octets as the first time, for the sender only",
        {JSON: ReceiptFacts},
        Named("Axis-State", Sentence("trạng thái hiện nay", "the document's present state"), "[a-z]+"),
    ),
    _STORED | {Kind.NOT_FOUND, Kind.KEY_UNAVAILABLE},
    parts=(_DOCUMENT,),
)
GET_PROOF: Final = Operation(
    "get_proof",
    "GET",
    "/v1/receipts/{document}/proof",
    Sentence("Chứng minh nhật ký có điều biên nhận hứa", "The proof that the log holds what the receipt promised"),
    _ok(
        "C2SP tlog-proof, chỉ cho nơi gửi",
        "C2SP tlog-proof, with the entry in it, for the sender only",
        {TEXT: Words({"type": "string"})},
    ),
    _STORED | {Kind.NOT_FOUND, Kind.LOG_STALE, Kind.STORED_DAMAGED},
    parts=(_DOCUMENT,),
)
POST_RELAY: Final = Operation(
    "post_relay",
    "POST",
    "/v1/relay",
    Sentence("Trục lân cận chuyển đến", "What a neighbouring axis passes on"),
    Good(
        202,
        Sentence("đã lưu bền vững", "stored durably: the receipt, the status, or the notice"),
        MappingProxyType({JSON: (ReceiptFacts, StatusFacts, TakenNoticeFacts)}),
        _RECEIPT.headers,
    ),
    _TAKEN | {Kind.NOT_FOUND},
    roles=(Role.NODE,),
    headers=(
        Named(
            "Axis-Recipients",
            Sentence("bản này cho những nơi nhận nào", "the recipients that this copy is for, by commas"),
            ".*",
            {"type": "string"},
            required=False,
        ),
        Named(
            "Axis-Trace",
            Sentence("các trục đã qua", "the axes it came by: JSON, [[node, instant], ...]"),
            ".*",
            {"type": "string"},
            required=False,
        ),
        *_STATED,
    ),
    body=Body(
        Sentence("gói tin, thông điệp trạng thái, hoặc thông báo", "a package, a status message, or a notice"),
        MappingProxyType({**SENDABLE.content, JSON: Words({"$ref": "#/components/schemas/Notice"})}),
    ),
    asks=True,
)
_LOG: Final = _KNOWN | {Kind.NOT_FOUND}
GET_CHECKPOINT: Final = Operation(
    "get_checkpoint",
    "GET",
    "/v1/log/checkpoint",
    Sentence("Mốc nhật ký", "The log's signed head"),
    _ok("mốc có chữ ký", "a signed note (C2SP), with the lines of witnesses", {TEXT: Words({"type": "string"})}),
    _LOG,
)
GET_WITNESSED: Final = Operation(
    "get_witnessed",
    "GET",
    "/v1/log/witnessed/{key}",
    Sentence("Mốc mà một bên chứng kiến đã ký", "The newest head that a witness has cosigned"),
    _ok("mốc có chữ ký", "a signed note (C2SP)", {TEXT: Words({"type": "string"})}),
    _LOG,
    parts=(Named("key", Sentence("mã băm khóa", "the hash of the witness' key"), "[0-9a-f]{8}"),),
)
GET_TILE: Final = Operation(
    "get_tile",
    "GET",
    "/v1/log/tile/{level}/{tile}",
    Sentence("Tệp băm của nhật ký", "A hash tile of the log (C2SP tlog-tiles)"),
    _ok("các mã băm, mỗi mã 32 byte", "hashes of 32 octets each", {OCTETS: Words({"type": "string"})}),
    _LOG,
    parts=(
        Named("level", Sentence("tầng", "the level"), "[0-9]{1,2}"),
        Named(
            "tile",
            Sentence("tệp nào; dấu / để nguyên", "which one, as x001/234 or 000.p/7: its slashes are sent as they are"),
            "[x0-9./p]{3,40}",
        ),
    ),
)
GET_DESCRIPTION: Final = Operation(
    "get_description",
    "GET",
    "/openapi.json",
    Sentence("Mô tả này", "This description"),
    _ok("OpenAPI 3.1", "OpenAPI 3.1", {JSON: Words({"type": "object"})}),
    ALWAYS,
    known=False,
)

OPERATIONS: Final = (
    POST_DOCUMENT,
    # Those with a name in them are tried in this order: what is asked for most often stands first.
    POST_STATUS,
    GET_DELIVERY,
    POST_ACK,
    GET_DOCUMENT,
    GET_PACKAGE,
    POST_STATUSES,
    GET_INBOX,
    GET_RECEIPT,
    GET_PROOF,
    POST_RELAY,
    GET_CHECKPOINT,
    GET_WITNESSED,
    GET_TILE,
    GET_DESCRIPTION,
)
