"""Take the octets that a store names from one holding to another, before its rows go there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from axis.care.compared import compared
from axis.care.files import bring, digest_of
from axis.core.model import PayloadRef
from axis.holding import Holding, Sort
from axis.sql.engine import open_readonly
from axis.sql.engine import told as in_our_words
from axis.sql.soundness import named_files


def move_octets(store: str, here: Holding, there: Holding, told: Callable[[str, int, int], None]) -> int:
    """Make durable `there` what the rows of `store` name and only `here` has; returns how many that were.

    What is missing or damaged here is left out: whoever looks at the copy finds it missing. May be repeated.
    `StoreError`, `OSError`.
    """
    if here.name == there.name:
        return 0
    done = 0
    with compared() as aside:
        with in_our_words(store), open_readonly(store, patient=True) as questions:
            aside.rows_name(named_files(questions.session))
        aside.are_there(one for one in there.stored() if one.sort is Sort.NAMED)
        whole, _ = aside.number(missing=True)
        for number, ref in enumerate(aside.refs(missing=True), 1):
            with ExitStack() as until:
                file = _sound(here, ref, until)
                if file is not None:
                    there.take(ref, file)
                    done += 1
            told("blobs", number, whole)
    return done


def _sound(here: Holding, ref: PayloadRef, until: ExitStack) -> Path | None:
    """A file with these octets and no others."""
    file = here.file(ref)
    try:
        if file is None:
            file = Path(until.enter_context(TemporaryDirectory()), ref.sha256)
            bring(here, ref, file, link=False)
        return file if digest_of(file) == (ref.sha256, ref.size) else None
    except FileNotFoundError:
        return None
