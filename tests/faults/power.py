"""A field whose node loses its power: it is recorded from its first call on, and its folder is made again without what
was not synced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.faults.afterwards import wrong
from tests.faults.disk import Disk, Found, Loss, lay_out, lies_in
from tests.faults.field import Field, field_of
from tests.faults.place import Place
from tests.faults.tape import Player, cut_off, ended, recorder, steps
from tests.site import until

FOLDERS: Final = ("data", "checkpoints")
"""What a node keeps, below the folder of its site."""
SHARED_MEMORY: Final = "-shm"
"""SQLite maps this file into memory, and makes it anew when it opens a database that nobody has open."""


class Powered:
    """One life of a field's node after the other, each of them recorded."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.record = field.site.folder / "tape"
        self._base: Found = {}

    def start(self) -> None:
        """From here on everything that is there is durable: it was laid out so, or written and left alone."""
        self._base = lies_in(self.field.site.folder, FOLDERS)
        self.record.unlink(missing_ok=True)
        self.field.site.watcher = recorder(self.record)
        try:
            self.field.site.start()
        finally:
            self.field.site.watcher = ()

    def disk(self) -> Disk:
        """What was there when this life began."""
        return Disk(self.field.site.folder, FOLDERS, self._base)

    def dead(self) -> Disk:
        """The disk of the node that has just ended. What it has without any loss is what lies in the folder."""
        until("the record is whole", lambda: ended(self.record))
        player = Player(self.disk())
        played = [player.play(step) for step in steps(self.record)]
        assert any(played), "nothing was recorded"
        there, said = lies_in(self.field.site.folder, FOLDERS), player.disk.after(Loss.NOTHING, 0)
        unknown = {os.path.relpath(path, self.field.site.folder) for path in cut_off(self.record)}
        differ = {
            name
            for name in there.keys() | said.keys()
            if (name not in there or name not in said or there[name] != said[name])
            and not name.endswith(SHARED_MEMORY)
            and name not in unknown
        }
        assert not differ, f"the record does not tell of {sorted(differ)}"
        return player.disk

    def left(self, disk: Disk, loss: Loss, seed: int, scratch: Path) -> list[str]:
        """What is wrong with that which this cut leaves, judged in a folder beside the node's."""
        lay_out(disk.after(loss, seed), scratch, FOLDERS)
        return wrong(scratch, self.field, self.field.history)


@contextmanager
def powered(folder: Path, places: Mapping[str, Place], **options: Any) -> Iterator[Powered]:
    """A field whose node runs recorded. Afterwards nothing of it does."""
    with field_of(folder, places, start=False, **options) as field:
        made = Powered(field)
        made.start()
        yield made
