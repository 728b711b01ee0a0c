"""What the removal of old content asks of the store and changes in it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from axis.core.follow_up import FollowUp
from axis.core.model import Delivery, DocumentRef, PayloadRef, RemoveContent
from axis.core.retention import Leftover
from axis.core.times import rfc3339
from axis.sql.planned import Planned


class Removing(Planned):
    """The part of `axis.core.ports.Ledger` that keeps octets and lets them go."""

    __slots__ = ()

    def put_payload(self, ref: PayloadRef, octets: bytes) -> None:
        if len(octets) != ref.size:
            raise ValueError("the octets are not those that the reference names")
        self.session.write(self.sql.contents.put, {"sha256": ref.sha256, "octets": octets})

    def deliveries_about(self, ref: DocumentRef) -> Sequence[Delivery]:
        return self.deliveries(self.sql.contents.deliveries, document=ref)

    def follow_ups_about(self, ref: DocumentRef) -> Sequence[FollowUp]:
        return self.follow_ups(self.sql.follow_ups.of_document, document=ref)

    def remove_content(self, change: RemoveContent) -> None:
        at, nameless = rfc3339(change.at), orjson.dumps(change.attachments).decode()
        self.session.change(self.sql.contents.remove, of=change.ref, at=at, nameless=nameless)
        for sha256 in sorted(change.octets):
            self.session.write(self.sql.contents.leave, {"sha256": sha256, "since": at})

    def collect(self, one: Leftover) -> bool:
        if one.removable:
            removed = self.session.run(self.sql.contents.collect, of=one.sha256, seen=one.named).rowcount
            if not removed:
                return False
        self.session.run(self.sql.contents.forget, of=one.sha256, since=rfc3339(one.since))
        return True
