"""Prove to the sender of a document that the log holds what its receipt promised."""

from __future__ import annotations

import asyncio
from pathlib import Path

from axis.core.model import Document
from axis.core.problems import Kind, Problem, Unavailable, refuse
from axis.core.times import rfc3339
from axis.flow.context import Context
from axis.log.files import Damaged
from axis.log.proof import Proof, prove_inclusion


async def prove_taken(document: Document, log_folder: Path, ctx: Context) -> Proof:
    """The proof of the entry of its acceptance, under the published checkpoint.

    `Unavailable(LOG_STALE)` where the checkpoint is older than the entry, `Refused(STORED_DAMAGED)` where the log
    cannot prove it, `Refused(NOT_FOUND)` where a restore lost the entry's place.
    """
    placed = await ctx.store.views.promised(document)
    if placed is None:
        raise refuse(Kind.NOT_FOUND, document=document.ref)
    if placed.index is not None:
        try:
            return await asyncio.to_thread(prove_inclusion, log_folder, placed.index)
        except Damaged as error:
            raise refuse(Kind.STORED_DAMAGED, document=document.ref, log=str(error)) from error
        except ValueError:
            pass  # the checkpoint is older
    due = rfc3339(document.accepted_at + ctx.merge_delay)
    raise Unavailable(Problem(Kind.LOG_STALE, f"the log does not hold the entry yet; it was promised for {due}"), 1)
