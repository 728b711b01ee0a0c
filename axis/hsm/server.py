"""The process that owns a token: `python -m axis.hsm.server`, started by `axis.hsm.process` with a socket as its input.

The only place that imports `pkcs11`. It has one thread and one session: two threads in one process crash inside the
module, and a login belongs to a process. It ends when the socket is closed. Terminal and service manager signal the
whole group at a stop; the node still needs its log key then, so signals do not end it.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pkcs11
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass, TokenFlag

from axis.hsm.wire import PASSING, Gone, TokenError, Trouble, receive, send

_DIGEST_INFO: Final = MappingProxyType(
    {
        "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
        "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
        "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
    }
)
"""What PKCS#1 v1.5 puts before a digest (RFC 8017 §9.2, note 1)."""

_PSS: Final = MappingProxyType(
    {
        "sha256": (Mechanism.SHA256, MGF.SHA256, 32),
        "sha384": (Mechanism.SHA384, MGF.SHA384, 48),
        "sha512": (Mechanism.SHA512, MGF.SHA512, 64),
    }
)
_ON_DIGESTS: Final = MappingProxyType(
    {"rsa-pkcs1": Mechanism.RSA_PKCS, "rsa-pss": Mechanism.RSA_PKCS_PSS, "ecdsa": Mechanism.ECDSA}
)
_ON_DATA: Final[Mapping[tuple[str, str], Mechanism]] = MappingProxyType(
    {
        ("rsa-pkcs1", "sha256"): Mechanism.SHA256_RSA_PKCS,
        ("rsa-pkcs1", "sha384"): Mechanism.SHA384_RSA_PKCS,
        ("rsa-pkcs1", "sha512"): Mechanism.SHA512_RSA_PKCS,
        ("rsa-pss", "sha256"): Mechanism.SHA256_RSA_PKCS_PSS,
        ("rsa-pss", "sha384"): Mechanism.SHA384_RSA_PKCS_PSS,
        ("rsa-pss", "sha512"): Mechanism.SHA512_RSA_PKCS_PSS,
        ("ecdsa", "sha256"): Mechanism.ECDSA_SHA256,
        ("ecdsa", "sha384"): Mechanism.ECDSA_SHA384,
        ("ecdsa", "sha512"): Mechanism.ECDSA_SHA512,
        ("ed25519", "sha512"): Mechanism.EDDSA,
    }
)
"""Mechanisms that hash by themselves, for tokens that do not offer the ones over a digest."""

_TYPES: Final = MappingProxyType({KeyType.RSA: "rsa", KeyType.EC: "ec", KeyType.EC_EDWARDS: "edwards"})
_FAMILIES: Final = MappingProxyType(
    {"rsa": frozenset({"rsa-pkcs1", "rsa-pss"}), "ec": frozenset({"ecdsa"}), "edwards": frozenset({"ed25519"})}
)

_PIN_REMEDY: Final = "put the right PIN into the file, then restart; it is not tried again before that"
_TROUBLES: Final[tuple[tuple[tuple[type[Exception], ...], Trouble, str, str], ...]] = (
    (
        (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange),
        Trouble.PIN,
        "the token does not take the PIN",
        _PIN_REMEDY,
    ),
    ((pkcs11.PinLocked,), Trouble.PIN, "the PIN is locked", "its security officer can unlock the token"),
    (
        (pkcs11.PinExpired, pkcs11.UserPinNotInitialized),
        Trouble.PIN,
        "the token wants a new PIN to be set first",
        "set it with the token's own software",
    ),
    (
        (pkcs11.NoSuchToken, pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised, pkcs11.DeviceRemoved),
        Trouble.TOKEN,
        "there is no such token",
        "is it plugged in? pkcs11-tool --module FILE --list-slots shows what there is",
    ),
    (
        (pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid, pkcs11.KeyTypeInconsistent, pkcs11.KeySizeRange),
        Trouble.KEY,
        "the token does not sign in this way",
        "pkcs11-tool --module FILE --list-mechanisms shows what it can do",
    ),
)


class Vault:
    """One token, logged in. Every method may raise `TokenError` or what the module raises."""

    def __init__(self, module: str, label: str, pin_file: str) -> None:
        try:
            library = pkcs11.lib(module)
        except pkcs11.PKCS11Error as error:
            told = f"the PKCS#11 module cannot be used: {str(error) or type(error).__name__}"
            raise TokenError(Trouble.MODULE, told, "name the token's own library, for this processor") from None
        self._token = _the_token(library, label)
        self._offers = frozenset(self._token.slot.get_mechanisms())
        if self._token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            # A service manager that restarts us over a wrong PIN would spend the tries; the last one is a person's.
            told = f"one more wrong PIN locks the token {label!r}: no program tries it"
            raise TokenError(Trouble.PIN, told, "log in once with the right PIN by pkcs11-tool --login")
        self._session = self._token.open(user_pin=read_pin(Path(pin_file)))
        self._keys: dict[str, Any] = {}

    def describe(self, label: str) -> dict[str, str]:
        """The public side of a key: its kind and numbers, in hex."""
        key = self._key(label)
        kind = _TYPES.get(key.key_type)
        if kind is None:
            raise TokenError(Trouble.KEY, f"the key {label!r} is of a kind that does not sign here")
        public = self._one(ObjectClass.PUBLIC_KEY, label)
        rsa, ec = (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT), (Attribute.EC_PARAMS, Attribute.EC_POINT)
        source = public if public is not None else key
        try:
            return {"type": kind, **{name.name.lower(): source[name].hex() for name in (rsa if kind == "rsa" else ec)}}
        except pkcs11.AttributeTypeInvalid:
            # Only RSA private keys tell their public numbers; a certificate of the same label tells them too.
            return {"type": kind}

    def certificate(self, label: str) -> bytes:
        """The certificate of that label, DER."""
        found = self._one(ObjectClass.CERTIFICATE, label)
        if found is None:
            raise TokenError(
                Trouble.KEY,
                f"the token holds no certificate {label!r}",
                "write it there, or name a file: pkcs11-tool --write-object FILE --type cert --label LABEL",
            )
        return bytes(found[Attribute.VALUE])

    def sign(self, label: str, family: str, hash_: str, data: bytes) -> bytes:
        """A signature as XML-DSig has it: the length of the modulus, or r and s, or Ed25519's 64 octets."""
        key = self._key(label)
        if family not in _FAMILIES.get(_TYPES.get(key.key_type, ""), ()):
            raise TokenError(Trouble.KEY, f"the key {label!r} does not sign with {family}")
        whole = _ON_DATA[family, hash_]
        param = _PSS[hash_] if family == "rsa-pss" else None
        mechanism = _ON_DIGESTS.get(family)
        if mechanism not in self._offers:
            mechanism = whole
        if mechanism not in self._offers:
            told = f"the token does not offer {whole.name}, which {family} needs"
            raise TokenError(Trouble.KEY, told, "keep this key in a file, or use another token")
        if mechanism is not whole:
            digest = hashlib.new(hash_, data).digest()
            data = _DIGEST_INFO[hash_] + digest if family == "rsa-pkcs1" else digest
        return bytes(key.sign(data, mechanism=mechanism, mechanism_param=param))

    def labels(self) -> list[str]:
        """The labels of all private keys."""
        found = self._session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        return sorted({str(key.label) for key in found})

    def _key(self, label: str) -> Any:
        if label not in self._keys:
            key = self._one(ObjectClass.PRIVATE_KEY, label)
            if key is None:
                there = ", ".join(self.labels()) or "none"
                raise TokenError(Trouble.KEY, f"the token holds no private key {label!r}", f"keys there: {there}")
            self._keys[label] = key
        return self._keys[label]

    def _one(self, kind: ObjectClass, label: str) -> Any:
        found = list(self._session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
        if len(found) > 1:
            told = f"{len(found)} objects of the token are called {label!r} ({kind.name.lower().replace('_', ' ')})"
            raise TokenError(Trouble.KEY, told, "give each key a label of its own")
        return found[0] if found else None


def _the_token(library: Any, label: str) -> Any:
    there = [slot.get_token() for slot in library.get_slots(token_present=True)]
    found = [token for token in there if token.label == label]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(token.label for token in there if token.label)) or "none"
    told = f"there is no token {label!r}" if not found else f"there are {len(found)} tokens {label!r}"
    raise TokenError(Trouble.TOKEN, told, f"is it plugged in? tokens there: {names}")


def read_pin(path: Path) -> str:
    """The PIN: the file's first line. Who else could read the file could sign, so its mode must be 0600 or stricter."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        told = f"the PIN file {path}: {(error.strerror or str(error)).lower()}"
        raise TokenError(Trouble.PIN_FILE, told, "one line with the PIN, mode 0600") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise TokenError(Trouble.PIN_FILE, f"the PIN file {path} is no file", "one line with the PIN, mode 0600")
        if status.st_mode & 0o077:
            told = f"the PIN file {path} is open to other users (mode {status.st_mode & 0o777:04o})"
            raise TokenError(Trouble.PIN_FILE, told, f"chmod 600 {path}")
        line = file.readline(1024).rstrip(b"\r\n")
    try:
        pin = line.decode()
    except UnicodeDecodeError:
        pin = ""
    if not pin:
        raise TokenError(Trouble.PIN_FILE, f"the PIN file {path} holds no PIN", "one line with the PIN, in UTF-8")
    return pin


def explained(error: Exception) -> TokenError:
    """The module's error in our words."""
    if isinstance(error, TokenError):
        return error
    for kinds, trouble, told, remedy in _TROUBLES:
        if isinstance(error, kinds):
            return TokenError(trouble, told, remedy)
    name = type(error).__name__
    if isinstance(error, pkcs11.UserNotLoggedIn):
        remedy = "a key that wants its PIN for every signature (CKA_ALWAYS_AUTHENTICATE) cannot be used by a daemon"
        return TokenError(Trouble.DEVICE, "the token has logged us out", remedy)
    detail = str(error) if isinstance(error, pkcs11.PKCS11Error) else ""
    return TokenError(Trouble.DEVICE, f"the token failed: {name}{f' ({detail})' if detail else ''}")


def answer(vault: Vault, head: Mapping[str, Any], octets: bytes) -> tuple[dict[str, Any], bytes]:
    """Do what one request asks."""
    match head:
        case {"op": "sign", "key": str(label), "family": str(family), "hash": str(hash_)}:
            return {}, vault.sign(label, family, hash_, octets)
        case {"op": "describe", "key": str(label)}:
            return vault.describe(label), b""
        case {"op": "certificate", "key": str(label)}:
            return {}, vault.certificate(label)
        case {"op": "labels"}:
            return {"labels": vault.labels()}, b""
        case _:
            raise TokenError(Trouble.DEVICE, "the node asks for what this process does not know")


def serve(channel: socket.socket) -> int:
    """Open the token that the first frame names, then answer until the other side hangs up. The exit code."""
    vault: Vault | None = None
    while True:
        try:
            head, octets = receive(channel)
        except (Gone, ValueError):
            return 0
        number = head.get("number")
        try:
            if vault is None:
                vault = Vault(str(head["module"]), str(head["token"]), str(head["pin_file"]))
                reply, result = dict[str, Any](), b""
            else:
                reply, result = answer(vault, head, octets)
        except Exception as error:  # noqa: BLE001 - the boundary to the module: every failure is told to the node
            fault = explained(error)
            reply = {"trouble": fault.trouble.value, "told": fault.told, "remedy": fault.remedy}
            try:
                send(channel, {"number": number, **reply})
            except Gone:
                return 0
            if vault is None or fault.trouble in PASSING:
                return 1  # in what state the module is, nobody knows: the next process begins afresh
            continue
        try:
            send(channel, {"number": number, **reply}, result)
        except Gone:
            return 0


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the PIN
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as channel:
        return serve(channel)


if __name__ == "__main__":
    # Some modules do not survive the interpreter's tidying up; there is nothing to tidy.
    code = main()
    sys.stderr.flush()
    os._exit(code)
