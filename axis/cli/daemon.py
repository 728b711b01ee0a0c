"""The running daemon, asked at its operator's listener."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from axis.cli.output import Exit, give_up

if TYPE_CHECKING:
    from axis.config import Config

_TIMEOUT_S: Final = 60.0
_SOON_S: Final = 3.0
_KNOWN: Final = "/operator/queue/destinations"


def asked_destinations(config: Config, as_json: bool) -> Sequence[dict[str, Any]] | None:
    """What the running daemon knows of those that it calls; `None` where none runs. Ends the command where it does not
    answer."""
    answer = ask(config, "GET", _KNOWN, None, "", as_json)
    return None if answer is None or answer[0] != 200 else answer[1]["destinations"]


def destinations(config: Config) -> Sequence[dict[str, Any]] | None:
    """What the running daemon knows of those that it calls; `None` where none runs, or it does not answer soon."""
    import http.client

    try:
        status, known = _request(config, "GET", _KNOWN, None, "", _SOON_S)
    except (OSError, http.client.HTTPException):
        return None
    return known["destinations"] if status == 200 else None


def configuration(config: Config) -> dict[str, Any] | None:
    """Which configuration the running daemon goes by; `None` where none runs, or it does not answer soon."""
    import http.client

    try:
        status, known = _request(config, "GET", "/operator/configuration", None, "", _SOON_S)
    except (OSError, http.client.HTTPException):
        return None
    return known if status == 200 and "config_sha256" in known else None


def ask(
    config: Config,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    token: str,
    as_json: bool,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[int, dict[str, Any]] | None:
    """One request at the operator's listener; `None` where nobody listens."""
    import http.client

    try:
        return _request(config, method, path, body, token, timeout_s)
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException) as error:
        give_up(Exit.UNSURE, f"the daemon does not answer: {error}", "repeating is safe", as_json=as_json)


def _request(
    config: Config, method: str, path: str, body: dict[str, Any] | None, token: str, timeout_s: float
) -> tuple[int, dict[str, Any]]:
    """`OSError` or `HTTPException` where there is no answer."""
    import http.client
    import json

    address = config.listen.operator
    headers = {"Axis-Operator": token, "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        octets = answer.read()
    try:
        facts = json.loads(octets)
    except ValueError:
        facts = {}
    return answer.status, facts if isinstance(facts, dict) else {}
