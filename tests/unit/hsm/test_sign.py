"""Keys in a real token (SoftHSM): packages that others verify, Ed25519 for receipts and notes, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from axis.hsm.process import TokenProcess
from axis.hsm.signer import HsmSigner, TokenEd25519, TokenKey
from axis.hsm.wire import TokenError, Trouble
from signing import algorithm as names
from signing.keys import raw_public, sign_bytes, verify_bytes
from signing.note import Note, NoteSigner, open_note, sign_note
from signing.sign import Signer
from tests.pki import pki
from tests.unit.hsm.soft import SoftToken, certified, signer, soft_token
from tests.unit.signing.forge import by_parts, enveloped
from tests.unit.signing.test_interop import check_with_xmlsec1

SIGNED = [
    ("p256", names.ECDSA_SHA256),
    ("p384", names.ECDSA_SHA384),
    ("rsa", names.RSA_SHA256),
    ("rsa", names.RSA_SHA384),
    ("rsa", names.RSA_SHA512),
    ("rsa", names.PSS_SHA256),
    ("rsa", names.PSS_SHA384),
    ("rsa", names.PSS_SHA512),
    ("ed", names.ED25519),
]
ORACLE_KNOWS = {names.ECDSA_SHA256, names.ECDSA_SHA384, names.RSA_SHA256, names.RSA_SHA384, names.RSA_SHA512}


@pytest.fixture(scope="module")
def process(made: SoftToken) -> Iterator[TokenProcess]:
    """One process for them all: they only sign with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(made.conf))
        with TokenProcess(made.settings) as opened:
            yield opened


@pytest.mark.parametrize(("label", "algorithm"), SIGNED)
def test_a_package_signed_by_the_token_is_good(
    label: str, algorithm: str, process: TokenProcess, tmp_path: Path
) -> None:
    made: Signer = signer(process, label, algorithm)
    for package in (by_parts(made), enveloped(made)):  # type: ignore[arg-type]
        verdict = package.judge().verdict
        assert verdict.passed, verdict.checks[-1]
        assert verdict.signature_algorithm == algorithm
        if algorithm in ORACLE_KNOWS:
            assert check_with_xmlsec1(package, tmp_path)
            package.header[0].text = "changed"
            assert not check_with_xmlsec1(package, tmp_path), "the oracle accepts anything"


def test_the_algorithm_follows_from_the_key(process: TokenProcess) -> None:
    chosen = {label: signer(process, label).algorithm for label in ("p256", "p384", "rsa", "ed")}
    assert chosen == {
        "p256": names.ECDSA_SHA256,
        "p384": names.ECDSA_SHA384,
        "rsa": names.PSS_SHA256,
        "ed": names.ED25519,
    }


WHOLE = "-CKM_RSA_PKCS,CKM_RSA_PKCS_PSS"


@pytest.mark.parametrize("algorithm", [names.RSA_SHA256, names.PSS_SHA256, names.PSS_SHA512])
def test_a_token_that_only_hashes_by_itself_signs_too(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some devices in FIPS mode offer no signature over a digest that was made outside."""
    token = soft_token(tmp_path / "token", ["rsa=rsa"], mechanisms=WHOLE)
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    with TokenProcess(token.settings) as process:
        assert by_parts(signer(process, "rsa", algorithm)).judge().verdict.passed  # type: ignore[arg-type]


def test_a_token_without_edwards_signatures_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = soft_token(tmp_path / "token", ["ed25519=ed"])
    token.conf.write_text(token.conf.read_text().replace("= ALL", "= CKM_ECDSA,CKM_RSA_PKCS"))
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    with TokenProcess(token.settings) as process, pytest.raises(TokenError, match="does not offer EDDSA") as told:
        TokenEd25519.of(TokenKey.find(process, "ed"))
    assert told.value.trouble is Trouble.KEY
    assert "keep this key in a file" in told.value.remedy


def test_the_certificate_may_lie_in_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it also tells the public key, where the token holds none."""
    token = soft_token(tmp_path / "token", ["secp256r1=p256", "secp256r1=bare"])
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.conf))
    with TokenProcess(token.settings) as process:
        with pytest.raises(TokenError, match="no certificate 'p256'"):
            HsmSigner.of(process, "p256")
        (tmp_path / "cert.der").write_bytes(certified(process, "p256").der)
    token.put(f"cert=p256={tmp_path / 'cert.der'}", "forget-public=p256", "forget-public=bare")
    with TokenProcess(token.settings) as process:
        made = HsmSigner.of(process, "p256")
        assert made.certificate == (tmp_path / "cert.der").read_bytes()
        assert by_parts(made).judge().verdict.passed  # type: ignore[arg-type]
        with pytest.raises(TokenError, match="does not tell the public key of 'bare'"):
            TokenKey.find(process, "bare")


def test_key_certificate_and_algorithm_belong_together(process: TokenProcess) -> None:
    own = certified(process, "p256").der
    with pytest.raises(ValueError, match="of another key"):
        HsmSigner.of(process, "p256", pki().good.der)
    with pytest.raises(ValueError, match="cannot sign with"):
        HsmSigner.of(process, "p256", own, names.PSS_SHA256)
    with pytest.raises(ValueError, match="cannot sign with"):
        HsmSigner.of(process, "p256", own, "urn:unknown")


def test_an_edwards_key_is_a_key_of_cryptography(process: TokenProcess) -> None:
    key = TokenEd25519.of(TokenKey.find(process, "ed"))
    value = sign_bytes(key, b"receipt")
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert verify_bytes(raw_public(key), b"receipt", value)
    assert sign_bytes(key, b"receipt") == value, "a receipt is the same octets for ever"
    assert copy.copy(key) is copy.deepcopy(key) is key
    assert repr(key) == "TokenEd25519()"
    with pytest.raises(ValueError, match="does not leave"):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="does not leave"):
        key.private_bytes_raw()


def test_a_note_is_signed_by_the_token(process: TokenProcess) -> None:
    notary = NoteSigner("truc-thu", TokenEd25519.of(TokenKey.find(process, "ed")))
    opened = open_note(sign_note("truc-thu\n0\n", notary), [notary.verifier])
    assert isinstance(opened, Note)
    with pytest.raises(ValueError, match="does not leave"):
        notary.secret()


def test_receipts_and_the_log_need_an_edwards_key(process: TokenProcess) -> None:
    with pytest.raises(TokenError, match="is not Ed25519"):
        TokenEd25519.of(TokenKey.find(process, "p256"))


def test_an_edwards_key_must_be_deterministic(process: TokenProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Played by two keys that take turns: no token at hand mixes chance in."""
    key, values = TokenKey.find(process, "ed"), iter((b"", b"a", b"b"))
    monkeypatch.setattr(TokenKey, "sign", lambda self, algorithm, data: next(values))
    with pytest.raises(TokenError, match="differently"):
        TokenEd25519.of(key)


def test_a_value_that_does_not_verify_never_leaves(process: TokenProcess) -> None:
    """A device that errs, or a key that was replaced under its label."""
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    key = TokenKey(process, "ed", other)
    with pytest.raises(TokenError, match="does not verify with its public key"):
        key.sign(names.ED25519, b"receipt")


def test_a_label_must_name_one_key(process: TokenProcess) -> None:
    with pytest.raises(TokenError, match="holds no private key 'nix'") as told:
        TokenKey.find(process, "nix")
    assert told.value.trouble is Trouble.KEY
    assert told.value.remedy == "keys there: ed, p256, p384, rsa, twice"
    with pytest.raises(TokenError, match="2 objects of the token are called 'twice'"):
        TokenKey.find(process, "twice")
    assert process.starts == 1, "to be told so costs no process"


def test_a_key_only_signs_in_its_own_family(process: TokenProcess) -> None:
    with pytest.raises(TokenError, match="does not sign with rsa-pss"):
        process.ask({"op": "sign", "key": "p256", "family": "rsa-pss", "hash": "sha256"}, b"x")
