"""Which blobs a configuration names: files, or objects in a bucket. For the daemon, and for whoever looks after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axis.blobs import Blobs
from axis.config.objects import FILES

if TYPE_CHECKING:
    from axis.config.model import Config
    from axis.holding import Holding
    from axis.objects.blobs import ObjectBlobs
    from axis.objects.bucket import Bucket


def shelf_of(config: Config, spool: str = "spool") -> Blobs | ObjectBlobs:
    """Where the octets go that are too large for a row; `spool` is the name of this process's folder for bodies.

    Asks nobody yet. `NotUsable` where a bucket cannot be used by this program, `OSError` where its files are gone.
    """
    local = Blobs(config.node.blobs, config.store.inline_max, spool)
    if config.store.blobs == FILES:
        return local
    from axis.objects.blobs import ObjectBlobs

    return ObjectBlobs(local, bucket_of(config))


def holding_of(config: Config) -> Holding:
    """The same octets, as `axis.care` sees them. `NotUsable`, `OSError`."""
    if config.store.blobs == FILES:
        from axis.care.files import Files

        return Files(config.node.blobs)
    from axis.objects.holding import Objects

    return Objects(bucket_of(config))


def bucket_of(config: Config) -> Bucket:
    """The bucket of `store.blobs`. `NotUsable`, `OSError`."""
    from axis.objects.bucket import Bucket, Credentials, Settings

    told = config.objects
    assert told is not None, "checked when it was read"
    if told.key_id is None or told.secret_file is None:
        credentials = Credentials.ambient()
    else:
        credentials = Credentials(told.key_id, told.secret_file.read_text().strip())
    return Bucket(
        Settings(
            url=config.store.blobs,
            endpoint=told.endpoint,
            credentials=credentials,
            region=told.region,
            path_style=told.path_style,
            ca=told.ca.read_bytes() if told.ca else None,
            timeout=told.timeout,
        )
    )
