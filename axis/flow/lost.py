"""Seeing that a database has lost what it had committed, before anything is written to it (F30).

Another server may have taken over that had not got the newest commits, or an older state was put back, while a process
ran. It knows two things that do not come from the database: the document for which it gave its newest receipt, and how
far the log was signed. What is lost comes from the end, so one thing that is there vouches for all before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from axis.core.model import DocumentRef
from axis.core.ports import Ledger
from axis.flow.sequence import PLAN
from axis.log.heads import Head, HeadsDamaged


def missing(ledger: Ledger, newest: DocumentRef | None, peek: Callable[[], Head | None]) -> str | None:
    """Say what the database should have and has not, for our log; `None` where it has all that we know of.

    `newest` is what a receipt was given for last, `peek` reads the newest head, for a log that is planned in the store.
    """
    try:
        head = peek()
    except HeadsDamaged as error:
        return str(error)
    if newest is not None and ledger.document(newest) is None:
        return f"it has not got the document {newest}, for which a receipt was given"
    # In this order: a round that is marked meanwhile makes the size greater, never the plan older.
    text = ledger.fact(PLAN)
    size = ledger.log_size()
    plan: dict[str, Any] = {"first": -1, "ids": []} if text is None else json.loads(text)
    begun = len(plan["ids"]) if plan["first"] == size else 0
    signed = head.checkpoint.size if head else 0
    return f"it knows {size} leaves of the log, {signed} were signed" if size + begun < signed else None
