"""What must hold between the keys of a configuration. Works on the raw data, so that it finds its faults beside those
of the types; whatever has the wrong type is passed over here, because the types have told it already.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from axis.config.fault import Finding, suggestion
from axis.config.files import fingerprint_of
from axis.config.locate import KeyPath
from axis.config.values import parse_duration
from axis.core.registry import prefix_path
from schemas.codes import CodeError

Raw = Mapping[str, Any]

_PEM_KEY: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----\s(.*?)-----END PRIVATE KEY-----", re.DOTALL)
_ED25519: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.)\x02\x01[\x00\x01]\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20.{32}", re.DOTALL
)


def findings(raw: Raw, base: Path) -> Iterator[Finding]:
    """Everything wrong between the keys of a node's configuration."""
    yield from without_secrets(raw, base)
    yield from _key_pairs(raw, base)
    yield from _own_keys(raw, base)


def without_secrets(raw: Raw, base: Path) -> Iterator[Finding]:
    """The same for who cannot open the files of the keys."""
    for check in (_names, _data, _routes, _credentials, _checkpoints, _times, _listeners, _witnesses):
        yield from check(raw, base)


def table(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def tables(raw: Raw, name: str) -> Iterator[tuple[int, Raw]]:
    """The tables of an array of tables, with their indexes."""
    found = raw.get(name)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield index, item


def texts(raw: Raw, name: str) -> Iterator[tuple[int, str]]:
    found = raw.get(name)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, str):
            yield index, item


def twice(found: Iterator[tuple[KeyPath, object]], say: Callable[[object], str]) -> Iterator[Finding]:
    """A finding for every value that stands a second time; `say` names what is repeated."""
    seen: dict[object, KeyPath] = {}
    for key, value in found:
        first = seen.setdefault(value, key)
        if first is not key:
            yield Finding(key, say(value), first=first)


def _names(raw: Raw, _base: Path) -> Iterator[Finding]:
    named = ((("endpoint", i, "name"), e["name"]) for i, e in tables(raw, "endpoint") if isinstance(e.get("name"), str))
    yield from twice(named, lambda name: f"there are two endpoints {name!r}")
    nationals = [i for i, e in tables(raw, "endpoint") if e.get("adapter") == "national"]
    for index in nationals[1:]:
        yield Finding(("endpoint", index, "adapter"), "a second national axis", "a node has at most one")


def _data(raw: Raw, base: Path) -> Iterator[Finding]:
    data = table(raw, "node").get("data")
    if isinstance(data, str) and (base / data).is_file():
        told = f"{base / data} is a file"
        yield Finding(("node", "data"), told, "name a folder of the node's own; it is made where it is not there")


def _routes(raw: Raw, _base: Path) -> Iterator[Finding]:
    names = {e["name"] for _i, e in tables(raw, "endpoint") if isinstance(e.get("name"), str)}
    for index, rule in tables(raw, "route"):
        endpoint = rule.get("endpoint")
        if isinstance(endpoint, str) and endpoint not in names:
            hint = suggestion(endpoint, names, f"endpoints here: {', '.join(sorted(names)) or 'none yet'}")
            yield Finding(("route", index, "endpoint"), f"no endpoint is called {endpoint!r}", hint)
    yield from twice(_prefixes(raw), lambda path: f"a second route for {'.'.join(path) or '*'}")  # type: ignore[arg-type]


def _prefixes(raw: Raw) -> Iterator[tuple[KeyPath, object]]:
    for index, rule in tables(raw, "route"):
        try:
            yield ("route", index, "prefix"), prefix_path(rule.get("prefix", None) or "?")
        except (CodeError, AttributeError, TypeError):
            continue


def _credentials(raw: Raw, base: Path) -> Iterator[Finding]:
    """Each credential proves one connection, and each connection that calls us has one."""
    certificates: list[tuple[KeyPath, object]] = []
    keys: list[tuple[KeyPath, object]] = []
    for index, endpoint in tables(raw, "endpoint"):
        for place, text in texts(endpoint, "certificates"):
            fingerprint = fingerprint_of(text, base)
            if fingerprint:
                certificates.append((("endpoint", index, "certificates", place), fingerprint))
        for place, text in texts(endpoint, "api_keys"):
            keys.append((("endpoint", index, "api_keys", place), text.replace(":", "").lower()))
        if endpoint.get("adapter") == "mailbox" and not endpoint.get("certificates") and not endpoint.get("api_keys"):
            yield Finding(
                ("endpoint", index),
                "nobody can prove to be this endpoint",
                "give it certificates or api_keys",
                at_key=True,
            )
        if endpoint.get("certificates") and not table(raw, "listen").get("client_ca"):
            yield Finding(
                ("endpoint", index, "certificates"),
                "client certificates are not asked for",
                "name their authority in listen.client_ca",
            )
    yield from twice(iter(certificates), lambda _value: "this certificate already proves another endpoint")
    yield from twice(iter(keys), lambda _value: "this key already proves another endpoint")


def _key_pairs(raw: Raw, base: Path) -> Iterator[Finding]:
    """A private key must belong to its certificate."""
    pairs: list[tuple[KeyPath, Raw]] = [(("listen",), table(raw, "listen"))]
    pairs += [(("endpoint", i), e) for i, e in tables(raw, "endpoint") if e.get("adapter") == "node"]
    for path, section in pairs:
        certificate, key = section.get("certificate"), section.get("key")
        if not (isinstance(certificate, str) and isinstance(key, str)):
            continue
        if not ((base / certificate).is_file() and (base / key).is_file()):
            continue
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # A key under a password would make OpenSSL ask at the terminal.
            context.load_cert_chain(base / certificate, base / key, password=lambda: b"")
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or "unreadable"
            told = "does not belong to the certificate" if "MISMATCH" in reason else "is not a key that TLS can use"
            yield Finding((*path, "key"), told, "PEM, without a password; the pair must match")


def _own_keys(raw: Raw, base: Path) -> Iterator[Finding]:
    """The node's own signing keys must be such keys. One in a token is looked at when the token is opened."""
    for name, usual in (("receipts", "keys/receipt.pem"), ("log", "keys/log.pem"), ("log_former", None)):
        named = table(raw, "keys").get(name, usual)
        if not isinstance(named, str) or named.startswith("hsm:"):
            continue
        try:
            octets = (base / named).read_bytes()
        except OSError:  # the types have told it
            continue
        if octets and not _is_ed25519(octets):
            hint = "openssl genpkey -algorithm ed25519 -out FILE makes one; a key in use is restored, never made anew"
            yield Finding(("keys", name), "is not an Ed25519 private key in PEM, without a password", hint)


def _is_ed25519(pem: bytes) -> bool:
    """By its beginning (RFC 8410 §7). Not read as a key: this room has no cryptography, and `axis serve` reads it."""
    block = _PEM_KEY.search(pem)
    try:
        return block is not None and _ED25519.match(base64.b64decode(block[1])) is not None
    except binascii.Error:
        return False


def _checkpoints(raw: Raw, base: Path) -> Iterator[Finding]:
    """A restored data folder must not take back the memory of how far the log had come."""
    data = table(raw, "node").get("data")
    checkpoints = table(raw, "keys").get("checkpoints", "checkpoints")
    if isinstance(data, str) and isinstance(checkpoints, str):
        log = (base / data / "log").resolve()
        store = (base / checkpoints).resolve()
        if store == log or log in store.parents:
            yield Finding(
                ("keys", "checkpoints"),
                "the checkpoint store lies inside the log",
                "put it beside the data folder, best on another disk: it must survive a restored backup",
            )


def _times(raw: Raw, _base: Path) -> Iterator[Finding]:
    """Times that only make sense in one order."""
    rules = (
        ("delivery", "first_retry", "5s", "delivery", "retry_ceiling", "1h"),
        ("delivery", "retry_ceiling", "1h", "delivery", "lifetime", "7d"),
        ("delivery", "breaker_first", "5s", "delivery", "breaker_ceiling", "5m"),
        ("limits", "merge_delay", "5s", "limits", "log_stale", "10m"),
    )
    for first, short, short_default, second, long, long_default in rules:
        try:
            less = parse_duration(table(raw, first).get(short, short_default))
            more = parse_duration(table(raw, second).get(long, long_default))
        except (ValueError, TypeError):
            continue
        if less > more:
            written = table(raw, first).get(short), table(raw, second).get(long)
            key = (first, short) if written[0] else (second, long)
            lengths = (written[0] or short_default, written[1] or long_default)
            hint = f'now {short} = "{lengths[0]}", {long} = "{lengths[1]}": change one of them, written or not'
            yield Finding(key, f"{first}.{short} is longer than {second}.{long}", hint)


def _witnesses(raw: Raw, _base: Path) -> Iterator[Finding]:
    listed = ((("witness", index, "key"), one.get("key")) for index, one in tables(raw, "witness"))
    found = ((key, value) for key, value in listed if isinstance(value, str))
    yield from twice(found, lambda _key: "a witness stands here twice: it would count once")


def _listeners(raw: Raw, _base: Path) -> Iterator[Finding]:
    listen = table(raw, "listen")
    agencies, operator = listen.get("agencies"), listen.get("operator", "127.0.0.1:9443")
    if isinstance(agencies, str) and agencies == operator and not agencies.endswith(":0"):
        yield Finding(("listen", "agencies"), "agencies and operator have one address", "give each its own port")
