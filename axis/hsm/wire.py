"""What passes between a node and the process that owns its token: frames, and the words for what goes wrong.

A frame is a length of four octets (big-endian), then one line of JSON, then raw octets. Requests are answered in order,
one at a time; each answer repeats the number of its request. The PIN never travels here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

Head = Mapping[str, Any]

LARGEST: Final = 1 << 20
"""Octets of a frame at most. What is signed is a SignedInfo, a receipt or a checkpoint: some kilobytes."""


class Trouble(StrEnum):
    """Why a token does not sign. Two questions decide a word: who must act, and does a fresh process help."""

    MODULE = "module"
    """The PKCS#11 module cannot be loaded."""
    PIN_FILE = "pin-file"
    """The PIN file cannot be read, is empty, or others can read it."""
    PIN = "pin"
    """The token does not take the PIN. Never tried again by itself: the next wrong one may lock the token."""
    TOKEN = "token"
    """No such token, or it was taken out."""
    KEY = "key"
    """No such key, several of that name, or one that cannot do what is asked."""
    DEVICE = "device"
    """The token or its module failed, in a way that may pass."""
    TIMEOUT = "timeout"
    """It did not answer in time."""
    BUSY = "busy"
    """Too many wait already."""


PASSING: Final = frozenset({Trouble.TOKEN, Trouble.DEVICE})
"""What a fresh process may repair."""


class TokenError(Exception):
    """A token cannot be used. `trouble` says why, `remedy` what to do."""

    def __init__(self, trouble: Trouble, told: str, remedy: str = "") -> None:
        super().__init__(told)
        self.trouble = trouble
        self.told = told
        self.remedy = remedy


class Gone(Exception):
    """The other side has hung up."""


def send(channel: socket.socket, head: Head, octets: bytes = b"") -> None:
    """Send one frame. `Gone`; `TimeoutError` where the socket has a time-out."""
    line = json.dumps(head).encode() + b"\n"
    try:
        channel.sendall((len(line) + len(octets)).to_bytes(4, "big") + line + octets)
    except TimeoutError:
        raise
    except OSError as error:
        raise Gone(str(error)) from error


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read one frame. `Gone`, `ValueError` for what is no frame; `TimeoutError` where the socket has a time-out."""
    size = int.from_bytes(_exactly(channel, 4), "big")
    if size > LARGEST:
        raise ValueError(f"a frame of {size} octets")
    line, _, octets = _exactly(channel, size).partition(b"\n")
    head = json.loads(line)
    if not isinstance(head, dict):
        raise ValueError("not a frame")
    return head, octets


def _exactly(channel: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        try:
            part = channel.recv(size - len(octets))
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone(str(error)) from error
        if not part:
            raise Gone("end of stream")
        octets += part
    return bytes(octets)
