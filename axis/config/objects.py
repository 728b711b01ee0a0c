"""`[objects]`: how the bucket of `store.blobs` is reached."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool, TypeAdapter
from pydantic_core import InitErrorDetails

from axis.config.files import CertificateFile, Folder, SecretFile
from axis.config.section import Section, unusable
from axis.config.values import Duration, HttpsUrl, fault

FILES: Final = "files"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_KINDS: Final = {"secret_file": TypeAdapter[Path](SecretFile), "ca": TypeAdapter[Path](CertificateFile)}


def _blobs_place(value: Any) -> str:
    if value == FILES:
        return FILES
    scheme, _, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    bucket, slash, prefix = rest.partition("/")
    dotted = {".", ".."} & {*prefix.split("/")}
    if scheme != "s3" or not _BUCKET.fullmatch(bucket) or dotted or (slash and not _PREFIX.fullmatch(prefix)):
        raise fault(f"{value!r} is no place for blobs", '"files", or a bucket with a prefix: "s3://axis/truc-tinh"')
    return str(value)


BlobsPlace = Annotated[str, BeforeValidator(_blobs_place)]


class Objects(Section):
    """How the bucket of `store.blobs` is reached. Looked at when that names one.

    Without `key_id` the credentials are those of the environment. `ca` is believed beside the system's authorities.
    """

    endpoint: Annotated[HttpsUrl, Field(examples=["https://s3.example.gov.vn"])]
    region: Annotated[str, Field(min_length=1, max_length=64)] = "us-east-1"
    path_style: StrictBool = True
    key_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    secret_file: Folder | None = None
    ca: Folder | None = None
    timeout: Duration = timedelta(seconds=10)


def wrong_objects(blobs: str, objects: Objects | None, base: Any) -> list[InitErrorDetails]:
    """What is missing for a bucket that is named: its section, and the files that this names."""
    if blobs == FILES:
        return []
    if objects is None:
        missing = fault("is in a bucket, and there is no [objects]", "add [objects] with endpoint, key_id, secret_file")
        return [{"type": missing, "loc": ("store", "blobs"), "input": None}]
    if (objects.key_id is None) != (objects.secret_file is None):
        name = "key_id" if objects.key_id is None else "secret_file"
        alone = fault("is missing", "key_id and secret_file go together; without both, the environment is asked")
        return [{"type": alone, "loc": ("objects", name), "input": None}]
    return unusable("objects", objects, _KINDS, base)
