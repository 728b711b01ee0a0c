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
FORMS: Final = (1, 2)
"""The first one has only the names of keys; it is written where there are none, for programs that know no other."""
DATABASE: Final = "store.db"
BLOBS: Final = "blobs"
LOG: Final = "log"
KEYS: Final = "keys"


class NoBackup(Exception):
    """Not a whole backup: no manifest, one that cannot be read, or files that are not those it names."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts of one backup. Everything is proved by digests: those of database and keys stand here, a package's is
    its name, the log's is the root that was signed (`checkpoint` is the signed note, empty before the first entry).
    `keys` has the SHA-256 of each file by its name, empty where an older version has made the backup.
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
    keys: Mapping[str, str]

    def encoded(self) -> bytes:
        """JSON with the digest of all the rest as `sha256`: what was changed by chance is noticed."""
        form, keys = (2, dict(self.keys)) if any(self.keys.values()) else (1, list(self.keys))
        said = {"axis_backup": form, **asdict(self), "made_at": rfc3339(self.made_at), "keys": keys}
        return _text(said | {"sha256": hashlib.sha256(_text(said)).hexdigest()})


def _text(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of the backup in `folder`, and its SHA-256. `NoBackup`; the files are not looked at."""
    try:
        octets = (folder / FILE).read_bytes()
        said: dict[str, Any] = json.loads(octets)
        if said.pop("axis_backup") not in FORMS:
            raise NoBackup(f"{folder} is a backup of a form that this version of axis does not know")
        said.pop("sha256")  # made again below
        keys = said["keys"] if isinstance(said["keys"], dict) else dict.fromkeys(map(str, said["keys"]), "")
        made = Manifest(**said | {"made_at": parse_rfc3339(said["made_at"]), "keys": keys})
        if made.encoded() != octets:
            raise ValueError("another spelling")
    except FileNotFoundError as error:
        raise NoBackup(f"{folder} has no {FILE}: it is no whole backup") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoBackup(f"the {FILE} in {folder} cannot be read") from error
    return made, hashlib.sha256(octets).hexdigest()
