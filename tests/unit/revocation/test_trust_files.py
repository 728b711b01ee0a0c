"""Files of trust as they are while somebody writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from axis.trust import read_trust
from tests.pki import issue, pki, revocation_list

LIST = revocation_list(pki().good)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 100, -1])
def test_a_list_that_is_cut_off_is_told(size: int, tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    file.write_bytes(LIST[:size])
    with pytest.raises(ValueError, match=r"ca\.crl: (cut off|neither DER nor PEM)"):
        read_trust((), (), (file,))


def test_a_whole_list_is_read_whatever_follows_it(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    for octets in (LIST, LIST + b"\n"):
        file.write_bytes(octets)
        assert read_trust((), (), (file,)).crls == (octets,)


def test_certificates_of_every_length_are_whole(tmp_path: Path) -> None:
    """The length takes one octet, two or three."""
    for octets in (b"\x30\x05" + bytes(5), b"\x30\x81\x80" + bytes(128), issue("CA", ca=True).der):
        file = tmp_path / "ca.der"
        file.write_bytes(octets)
        assert read_trust((file,), (), ()).anchors == (octets,)
        file.write_bytes(octets[:-1])
        with pytest.raises(ValueError, match="cut off"):
            read_trust((file,), (), ())
