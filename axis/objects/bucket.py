"""One bucket that speaks S3, through obstore: the only file that knows the library.

All that can go wrong is `OSError`: `FileNotFoundError` for an object that is not there, `Damaged`, `NotAnswering`.
Of the environment only what the configuration leaves to it is taken: the library would let `AWS_ENDPOINT_URL_S3`, or a
proxy of the account, send packages elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, S3Store

PART: Final = 8 << 20
"""Up to here an object goes up in one request that never replaces another; above in parts of this size."""
PARTS_AT_ONCE: Final = 2
RANGE: Final = 1 << 20
"""What one request reads. A whole object in one answer would tie its time limit to the slowest recipient."""
RETRIES: Final = 3
PUTS: Final = 3
"""How often a body goes up at most, with PAUSE_S between, and within the time of the whole."""
PAUSE_S: Final = 0.2
_AMBIENT: Final = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
KEY_ID, SECRET, TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


class NotAnswering(OSError):
    """The bucket cannot be asked, refuses, or ends too early. Waiting may help. For our log only."""


class Damaged(OSError):
    """What is under the name is not what should be. For our log only."""


class NotUsable(Exception):
    """There is no such bucket for this program: the extra or the credentials are missing."""


@dataclass(frozen=True, slots=True)
class Credentials:
    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def ambient(cls, environment: Mapping[str, str] = os.environ) -> Credentials:
        """Those of the environment. `NotUsable` without any."""
        if not environment.get(KEY_ID) or not environment.get(SECRET):
            raise NotUsable(f"objects.key_id is not set, and neither are {KEY_ID} and {SECRET}")
        return cls(environment[KEY_ID], environment[SECRET], environment.get(TOKEN))


@dataclass(frozen=True, slots=True)
class Settings:
    """Which bucket, where, and how long one request may take with its repetitions. `ca` is PEM, believed beside the
    system's."""

    url: str
    endpoint: str
    credentials: Credentials
    region: str = "us-east-1"
    path_style: bool = True
    ca: bytes | None = None
    timeout: timedelta = timedelta(seconds=10)

    @property
    def bucket(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        return urlsplit(self.url).path.strip("/")

    @property
    def address(self) -> str:
        """Where requests go: with the bucket in the host's name, unless it is in the path."""
        if self.path_style:
            return self.endpoint.rstrip("/")
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the bucket lists it; `at` is when it was written, in seconds since 1970."""

    key: str
    size: int
    at: float


class Bucket:
    """Objects by key below the prefix. Making it asks nothing; `NotUsable` without the extra."""

    def __init__(self, settings: Settings) -> None:
        if find_spec("obstore") is None:
            raise NotUsable("objects need the extra [s3]: obstore is not installed (requirements/s3.lock)")
        self.settings = settings
        self._store = _open(settings)
        self._conditional = True

    @property
    def name(self) -> str:
        return self.settings.url

    async def put(self, key: str, size: int, source: Path) -> None:
        """An object of `size` octets, durable afterwards; one that is there is left as it is.

        Repeated here when it fails, because the library repeats no write whose outcome it does not know: under the
        name of its digest there is nothing that a second one could spoil.
        """
        ask = size > PART or not self._conditional
        for left in reversed(range(PUTS)):
            try:
                if ask and await self._is_there(key, size):
                    return
                if await self._written(key, size, source):
                    return
            except NotAnswering:
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
            ask = True
        if not await self._is_there(key, size):
            raise NotAnswering(f"{key} was refused as being there, and is not")

    async def _is_there(self, key: str, size: int) -> bool:
        """`Damaged` where it has another size."""
        import obstore

        try:
            with _told():
                found = await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        if found["size"] != size:
            raise Damaged(f"{key} has {found['size']} octets and should have {size}")
        return True

    async def _written(self, key: str, size: int, source: Path) -> bool:
        """Say whether it is written now; if not, something is there. Nothing is replaced in one request, where the
        server knows conditions; in parts it is, by the same octets."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _told():
            if size <= PART and self._conditional:
                try:
                    await obstore.put_async(self._store, key, source, mode="create")
                except AlreadyExistsError:
                    return False
                except Exception as error:
                    if "501 Not Implemented" not in str(error):
                        raise
                    self._conditional = False
                else:
                    return True
            await obstore.put_async(
                self._store,
                key,
                source,
                mode="overwrite",
                use_multipart=size > PART,
                chunk_size=PART,
                max_concurrency=PARTS_AT_ONCE,
            )
        return True

    async def piece(self, key: str, start: int, size: int, whole: int) -> bytes:
        """`size` octets from `start` on, of an object that has `whole`."""
        import obstore

        with _told():
            answer = await obstore.get_async(self._store, key, options={"range": (start, start + size)})
            found = answer.meta["size"]
            octets = bytes(await answer.bytes_async())
        if found != whole or len(octets) != size:
            raise Damaged(f"{key} has {found} octets and should have {whole}; {len(octets)} of {size} came")
        return octets

    def pieces(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The object as it is now, in order, from `start` on."""
        import obstore

        size = self.look(key).size
        while start < size:
            with _told():
                length = min(RANGE, size - start)
                octets = bytes(obstore.get_range(self._store, key, start=start, length=length))
            if len(octets) != length:
                raise NotAnswering(f"{key} ended after {start + len(octets)} of {size} octets")
            yield octets
            start += length

    def look(self, key: str) -> Found:
        import obstore

        with _told():
            return _found(obstore.head(self._store, key))

    def listed(self) -> Iterator[Found]:
        """All objects below the prefix, in no order."""
        import obstore

        with _told():
            for some in obstore.list(self._store, chunk_size=1000):
                yield from map(_found, some)

    def copy(self, key: str, to: str) -> None:
        import obstore

        with _told():
            obstore.copy(self._store, key, to)

    def remove(self, key: str) -> None:
        """Afterwards it is not there, whether it was or not."""
        import obstore

        with _told():
            obstore.delete(self._store, key)


def _found(meta: ObjectMeta) -> Found:
    return Found(meta["path"], meta["size"], meta["last_modified"].timestamp())


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the library raises into `OSError`: its own exceptions, and those of settings it cannot use."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, ValueError) as error:
        raise NotAnswering(
            f"{type(error).__name__}: {str(error).partition('Debug source')[0].strip()[:300]}"
        ) from error


def _open(settings: Settings) -> S3Store:
    from obstore.store import S3Store

    client: ClientConfig = {
        "allow_http": settings.endpoint.startswith("http://"),
        "connect_timeout": settings.timeout / 2,
        "timeout": settings.timeout,
        "user_agent": "axis",
    }
    if settings.ca is not None:
        client["root_certificate"] = settings.ca
    given = settings.credentials
    with _without_ambient():
        return S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            config={
                "endpoint": settings.address,
                "region": settings.region,
                "access_key_id": given.key_id,
                "secret_access_key": given.secret,
                **({"session_token": given.token} if given.token else {}),
                "virtual_hosted_style_request": not settings.path_style,
                "checksum_algorithm": "SHA256",
                "disable_bulk_delete": True,  # not every server has it
            },
            client_options=client,
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": settings.timeout,
                "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1)},
            },
        )


@contextmanager
def _without_ambient() -> Iterator[None]:
    """Hide what the library would read of the environment when a store is made."""
    hidden = {name: text for name, text in os.environ.items() if name.upper().startswith(_AMBIENT)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
