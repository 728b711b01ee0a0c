"""What a backup says of itself: whose it is, of when, how far it knows the log, and the digests of its parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from axis.core.times import parse_rfc3339, rfc3339

FILE: Final = "manifest.json"
VERSION: Final = 1
DATABASE: Final = "store.db"
BLOBS: Final = "blobs"
LOG: Final = "log"
KEYS: Final = "keys"


class NoBackup(Exception):
    """Not a whole backup: no manifest, one that cannot be read, or files that are not those it names."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one backup. Everything but the keys is proved by digests: the database's stands here, a package's is
    its name, the log's is the root that was signed (`checkpoint` is the signed note, empty before the first entry).
    """

    node: str
    program: str
    schema: str
    store_id: str
    made_at: datetime
    database_sha256: str
    database_size: int
    blob_files: int
    blob_octets: int
    log_size: int
    log_root: str
    checkpoint: str
    log_key: str
    keys: tuple[str, ...]

    def encoded(self) -> bytes:
        """JSON with the digest of all the rest as `sha256`: what was changed by chance is noticed."""
        said = {"axis_backup": VERSION, **asdict(self), "made_at": rfc3339(self.made_at), "keys": list(self.keys)}
        return _text(said | {"sha256": hashlib.sha256(_text(said)).hexdigest()})


def _text(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of the backup in `folder`, and its SHA-256. `NoBackup`; the files are not looked at."""
    try:
        octets = (folder / FILE).read_bytes()
        said: dict[str, Any] = json.loads(octets)
        if said.pop("axis_backup") != VERSION:
            raise NoBackup(f"{folder} is a backup of a form that this version of axis does not know")
        said.pop("sha256")  # made again below
        made = Manifest(**said | {"made_at": parse_rfc3339(said["made_at"]), "keys": tuple(map(str, said["keys"]))})
        if made.encoded() != octets:
            raise ValueError("another spelling")
    except FileNotFoundError as error:
        raise NoBackup(f"{folder} has no {FILE}: it is no whole backup") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoBackup(f"the {FILE} in {folder} cannot be read") from error
    return made, hashlib.sha256(octets).hexdigest()
