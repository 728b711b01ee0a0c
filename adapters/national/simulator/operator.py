"""What the operator of the simulated axis may look at: every document and every status, as the axis has them."""

from __future__ import annotations

from adapters.national.simulator.database import Database
from schemas.status import Status

PAGE = 10_000


def statuses(db: Database, after: int, limit: int = PAGE) -> tuple[list[dict[str, object]], int | None]:
    """Statuses by (document, sender, receiver, code, time), and where the next page begins.

    `count` is how many different messages said so; repeats of one message count once. A recall request (13) is set by
    the sender; all others by the receiver.
    """
    rows = db.all(
        "SELECT max(statuses.id) AS place, coalesce(documents.document_id, statuses.document_id) AS document_id,"
        " iif(code = :recall, reporter, addressee) AS sender, iif(code = :recall, addressee, reporter) AS receiver,"
        " code, at, count(*) AS count, min(document IS NOT NULL) AS matched"
        " FROM statuses LEFT JOIN documents ON documents.id = statuses.document"
        " GROUP BY 2, 3, 4, code, at HAVING place > :after ORDER BY place LIMIT :limit",
        recall=Status.RECALL_REQUESTED.wire,
        after=after,
        limit=limit,
    )
    found: list[dict[str, object]] = [
        {
            "document_id": row["document_id"],
            "sender": row["sender"],
            "receiver": row["receiver"],
            "code": row["code"],
            "time": row["at"],
            "count": row["count"],
            "matched": bool(row["matched"]),
        }
        for row in rows
    ]
    return found, rows[-1]["place"] if len(rows) == limit else None


def documents(db: Database, after: int, limit: int = PAGE) -> tuple[list[dict[str, object]], int | None]:
    """Documents with the transport state at each receiver, and where the next page begins."""
    rows = db.all("SELECT * FROM documents WHERE id > :after ORDER BY id LIMIT :limit", after=after, limit=limit)
    if not rows:
        return [], None
    entries = db.all(
        "SELECT document, doc_id, receiver, system, state, created_at, updated_at FROM entries"
        " WHERE document BETWEEN :first AND :last ORDER BY seq",
        first=rows[0]["id"],
        last=rows[-1]["id"],
    )
    deliveries: dict[int, list[dict[str, object]]] = {row["id"]: [] for row in rows}
    for entry in entries:
        deliveries[entry["document"]].append(
            {
                "doc_id": entry["doc_id"],
                "receiver": entry["receiver"],
                "system": entry["system"],
                "state": entry["state"],
                "created_at": entry["created_at"],
                "updated_at": entry["updated_at"],
            }
        )
    found: list[dict[str, object]] = [
        {
            "doc_id": row["doc_id"],
            "document_id": row["document_id"],
            "sender": row["sender"],
            "system": row["system"],
            "number": row["number"],
            "issued_on": row["issued_on"],
            "kind": row["kind"],
            "sha256": row["sha256"],
            "given_sha256": row["given"],
            "sent_at": row["sent_at"],
            "receivers": deliveries[row["id"]],
        }
        for row in rows
    ]
    return found, rows[-1]["id"] if len(rows) == limit else None
