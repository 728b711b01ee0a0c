"""A bucket for whoever looks after a node. Implements `axis.holding.Holding`.

A bucket knows no lock between looking at a name and removing it: whoever names octets that are there already may just
then be losing them. So collecting takes two steps, a grace apart: an object that no row names is moved aside, where
readers still find it; there it is removed when no row has named it since, or put back when one has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

from axis.core.model import PayloadRef
from axis.holding import Sort, StoredFile
from axis.objects.bucket import Bucket, Found
from axis.objects.keys import aside, named, sort_of


class Objects:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @property
    def name(self) -> str:
        return f"{self._bucket.name} at {self._bucket.settings.endpoint}"

    def stored(self) -> Iterator[StoredFile]:
        found = (StoredFile(sort_of(one.key), one.key, one.size, one.at) for one in self._bucket.listed())
        yield from sorted(found, key=lambda file: file.where)

    def pieces(self, ref: PayloadRef) -> Iterator[bytes]:
        done = 0
        for last, key in enumerate((named(ref.sha256), aside(ref.sha256), named(ref.sha256)), -2):
            try:
                for octets in self._bucket.pieces(key, done):
                    done += len(octets)
                    yield octets
            except FileNotFoundError:  # or moved, while it was read: it goes on where it is now
                if not last:
                    raise
            else:
                return

    def digest_of(self, file: StoredFile) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        for piece in self._bucket.pieces(file.where):
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size

    def has(self, ref: PayloadRef) -> bool:
        for key in (named(ref.sha256), aside(ref.sha256)):
            try:
                self._bucket.look(key)
            except FileNotFoundError:
                continue
            return True
        return False

    def file(self, ref: PayloadRef) -> Path | None:
        return None

    def take(self, ref: PayloadRef, source: Path) -> None:
        asyncio.run(self._bucket.put(named(ref.sha256), ref.size, source))

    def collect(self, file: StoredFile, before: float) -> int | None:
        try:
            found = self._bucket.look(file.where)
        except FileNotFoundError:
            return None
        if found.at >= before:
            return None
        if file.sort is Sort.NAMED:
            self._move(found, aside(file.name))
            return None
        self._bucket.remove(file.where)
        return found.size

    def claim(self, file: StoredFile) -> None:
        if file.sort is Sort.ASIDE:
            self._move(self._bucket.look(file.where), named(file.name))

    def _move(self, found: Found, to: str) -> None:
        """Between the two steps it is there twice, never not at all."""
        self._bucket.copy(found.key, to)
        if self._bucket.look(to).size != found.size:
            raise OSError(f"{found.key} was not copied whole")
        self._bucket.remove(found.key)
