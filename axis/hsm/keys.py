"""The node's own Ed25519 keys, wherever they are: in a file, or in a token."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from axis.core.problems import Kind, Problem, Unavailable
from axis.hsm.process import ENDED, TokenProcess, TokenSettings
from axis.hsm.signer import TokenEd25519, TokenKey, default_algorithm
from axis.hsm.wire import TokenError
from signing.keys import load_ed25519

log = structlog.get_logger(__name__)

OwnKey = Ed25519PrivateKey

WAIT_S: Final = 5.0
"""How long a receipt or a checkpoint waits for the token. Then it is `Unavailable`, and asked for again."""
PROBE_S: Final = 60.0


@contextmanager
def open_keys(settings: TokenSettings | None, places: Sequence[Path | str]) -> Iterator[tuple[OwnKey, ...]]:
    """The keys at `places`, in their order: files (PEM), or labels in the token of `settings`.

    The token's process runs until the end of the `with`, and every key in it is tried each minute. `TokenError`,
    `ValueError`, `OSError` for keys that cannot be used. Later, a token that does not sign is `Unavailable`.
    """
    labels = [place for place in places if isinstance(place, str)]
    with ExitStack() as stack:
        found: dict[str, TokenKey] = {}
        if labels:
            assert settings is not None, "the configuration has seen to it"
            process = stack.enter_context(TokenProcess(settings, WAIT_S, tell=_tell))
            found = {label: TokenKey.find(process, label) for label in labels}
            stack.enter_context(Probe(tuple(found.values())))
        yield tuple(
            _waited_out(TokenEd25519.of(found[place])) if isinstance(place, str) else load_ed25519(place.read_bytes())
            for place in places
        )


class Probe:
    """Signs and verifies with each key in use, every minute. `failing` is what was wrong the last time, if anything."""

    def __init__(self, keys: tuple[TokenKey, ...], every_s: float = PROBE_S) -> None:
        self._keys = keys
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="token-probe", daemon=True)
        self.failing: TokenError | None = None
        self.rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """One round."""
        failing: TokenError | None = None
        for key in self._keys:
            try:
                key.probe(default_algorithm(key.public))
            except TokenError as error:
                failing = error
                log.error("token_unhealthy", key=key.label, trouble=error.trouble.value, error=error.told)
        if failing is None and self.failing is not None:
            log.info("token_healthy", keys=[key.label for key in self._keys])
        self.failing = failing
        self.rounds += 1

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()


def _tell(event: str, facts: Mapping[str, Any]) -> None:
    if event == ENDED:
        log.warning(event, **facts)
    else:
        log.info(event, **facts)


def _waited_out(key: TokenEd25519) -> TokenEd25519:
    """The same key, whose failures are those of a service that comes back: callers repeat, the log catches up."""

    def sign(data: bytes) -> bytes:
        try:
            return key.sign(data)
        except TokenError as error:
            context = {"trouble": error.trouble.value, "error": error.told, "remedy": error.remedy}
            raise Unavailable(Problem(Kind.KEY_UNAVAILABLE, context=context), retry_after_s=5) from error

    return TokenEd25519(key.public_key(), sign)
