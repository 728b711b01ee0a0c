"""What there is to say of one certificate: itself, our policy, its path, its lists, whom it speaks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axis.cli.certs.known import Named
from axis.cli.certs.words import describe
from axis.cli.output import Exit, local, say
from axis.core.binding import Binding
from axis.core.registry import Registry
from signing.certificate import Leaf, load_leaf
from signing.chain import Trust, judge_certificate
from signing.policy import OWN_NETWORK
from signing.refusal import Refused
from signing.store import Issuer
from signing.verdict import REASONS, Reason

_OPEN = frozenset({Reason.REVOCATION_UNKNOWN, Reason.PROCESSING})


def facts_of(named: Named, trust: Trust | None, registry: Registry | None, at: datetime) -> dict[str, Any]:
    """The whole answer. Without `trust` and `registry` there is no configuration to ask."""
    facts: dict[str, Any] = {"sha256": named.sha256, "where": named.where, "more": named.more, "at": at}
    facts["certificate"], facts["verdict"], facts["path"] = None, None, []
    if named.der is not None:
        try:
            leaf = load_leaf(named.der)
        except Refused as refused:
            facts["verdict"] = _verdict(refused.reason, refused.observed)
        else:
            facts["certificate"] = describe(leaf)
            if trust is not None:
                judged = judge_certificate(named.der, trust, at, OWN_NETWORK)
                observed = next((one.observed for one in judged.checks if one.status != "ok"), "")
                facts["verdict"] = _verdict(judged.reason, observed)
                facts["path"] = path_of(leaf, trust, at)
    facts["bindings"] = [] if registry is None else bindings_of(named.sha256, registry, at)
    facts["asked"] = registry is not None
    return facts


def _verdict(reason: Reason, observed: str) -> dict[str, Any]:
    sentence = REASONS[reason]
    accepted = reason is Reason.GOOD
    return {"accepted": accepted, "reason": reason, "vi": sentence.vi, "en": sentence.en, "observed": observed}


def path_of(leaf: Leaf, trust: Trust, at: datetime) -> list[dict[str, Any]]:
    """The issuers up to the anchor, each with how fresh its word on revocation is. Who is revoked, the verdict says."""
    paths = trust.store.paths(leaf, OWN_NETWORK.max_path_length)
    steps = []
    for issuer in paths[0] if paths else ():
        ends = list_until(issuer, trust, at)
        steps.append(
            {
                "subject": issuer.certificate.subject.rfc4514_string(),
                "sha256": issuer.sha256,
                "anchor": issuer.root,
                "not_after": issuer.certificate.not_valid_after_utc,
                "lists": len(trust.store.lists_of(issuer)),
                "list_until": ends,
                "fresh": ends is not None and at <= ends,
            }
        )
    return steps


def list_until(issuer: Issuer, trust: Trust, at: datetime) -> datetime | None:
    """When the last revocation list of an issuer that is out by now ends; `None` without one."""
    lists = trust.store.lists_of(issuer)
    return max((crl.next_update for crl in lists if crl.next_update and crl.this_update <= at), default=None)


def bindings_of(sha256: str, registry: Registry, at: datetime) -> list[dict[str, Any]]:
    return [row_facts(one, registry, at) for one in registry.bindings.of_certificate(sha256)]


def row_facts(row: Binding, registry: Registry, at: datetime) -> dict[str, Any]:
    agency = registry.find(row.agency)
    return {
        "certificate": row.certificate,
        "agency": row.agency.text,
        "name": agency.name if agency else None,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "holds": row.holds(at),
        "note": row.note,
        "made_by": row.made_by,
        "origin": row.origin or "registry, without dates",
    }


def code_of(facts: dict[str, Any]) -> Exit:
    """0: this node accepts it, and it speaks for somebody. 1: one of the two is certainly not so. 3: nobody knows."""
    verdict = facts["verdict"]
    refused = verdict is not None and not verdict["accepted"] and verdict["reason"] not in _OPEN
    silent = facts["asked"] and not any(row["holds"] for row in facts["bindings"])
    if refused or silent:
        return Exit.NO
    if verdict is None or not verdict["accepted"]:
        return Exit.UNSURE
    return Exit.YES


def show(facts: dict[str, Any]) -> None:
    one = facts["certificate"]
    if one is None:
        say(f"chứng thư số (certificate) sha256:{facts['sha256']}")
        if facts["verdict"] is None:
            say("  không có tệp nào chứa nó (no file of this node holds it): only its bindings are known", "yellow")
    else:
        say(f"chủ thể (subject)        {one['subject']}")
        say(f"  cơ quan cấp (issuer)   {one['issuer']}")
        say(f"  số hiệu (serial)       {one['serial']}")
        say(f"  hiệu lực (validity)    {local(one['not_before'])} - {local(one['not_after'])}")
        say(f"  khóa (key)             {one['key']}")
        usage = ", ".join([*one["usage"], *one["purposes"]]) or "không ghi (none)"
        say(f"  mục đích (usage)       {usage}{', cơ quan cấp chứng thư (authority)' if one['authority'] else ''}")
        say(f"  sha256                 {one['sha256']}")
        say(f"  sha1                   {one['sha1']}")
    if facts["where"]:
        more = f", và {facts['more']} chứng thư số nữa ({facts['more']} more in it)" if facts["more"] else ""
        say(f"  tệp (file)             {facts['where']}{more}")
    _show_verdict(facts)
    for step in facts["path"]:
        _show_step(step)
    _show_bindings(facts)


def _show_verdict(facts: dict[str, Any]) -> None:
    verdict = facts["verdict"]
    if verdict is None:
        if facts["certificate"] is not None:
            say(
                "  nút này có nhận không  chưa xét, thiếu cấu hình (accepted here?: no configuration, see -c)", "yellow"
            )
        return
    style = "green" if verdict["accepted"] else "yellow" if verdict["reason"] in _OPEN else "red"
    observed = f": {verdict['observed']}" if verdict["observed"] else ""
    told = "có (accepted)" if verdict["accepted"] else f"không (no): {verdict['vi']} ({verdict['en']}{observed})"
    say(f"  nút này có nhận không  {told}, xét tại (judged at) {local(facts['at'])}", style)


def _show_step(step: dict[str, Any]) -> None:
    kind = "gốc (anchor)" if step["anchor"] else "cấp trên (above)"
    say(f"  {kind:<23}{step['subject']}, đến (until) {local(step['not_after'])}")
    if step["list_until"] is None:
        say("    danh sách thu hồi    không có (there is no revocation list)", "yellow")
    elif not step["fresh"]:
        say(f"    danh sách thu hồi    đã hết hạn (the revocation list ended) {local(step['list_until'])}", "yellow")
    else:
        say(f"    danh sách thu hồi    đến (the revocation list is in force until) {local(step['list_until'])}")


def _show_bindings(facts: dict[str, Any]) -> None:
    if not facts["asked"]:
        return
    if not facts["bindings"]:
        say("  ký thay (speaks for)   không cơ quan nào (nobody): axis cert bind FILE --agency CODE", "yellow")
    for row in facts["bindings"]:
        show_row(row, "  ký thay (speaks for)   ", f"{row['agency']} {row['name'] or ''}".rstrip())


def show_row(row: dict[str, Any], label: str, who: str) -> None:
    since = f"từ (from) {local(row['valid_from'])}" if row["valid_from"] else "không thời hạn (without dates)"
    until = f" đến (until) {local(row['valid_to'])}" if row["valid_to"] else ""
    now = "đang (now)" if row["holds"] else "không phải lúc này (not now)"
    note = f"; {row['note']}" if row["note"] else ""
    say(f"{label}{who}: {now}, {since}{until}  [{row['origin']}{note}]", "green" if row["holds"] else "yellow")
