"""Files of authorities are believed whole or not at all."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from axis.devpki import DevPki
from axis.tls import client_context, server_context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> DevPki:
    return DevPki.create(tmp_path_factory.mktemp("pki"), datetime.now(UTC))


def both(pki: DevPki) -> tuple[str, str]:
    return pki.tls_ca.read_text(), pki.root.read_text()


def test_two_authorities_with_text_around_them_are_believed(pki: DevPki, tmp_path: Path) -> None:
    first, second = both(pki)
    file = tmp_path / "ca.pem"
    file.write_text(f"# của trục quốc gia\n{first}\n  subject=CN - x\n----\n- x\n{second}\n----\n")
    assert len(client_context(file).get_ca_certs()) == 2
    server = pki.tls_server("truc")
    assert len(server_context(server.certificate, server.key, [file]).get_ca_certs()) == 2


def test_a_file_that_ends_inside_a_certificate_is_believed_nowhere(pki: DevPki, tmp_path: Path) -> None:
    """Cut at every place, also where OpenSSL takes what stands before and says nothing."""
    first, second = (text.strip() for text in both(pki))
    whole, file, server = f"{first}\n{second}", tmp_path / "ca.pem", pki.tls_server("truc-2")
    silent = 0
    for end in (
        *range(0, len(first), 97),
        *range(len(first) + 2, len(first) + 40),
        *range(len(whole) - 40, len(whole)),
    ):
        file.write_text(whole[:end])
        with pytest.raises(OSError, match="cut off"):
            client_context(file)
        with pytest.raises(OSError, match="cut off"):
            server_context(server.certificate, server.key, [file])
        silent += taken(file)
    assert silent, "OpenSSL would have told by itself"


def taken(file: Path) -> bool:
    try:
        ssl.create_default_context(cafile=str(file))
    except ssl.SSLError:
        return False
    return True
