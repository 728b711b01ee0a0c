"""What the entries of the log say beside their kind: every fact, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from axis.core.happening import EntryKind

_DOCUMENT_FACTS: Final = (
    ("sender", "agency code of the sender"),
    ("recipients", "agency codes that the document names"),
    ("kind", "`new`, `recall`, `update`, `replace`"),
    ("role", "what the connection is that brought it: `agency`, `node`, `national`"),
    ("hops", "axes that it passed before, oldest first"),
    ("verdict", "indication, see `verdicts.md`"),
    ("sub_indication", "sub-indication, `null` when passed"),
    ("reason", "key of the reason"),
    ("policy_sha256", "digest of the signature policy that judged"),
    ("document_commitment", "commitment to the DocumentId, name `document_id`"),
    ("package_commitment", "commitment to the package digest in hex, name `package`"),
    ("bytes_commitment", "commitment to the SHA-256 of the stored octets in hex, name `bytes`"),
    ("verdict_commitment", "commitment to the whole verdict as canonical JSON, name `verdict`"),
)
_DELIVERY_FACTS: Final = (
    ("cargo", "`document`, `status` or `notice`"),
    ("cargo_ref", "our id of the document, status or notice"),
    ("endpoint", "where it went"),
    ("recipients", "agency codes it is for"),
)
_SETBACK_FACTS: Final = (*_DELIVERY_FACTS, ("problem", "kind, see `problems.md`"), ("attempt", "which attempt, from 1"))
_FAILURE_FACTS: Final = (
    *_SETBACK_FACTS,
    ("cause", "kind of the last problem, where `problem` is that waiting or trying ended; else `null`"),
    ("notice", "our id of the notice that tells of it, `null` where nobody is told"),
)

FACTS: Final[Mapping[EntryKind, Sequence[tuple[str, str]]]] = MappingProxyType(
    {
        EntryKind.ACCEPTED: _DOCUMENT_FACTS,
        EntryKind.HELD: _DOCUMENT_FACTS,
        EntryKind.REPEATED: (
            ("role", "what the connection is that repeated it"),
            ("hops", "axes that it passed by this way; absent where it brought nothing new"),
            ("for", "agency codes that this connection had not brought it for before; absent likewise"),
        ),
        EntryKind.REFUSED: (
            ("problem", "kind, see `problems.md`"),
            ("role", "what the connection is"),
            ("verdict", "indication; absent when the package could not be judged"),
            ("reason", "key of the reason; absent likewise"),
        ),
        EntryKind.ROUTED: (
            ("routes", "`[recipient, endpoint, prefix that matched]` each; `null` where no route leads"),
        ),
        EntryKind.RELEASED: (("event", "`pass`, `fail` or `expire`"), *_DOCUMENT_FACTS),
        EntryKind.NOTICE: (
            ("document", "our id of the document"),
            ("outcome", "`released`, `refused` or `undelivered`"),
            ("sent", "whether a way leads to the sender"),
        ),
        EntryKind.ATTACHMENTS: (
            (
                "cause",
                "`intake`, `due` (the first time, or by the schedule), `evidence` (about revocation came)",
            ),
            ("round", "which judgement of this document, from 1"),
            ("outcome", "the worst of all attachments: `valid`, `unsigned`, `invalid`, `indeterminate`, or `null`"),
            ("again", "whether the attachments will be judged again"),
            (
                "attachments",
                "`[place, outcome, reason, octets, verdict]` of each that was judged now; the last two are commitments",
            ),
        ),
        EntryKind.DELIVERED: (*_DELIVERY_FACTS, ("peer_ref", "the destination's own id of it, where it named one")),
        EntryKind.DEFERRED: _SETBACK_FACTS,
        EntryKind.FAILED: _FAILURE_FACTS,
        EntryKind.FOLLOWED: (
            *_DELIVERY_FACTS,
            ("peer_ref", "the destination's own id of it, under which it was asked for"),
            ("asked", "which answer it is, from 1"),
            (
                "became",
                "`waiting`, `taken`, `refused` (a recipient could not read it), `lost`; `null` where none is known",
            ),
            ("resent", "whether it is due again; what is lost and is not, has failed"),
        ),
        EntryKind.OPERATED: (
            ("action", "`retry`, `hold`, `release`, `give-up`"),
            ("operator", "the account at the machine"),
            ("reason", "in that person's words"),
            ("endpoint", "whose delivery it is; with an empty subject: the whole endpoint"),
        ),
        EntryKind.STATUS: (
            ("document", "our id of the document, `null` for an orphan"),
            ("code", "wire code"),
            ("receiver", "agency whose handling it tells of"),
            ("reporter", "agency that said so"),
            ("standing", "see `states.md`"),
            ("attestation", "on whose word: `connection`, `neighbour`, `axis`"),
            ("status_at", "the reporter's time, seconds since 1970"),
        ),
        EntryKind.STATUS_REFUSED: (
            ("problem", "kind, see `problems.md`"),
            ("code", "wire code"),
            ("reporter", "agency that said so"),
        ),
        EntryKind.ORPHAN_MATCHED: (("document", "our id of the document that it found"),),
        EntryKind.STARTED: (),
        EntryKind.STOPPED: (),
        EntryKind.CONFIGURED: (
            ("generation", "the how manyth configuration of this process; it began with 1"),
            ("config_sha256", "SHA-256 over the files of the configuration and of the registry"),
        ),
        EntryKind.RESTORED: (
            ("operator", "the account at the machine"),
            ("reason", "in that person's words"),
            ("backup", "SHA-256 of the backup's manifest"),
            ("backed_up_at", "when the backup was made, seconds since 1970"),
            ("known", "how many entries the backup knew"),
            ("signed", "how many entries were signed when the node went on"),
            ("heads", "`kept`, or `lost`: the checkpoint store was begun anew from what there was"),
            ("lost", "`[first, end]` of each run of entries whose records the backup did not have"),
        ),
        EntryKind.CONTENT_REMOVED: (
            ("keep_days", "the time for which content was to be kept"),
            ("octets", "how many octets the package and its attachments had"),
        ),
        EntryKind.KEY_CHANGED: (
            ("former", "verifier key that signed until here"),
            ("key", "verifier key that signs from here on"),
            ("statement", "signed note (C2SP) of three lines, `axis/v1/log-key`, `former`, `key`; both keys signed it"),
        ),
    }
)
"""What `facts` of each kind of entry may hold. A test compares it with what the decisions write."""
