"""One token for all tests that only sign with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from axis.hsm.process import TokenProcess
from tests.unit.hsm.soft import SoftToken, soft_token

OBJECTS = ("secp256r1=p256", "secp384r1=p384", "rsa=rsa", "ed25519=ed", "secp256r1=twice", "secp256r1=twice")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return soft_token(tmp_path_factory.mktemp("hsm") / "token", OBJECTS)


@pytest.fixture
def token(made: SoftToken, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """The shared token, which the processes of this test find."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.conf))
    return made


@pytest.fixture
def process(token: SoftToken) -> Iterator[TokenProcess]:
    with TokenProcess(token.settings) as opened:
        yield opened
