"""The durable store of the simulated national axis: one SQLite file, every change on disk before it is answered.

Its methods are plain functions for one thread; `run` calls them on the store's own. What is refused raises
`VxpRefusal`, and then nothing was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from adapters.national.simulator.database import Database, Row
from adapters.national.simulator.settings import SeedDocument, Seeds, SettingsError
from adapters.national.vxp import Code, MessageType, State, VxpError
from axis.core.times import rfc3339
from schemas.codes import document_key
from schemas.edxml import effective_document_id
from schemas.envelope import Envelope, StatusMessage
from schemas.status import Status

_RECALL: Final = Status.RECALL_REQUESTED.wire
_SENT_DOCUMENTS: Final = (
    "SELECT entries.*, sent.doc_id AS sent_id, sent.sent_at AS sent_at, sent.title AS title, sent.number AS number"
    " FROM entries JOIN documents AS sent ON sent.id = entries.document WHERE sent.system = :system"
    " AND (:doc_id IS NULL OR :doc_id IN (sent.doc_id, entries.doc_id)) ORDER BY entries.seq DESC LIMIT :limit"
)
_SENT_STATUSES: Final = (
    "SELECT entries.*, sent.doc_id AS sent_id, sent.received_at AS sent_at, sent.code AS title, sent.number AS number"
    " FROM entries JOIN statuses AS sent ON sent.id = entries.status WHERE sent.system = :system"
    " AND (:doc_id IS NULL OR :doc_id IN (sent.doc_id, entries.doc_id)) ORDER BY entries.seq DESC LIMIT :limit"
)
_REGISTERED: Final = ("name", "pcode", "mail", "mobile", "fax")
_STEPS: Final = frozenset({State.PROCESSING, State.DONE, State.FAIL})


class VxpRefusal(Exception):
    """The request is refused for this reason; its transaction is rolled back."""

    def __init__(self, code: Code, text: str = "") -> None:
        super().__init__(code.value, text)
        self.error = VxpError(code, text)


@dataclass(frozen=True, slots=True)
class Proof:
    """Which signed request asks for a change: it may be repeated, and never changes anything twice."""

    signature: str
    body: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Registration:
    """The body of `registerAgency`."""

    code: str
    name: str
    pcode: str = ""
    mail: str = ""
    mobile: str = ""
    fax: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A package as it came and as it is given on."""

    original: bytes
    given: bytes


class Store(Database):
    """What the simulated axis knows. `new_id` makes docIds: random, unguessable."""

    def __init__(self, path: Path, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        super().__init__(path)
        self._new_id = new_id

    # --- systems and agencies -----------------------------------------------------------------------------------

    def seed(self, seeds: Seeds) -> None:
        """Bring in systems and agencies that are not known yet; a secret that changed is taken over.

        What the store knows better stays: an agency that was deleted is not brought back.
        """
        with self.transaction():
            for system in seeds.systems:
                self.do(
                    "INSERT INTO systems VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET secret = excluded.secret",
                    *(system.id, system.secret),
                )
                for agency in system.agencies:
                    known = self.one("SELECT system FROM agencies WHERE code = ?", agency.code)
                    if known is not None and known["system"] != system.id:
                        raise SettingsError(f"seeds: agency {agency.code} belongs to another system in this store")
                    self.do(
                        "INSERT INTO agencies (code, name, pcode, mail, mobile, fax, system, locked, deleted)"
                        " VALUES (?, ?, ?, '', '', '', ?, ?, 0)"
                        " ON CONFLICT (code) DO UPDATE SET locked = excluded.locked",
                        *(agency.code, agency.name, agency.pcode, system.id, int(agency.locked)),
                    )

    def seed_document(self, seed: SeedDocument, envelope: Envelope, octets: bytes, now: datetime) -> None:
        """Put a package into an inbox under a given docId. Repeating changes nothing."""
        with self.transaction():
            if self.one("SELECT 1 FROM entries WHERE doc_id = ?", seed.doc_id) is not None:
                return
            owner = self.one("SELECT system FROM agencies WHERE code = ? AND NOT deleted", seed.to)
            sender = self.one("SELECT system FROM agencies WHERE code = ?", envelope.sender.code.text)
            if owner is None or sender is None:
                raise SettingsError(f"seeds: document {seed.doc_id} is from or to an agency that is not seeded")
            document = self._same(envelope, octets) or self._add_document(
                sender["system"], envelope, Parcel(octets, octets), now
            )
            self._add_entry(
                MessageType.EDOC,
                owner["system"],
                envelope.sender.code.text,
                seed.to,
                _sha(octets),
                now,
                document=document["id"],
                doc_id=seed.doc_id,
            )

    def secret(self, system: str) -> str | None:
        row = self.one("SELECT secret FROM systems WHERE id = ?", system)
        return None if row is None else str(row["secret"])

    def agencies(self) -> list[Row]:
        return self.all(
            "SELECT agencies.id, agencies.code, agencies.name, agencies.mail, agencies.pcode, parent.id AS pid"
            " FROM agencies LEFT JOIN agencies AS parent ON parent.code = agencies.pcode AND NOT parent.deleted"
            " WHERE NOT agencies.deleted ORDER BY agencies.id"
        )

    def register(self, system: str, wanted: Registration, proof: Proof, now: datetime) -> None:
        """Add an agency to a system, or change what is known of its own one."""
        values = (wanted.name, wanted.pcode, wanted.mail, wanted.mobile, wanted.fax)
        with self.transaction():
            known = self.one("SELECT * FROM agencies WHERE code = ?", wanted.code)
            if known is not None and known["system"] != system and not known["deleted"]:
                raise VxpRefusal(Code.UNKNOWN_SENDER, f"Ma don vi {wanted.code} da duoc he thong khac dang ky")
            own = known if known is not None and known["system"] == system and not known["deleted"] else None
            if own is not None and tuple(own[name] for name in _REGISTERED) == values:
                return
            self._use(proof, now)
            self.do(
                "INSERT INTO agencies (code, system, name, pcode, mail, mobile, fax, locked, deleted)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT (code) DO UPDATE SET deleted = 0,"
                " system = excluded.system, name = excluded.name, pcode = excluded.pcode, mail = excluded.mail,"
                " mobile = excluded.mobile, fax = excluded.fax",
                *(wanted.code, system, *values),
            )

    def delete(self, system: str, code: str, proof: Proof, now: datetime) -> None:
        """Take an agency out of the registry. What waits for it stays in the system's inbox."""
        with self.transaction():
            known = self.one("SELECT deleted FROM agencies WHERE code = ? AND system = ?", code, system)
            if known is None:
                raise VxpRefusal(Code.UNKNOWN_SENDER, "Don vi chua duoc dang ky")
            if not known["deleted"]:
                self._use(proof, now)
                self.do("UPDATE agencies SET deleted = 1 WHERE code = ?", code)

    # --- documents and statuses ---------------------------------------------------------------------------------

    def send_document(self, system: str, envelope: Envelope, parcel: Parcel, now: datetime) -> str:
        """Store a document and one entry per receiver; answers its DocId, for the same package the same one.

        Receivers of the sender's own system are recorded and not given back to it, as a provincial axis does.
        """
        sender = envelope.sender.code.text
        with self.transaction():
            self._check_registered(system, sender)
            document = self._same(envelope, parcel.original)
            have = set() if document is None else self._receivers(document["id"])
            fresh = [to.code.text for to in envelope.recipients if to.code.text not in have]
            if document is not None and not fresh:
                return str(document["doc_id"])
            owners = [(code, self._receiver(code)) for code in fresh]
            document = document or self._add_document(system, envelope, parcel, now)
            for code, owner in owners:
                inbox = owner if owner != system else None
                self._add_entry(MessageType.EDOC, inbox, sender, code, document["given"], now, document=document["id"])
            for orphan in self.all(
                "SELECT * FROM statuses WHERE document IS NULL"
                " AND (addressee = :sender OR (code = :recall AND reporter = :sender))",
                sender=sender,
                recall=_RECALL,
            ):
                match = self._match(orphan)
                self.do("UPDATE statuses SET document = ? WHERE id = ?", match, orphan["id"])
            return str(document["doc_id"])

    def send_status(self, system: str, message: StatusMessage, octets: bytes, now: datetime) -> str:
        """Store a business status; it goes to the addressee's inbox unless that is the reporter's own system."""
        reporter, digest = message.reporter.code.text, _sha(octets)
        with self.transaction():
            self._check_registered(system, reporter)
            known = self.one("SELECT doc_id FROM statuses WHERE reporter = ? AND sha256 = ?", reporter, digest)
            if known is not None:
                return str(known["doc_id"])
            owner = self._receiver(message.addressee.text, locked=True)
            self.put(octets)
            doc_id = self._new_id()
            row = self.one(
                "INSERT INTO statuses (doc_id, system, reporter, addressee, document_id, number, issued_on, code, at,"
                " sha256, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
                doc_id,
                system,
                reporter,
                message.addressee.text,
                document_key(message.document_id or ""),
                message.code or "",
                message.promulgated_on.isoformat() if message.promulgated_on else None,
                message.wire_code,
                rfc3339(message.at) if message.at else None,
                digest,
                rfc3339(now),
            )
            assert row is not None
            self.do("UPDATE statuses SET document = ? WHERE id = ?", self._match(row), row["id"])
            inbox = owner if owner != system else None
            self._add_entry(MessageType.STATUS, inbox, reporter, message.addressee.text, digest, now, status=row["id"])
            return doc_id

    # --- inboxes ------------------------------------------------------------------------------------------------

    def received(
        self, system: str, message: MessageType, state: str | None, since: str, until: str, limit: int
    ) -> list[Row]:
        """What waits in an inbox: everything that is not done, failed entries last; or what is in one state."""
        return self.all(
            "SELECT * FROM entries WHERE system = :system AND message = :message AND created_at >= :since"
            " AND created_at < :until AND iif(:state IS NULL, state <> 'done', lower(state) = lower(:state))"
            " ORDER BY state = 'fail', seq LIMIT :limit",
            system=system,
            message=message.value,
            state=state,
            since=since,
            until=until,
            limit=limit,
        )

    def sent(self, system: str, message: MessageType, doc_id: str | None, limit: int) -> list[Row]:
        """What a system handed in, one row per receiver, newest first; `doc_id` is the sender's or a receiver's."""
        return self.all(
            _SENT_DOCUMENTS if message is MessageType.EDOC else _SENT_STATUSES,
            system=system,
            doc_id=doc_id,
            limit=limit,
        )

    def package(self, system: str, doc_id: str) -> bytes:
        """The octets of one entry of a system's inbox."""
        row = self.one(
            "SELECT octets FROM entries JOIN packages USING (sha256) WHERE doc_id = ? AND system = ?", doc_id, system
        )
        if row is None:
            raise VxpRefusal(Code.BAD_FILE, "Khong tim thay van ban")
        return bytes(row["octets"])

    def update(self, system: str, doc_id: str, wanted: str, proof: Proof, now: datetime) -> None:
        """Move an entry's transport state. `done` is final: what comes later is acknowledged and changes nothing."""
        state = next((step for step in _STEPS if step.value == wanted.lower()), None)
        if state is None:
            raise VxpRefusal(Code.BAD_FILE, "Tham so status khong hop le")
        with self.transaction():
            row = self.one("SELECT state FROM entries WHERE doc_id = ? AND system = ?", doc_id, system)
            if row is None:
                raise VxpRefusal(Code.BAD_FILE, "Khong tim thay van ban")
            if row["state"] not in (State.DONE, state):
                self._use(proof, now)
                self.do(
                    "UPDATE entries SET state = ?, updated_at = ? WHERE doc_id = ?",
                    *(state.value, rfc3339(now), doc_id),
                )

    # --- inside one transaction ---------------------------------------------------------------------------------

    def _use(self, proof: Proof, now: datetime) -> None:
        """Mark a signed request as used up. Once used it may be repeated, but not change anything again.

        The body counts too, because `registerAgency` is not bound to its body, and an object of the SDK signs all its
        registrations with one timestamp: the same signature for every agency (VPCP SDK 2.0.1, read).
        """
        self.do("DELETE FROM used WHERE expires_at < ?", rfc3339(now))
        if self.one("SELECT 1 FROM used WHERE signature = ? AND body = ?", proof.signature, proof.body) is not None:
            raise VxpRefusal(Code.CREDENTIALS, "Yeu cau nay da duoc dung")
        self.do("INSERT INTO used VALUES (?, ?, ?)", proof.signature, proof.body, rfc3339(proof.expires_at))

    def _check_registered(self, system: str, sender: str) -> None:
        row = self.one("SELECT 1 FROM agencies WHERE code = ? AND system = ? AND NOT deleted", sender, system)
        if row is None:
            raise VxpRefusal(Code.UNKNOWN_SENDER, f"Don vi gui {sender} khong dung voi ma da dang ky: {system}")

    def _receiver(self, code: str, locked: bool = False) -> str:
        """The system of an agency that may receive; statuses (`locked`) also reach one that is locked."""
        row = self.one("SELECT system, locked FROM agencies WHERE code = ? AND NOT deleted", code)
        if row is None:
            raise VxpRefusal(Code.UNKNOWN_RECEIVER, f"Don vi nhan {code} khong ton tai")
        if row["locked"] and not locked:
            raise VxpRefusal(Code.LOCKED_RECEIVER, f"Don vi nhan {code} da khoa")
        return str(row["system"])

    def _same(self, envelope: Envelope, original: bytes) -> Row | None:
        return self.one(
            "SELECT * FROM documents WHERE sender = ? AND document_id = ? AND sha256 = ?",
            envelope.sender.code.text,
            document_key(effective_document_id(envelope)),
            _sha(original),
        )

    def _receivers(self, document: int) -> set[str]:
        """Who has an entry already; a seeded document has one only for the receiver that the seed names."""
        rows = self.all("SELECT receiver FROM entries WHERE document = :document", document=document)
        return {row["receiver"] for row in rows}

    def _add_document(self, system: str, envelope: Envelope, parcel: Parcel, now: datetime) -> Row:
        row = self.one(
            "INSERT INTO documents (doc_id, system, sender, document_id, number, issued_on, title, kind, sha256, given,"
            " sent_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            self._new_id(),
            system,
            envelope.sender.code.text,
            document_key(effective_document_id(envelope)),
            str(envelope.number),
            envelope.issued_on.isoformat() if envelope.issued_on else None,
            envelope.subject,
            envelope.kind.value,
            self.put(parcel.original),
            self.put(parcel.given),
            rfc3339(now),
        )
        assert row is not None
        return row

    def _add_entry(
        self,
        message: MessageType,
        inbox: str | None,
        sender: str,
        receiver: str,
        digest: str,
        now: datetime,
        *,
        document: int | None = None,
        status: int | None = None,
        doc_id: str | None = None,
    ) -> None:
        state = State.INITIAL if inbox is not None else State.DONE
        self.do(
            "INSERT INTO entries (doc_id, message, system, sender, receiver, document, status, sha256, state,"
            " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(doc_id or self._new_id(), message.value, inbox, sender, receiver, document, status, digest),
            *(state.value, rfc3339(now), rfc3339(now)),
        )

    def _match(self, status: Row) -> int | None:
        """The document that a status tells of: by DocumentId, else by (sender, Code, date); the newest of several."""
        recall = status["code"] == _RECALL
        sender, receiver = status["reporter"], status["addressee"]
        if not recall:
            sender, receiver = receiver, sender
        among = (
            "SELECT documents.id FROM documents JOIN entries ON entries.document = documents.id"
            " WHERE documents.sender = ? AND entries.receiver = ? AND "
        )
        newest = " ORDER BY documents.id DESC LIMIT 1"
        found = None
        if status["document_id"]:
            found = self.one(f"{among} documents.document_id = ? {newest}", sender, receiver, status["document_id"])
        if found is None and status["number"] and status["issued_on"]:
            found = self.one(
                f"{among} documents.number = ? AND documents.issued_on = ? {newest}",
                *(sender, receiver, status["number"], status["issued_on"]),
            )
        return None if found is None else int(found["id"])


def _sha(octets: bytes) -> str:
    return sha256(octets).hexdigest()
