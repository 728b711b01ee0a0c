"""How much content a store keeps, and why: what would go now, and what stays though it is old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from axis.core.attachments import attached_payloads
from axis.core.model import DocumentRef
from axis.core.retention import Stays, stays
from axis.sql.engine import open_readonly, told
from axis.sql.views import Questions

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Surveyed:
    """`kept` documents have their content, `removed` have none. Of those kept, `ripe` would go now, with `octets`;
    `stay` are old as well, by why they stay."""

    kept: int
    removed: int
    ripe: int
    octets: int
    stay: dict[Stays, int]


def survey(store: str, keep: timedelta | None, now: datetime, heard: Callable[[int], None]) -> Surveyed:
    """Look at every document whose content is kept, beside a running node or without one. `StoreError`.

    `heard` is told how many were looked at.
    """
    kept = ripe = octets = after = 0
    stay = Counter[Stays]()
    with told(store), open_readonly(store, patient=True) as ask:
        ask.session.run(ask.session.snapshot)
        (number,) = ask.session.run(ask.sql.contents.removed).fetchone()
        while page := ask.with_content(after, _PAGE):
            after, kept = page[-1][0], kept + len(page)
            for _, ref, accepted_at in page:
                if keep is None or accepted_at >= now - keep:
                    continue
                why, size = _look(ask, ref, now - keep)
                if why is None:
                    ripe, octets = ripe + 1, octets + size
                else:
                    stay[why] += 1
            heard(kept)
    return Surveyed(kept, int(number), ripe, octets, dict(stay))


def _look(ask: Questions, ref: DocumentRef, before: datetime) -> tuple[Stays | None, int]:
    document = ask.document(ref)
    assert document is not None, "it is in the same snapshot"
    why = stays(document, ask.deliveries_of(ref), ask.follow_ups_of(ref), ask.attachment_check(ref), before)
    return why, sum(one.size for one in (document.payload, *attached_payloads(document)))
