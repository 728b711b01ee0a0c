"""pyas2lib takes signed messages. A program of its own: nothing of the axis is imported here, nor this by the axis.

Each line on the standard input is a size and how often; the answer is the processor time of one message in seconds:
parse it, verify its signature, make the signed MDN.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# oscrypto 1.3.0 cannot read the version of an OpenSSL whose third number has two digits; pyas2lib would not load.
_search = re.search


def _with_two_digits(pattern: Any, *more: Any) -> Any:
    if isinstance(pattern, str):
        pattern = pattern.replace(r"\d\.\d\.\d[a-z]*", r"\d+\.\d+\.\d+[a-z]*")
    return _search(pattern, *more)


re.search = _with_two_digits
try:
    from pyas2lib import as2
finally:
    re.search = _search


def identity(name: str) -> tuple[bytes, bytes]:
    """A key with its certificate, and the certificate alone, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    held = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    return held + made.public_bytes(pem), made.public_bytes(pem)


(OURS, OUR_CERTIFICATE), (THEIRS, THEIR_CERTIFICATE) = identity("we"), identity("they")


def receiver_of(size: int) -> Callable[[], object]:
    sender = as2.Organization(as2_name="they", sign_key=THEIRS, sign_key_pass="")
    we = as2.Organization(as2_name="we", sign_key=OURS, sign_key_pass="")
    towards = as2.Partner(
        as2_name="we",
        verify_cert=OUR_CERTIFICATE,
        validate_certs=False,
        sign=True,
        digest_alg="sha256",
        mdn_mode="SYNC",
        mdn_digest_alg="sha256",
    )
    of_them = as2.Partner(as2_name="they", verify_cert=THEIR_CERTIFICATE, validate_certs=False, digest_alg="sha256")
    message = as2.Message(sender=sender, receiver=towards)
    message.build(bytes(size), subject="bench", content_type="application/xml")
    octets = message.headers_str + b"\r\n" + message.content

    def receive() -> Any:
        status, error, mdn = as2.Message().parse(octets, lambda name: we, lambda name: of_them, lambda *name: False)
        assert status == "processed", error
        assert b"multipart/signed" in mdn.headers_str, "the MDN is not signed"
        return mdn

    return receive


def main() -> None:
    known: dict[int, Callable[[], object]] = {}
    while line := sys.stdin.readline():
        size, times = map(int, line.split())
        receive = known.setdefault(size, receiver_of(size)) if size not in known else known[size]
        begun = time.process_time()
        for _ in range(times):
            receive()
        sys.stdout.write(f"{(time.process_time() - begun) / times}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
