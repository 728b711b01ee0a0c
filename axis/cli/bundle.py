"""What `axis verify` says of an evidence bundle: the verdict taken again from it, and compared with the stored one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from axis.cli.attached import attached_facts, show_attached
from axis.cli.output import Answer, Exit, give_up, local, public_of, say, say_json

if TYPE_CHECKING:
    from axis.evidence.bundle import Bundle
    from axis.evidence.logged import Finding
    from axis.evidence.recompute import Recomputed
    from axis.log.key import LogKeys
    from signing.verdict import Verdict

_REMEDIES: Final = {
    "bundle-layout": "use the very file that was exported: cut off, unpacked and packed anew, it is another one",
    "bundle-digest": "nothing in it is believed: ask for it anew from the node (axis evidence export), compare the two",
    "bundle-version": "a newer version of this program has written it: take that one",
    "bundle-too-large": "it is no bundle: use the very file that was exported",
}
"""By the code of what is wrong; where a code has none, it says something else than was exported."""


def is_bundle(file: Path) -> bool:
    from axis.evidence.container import MAGIC

    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def verify_bundle(
    file: Path, trust: Sequence[Path], log_key: Path | None, receipt_key: Path | None, as_json: bool
) -> NoReturn:
    """Take the verdict again and end: 0 the same and valid, 1 broken, different or invalid, 3 undecided.

    `trust` are the reader's own roots: one of the bundle that is not among them leaves it undecided. So does a verdict
    that no log proves: policy, rules, binding and time are the bundle's own word then, and anybody can write one in
    which they agree.
    """
    from axis.evidence.bundle import read_bundle
    from axis.evidence.container import MOST_BYTES, Broken
    from axis.evidence.logged import check_log, check_receipt, unlogged
    from axis.evidence.recompute import recompute

    roots = _roots(trust, as_json)
    key = _key(log_key, as_json)
    public = None if receipt_key is None else public_of(receipt_key, as_json)
    try:
        if file.stat().st_size > 2 * MOST_BYTES:
            raise Broken("bundle-too-large", f"{file.stat().st_size} octets")
        bundle = read_bundle(file.read_bytes())
        found = recompute(bundle)
        faults = (*check_receipt(bundle, public), *(check_log(bundle, key) if key is not None else ()))
        open_places = unlogged(bundle) if key is not None and bundle.logged else ()
    except Broken as error:
        give_up(
            Exit.NO,
            f"gói chứng cứ hỏng hoặc đã bị sửa (a broken or altered bundle): {error}",
            _REMEDIES.get(error.code, _REMEDIES["bundle-digest"]),
            as_json=as_json,
            fault=error.code,
        )
    except OSError as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    strange = [] if roots is None else sorted(found.roots.keys() - roots)
    unproved = () if key is not None and bundle.logged else ("log",)
    code = _code(found, faults, (*strange, *open_places, *found.recorded, *unproved))
    if as_json:
        told = _json(file, bundle, found, faults, roots, strange, key, code)
        told["receipt_key"] = None if public is None else not _of_receipt(faults)
        say_json({**told, "attachments": attached_facts(bundle), "attachments_not_logged": list(open_places)})
    else:
        _show(bundle, found, faults, roots, strange, key, code, whose=public is not None)
        show_attached(bundle, open_places)
    raise Answer(code)


def _roots(paths: Sequence[Path], as_json: bool) -> frozenset[str] | None:
    """SHA-256 of the reader's own roots, `None` where none were named."""
    import hashlib

    from axis.trust import certificate_files, certificates

    if not paths:
        return None
    try:
        ders = [der for path in paths for file in certificate_files(path) for der in certificates(file)]
    except (OSError, ValueError) as error:
        give_up(Exit.USAGE, str(error), as_json=as_json)
    return frozenset(hashlib.sha256(der).hexdigest() for der in ders)


def _key(file: Path | None, as_json: bool) -> LogKeys | None:
    from axis.log.key import LogKeys

    try:
        return None if file is None else LogKeys.parse(file.read_text())
    except ValueError as error:
        give_up(Exit.USAGE, f"{file} holds no verifier key: {error}", "axis log key prints it", as_json=as_json)


def _code(found: Recomputed, faults: Sequence[Finding], open_ends: Sequence[object]) -> Exit:
    """`open_ends`: roots that are not the reader's, verdicts that no log shows, what was not judged again."""
    from signing.verdict import Indication

    if faults or not found.same or found.verdict.indication is Indication.TOTAL_FAILED:
        return Exit.NO
    if open_ends or found.verdict.indication is Indication.INDETERMINATE:
        return Exit.UNSURE
    return Exit.YES


def _log_state(bundle: Bundle, faults: Sequence[Finding], key: LogKeys | None) -> str:
    if not bundle.logged:
        return "none"
    if key is None:
        return "not-checked"
    return "wrong" if any(not fault.fault.startswith("receipt-") for fault in faults) else "proved"


def _of_receipt(faults: Sequence[Finding]) -> bool:
    return any(fault.fault.startswith("receipt-") for fault in faults)


def _json(
    file: Path,
    bundle: Bundle,
    found: Recomputed,
    faults: Sequence[Finding],
    roots: frozenset[str] | None,
    strange: Sequence[str],
    key: LogKeys | None,
    code: Exit,
) -> dict[str, Any]:
    from axis.evidence.logged import heads_of

    return {
        "ok": code is Exit.YES,
        "file": str(file),
        "document": bundle.record["document"],
        "same": found.same,
        "recorded_only": list(found.recorded),
        "differences": [{"field": one.field, "stored": one.stored, "now": one.now} for one in found.differences],
        "roots": [
            {"sha256": name, "subject": _subject(der), "yours": None if roots is None else name in roots}
            for name, der in found.roots.items()
        ],
        "strange_roots": list(strange),
        "log": _log_state(bundle, faults, key),
        "checkpoints": [{"size": one.size, "root": one.root.hex()} for one in heads_of(bundle)],
        "receipt": "none" if bundle.receipt is None else _receipt_key(bundle),
        "faults": [{"code": one.fault.value, "detail": one.detail} for one in faults],
        "verdict": bundle.verdict.to_dict(),
        "recomputed": found.verdict.to_dict(),
    }


def _show(
    bundle: Bundle,
    found: Recomputed,
    faults: Sequence[Finding],
    roots: frozenset[str] | None,
    strange: Sequence[str],
    key: LogKeys | None,
    code: Exit,
    *,
    whose: bool,
) -> None:
    from axis.evidence.logged import FAULTS, heads_of
    from signing.verdict import REASONS

    verdict = bundle.verdict
    sentence = REASONS[verdict.reason]
    style = {Exit.YES: "green", Exit.NO: "red", Exit.UNSURE: "yellow"}[code]
    if found.same:
        say("Tính lại từ gói chứng cứ: cùng một kết luận (recomputed from the bundle: the same verdict)", style)
    else:
        say("Tính lại từ gói chứng cứ: KẾT LUẬN KHÁC (recomputed from the bundle: ANOTHER verdict)", style)
    say(f"  kết luận đã lưu (stored) {_kind(verdict)}: {sentence.vi} ({sentence.en})")
    for place in found.recorded:
        say(
            f"  chữ ký (signature) {place}: bộ kiểm tra bị dừng vì hết thời hạn, theo ghi nhận, không tính lại được"
            " (the judge had been stopped by a deadline: as recorded, not taken again)",
            "yellow",
        )
    for one in found.differences:
        say(f"  khác (differs)           {one.field}: {one.stored} -> {one.now}", "red")
    say(f"  văn bản (document)       {bundle.record['document']}")
    say(f"  nơi gửi (sender)         {bundle.record['sender']}")
    if verdict.signer is not None:
        say(f"  người ký (signer)        {verdict.signer.subject}")
    say(f"  xét tại (judged at)      {local(verdict.at)}, chính sách (policy) {verdict.policy}")
    say(f"  căn cứ (evidence)        {len(bundle.pieces)}")
    for name, der in found.roots.items():
        say(f"  gốc (root)               {_subject(der)}, sha256:{name}")
    if found.roots and roots is None:
        say("  tin gốc hay không là quyết định của bạn (believing these roots is your decision): --trust")
    for name in strange:
        say(f"  gốc KHÔNG phải của bạn (not one of your roots): sha256:{name}", "yellow")
    states = {
        "none": "không có trong gói: chưa có gì chứng minh trục đã kết luận như vậy (none in the bundle: unproved)",
        "not-checked": "không kiểm tra (not checked: --log-key)",
        "wrong": "SAI (wrong)",
        "proved": f"có trong nhật ký (in the log of) {key.name if key else ''}",
    }
    say(f"  nhật ký (log)            {states[_log_state(bundle, faults, key)]}")
    for head in heads_of(bundle):
        say(f"  mốc (checkpoint)         {head.size}, {head.root.hex()}")
    if _log_state(bundle, faults, key) in ("none", "not-checked"):
        say(
            "  chính sách, quy tắc, đăng ký, thời điểm: theo lời của gói (policy, rules, binding, time: its own word)",
            "yellow",
        )
    if bundle.receipt is not None:
        unknown = "" if whose else "; khóa của ai không kiểm tra (whose is not checked: --receipt-key)"
        say(f"  biên nhận (receipt)      ký bằng khóa (signed by key) {_receipt_key(bundle)}{unknown}")
    for fault in faults:
        words = FAULTS[fault.fault]
        say(f"  LỖI  {words.vi} ({fault.fault.value}: {words.en}) {fault.detail}".rstrip(), "red")


def _kind(verdict: Verdict) -> str:
    return verdict.indication.value + (f" / {verdict.sub_indication.value}" if verdict.sub_indication else "")


def _subject(der: bytes) -> str:
    from signing.certificate import load_leaf
    from signing.refusal import Refused

    try:
        return load_leaf(der).signer.subject
    except Refused:
        return "?"


def _receipt_key(bundle: Bundle) -> str:
    """The key that the receipt names. Whose it is, the reader must know."""
    from axis.log.entries import read_canonical

    assert bundle.receipt is not None
    try:
        return str(read_canonical(bundle.receipt).get("key_id"))
    except ValueError:
        return "?"
