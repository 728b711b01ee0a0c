"""Project Wycheproof through the one function that checks a signature value."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signing import algorithm as names
from signing.algorithm import SIGNATURES, SignatureAlgorithm, key_fits, value_is_good
from signing.policy import OWN_NETWORK
from tests.conformance.record import VECTORS, Record, settle

FOLDER: Final = VECTORS / "wycheproof"

FILES: Final = {
    "rsa_signature_2048_sha256_test.json": names.RSA_SHA256,
    "rsa_signature_2048_sha512_test.json": names.RSA_SHA512,
    "rsa_signature_3072_sha256_test.json": names.RSA_SHA256,
    "rsa_signature_3072_sha384_test.json": names.RSA_SHA384,
    "rsa_signature_4096_sha512_test.json": names.RSA_SHA512,
    "rsa_pss_2048_sha256_mgf1_32_test.json": names.PSS_SHA256,
    "rsa_pss_2048_sha384_mgf1_48_test.json": names.PSS_SHA384,
    "rsa_pss_3072_sha256_mgf1_32_test.json": names.PSS_SHA256,
    "ecdsa_secp256r1_sha256_p1363_test.json": names.ECDSA_SHA256,
    "ecdsa_secp384r1_sha384_p1363_test.json": names.ECDSA_SHA384,
    "ed25519_test.json": names.ED25519,
}


@dataclass(frozen=True)
class Valid:
    name: str
    key: PublicKeyTypes
    algorithm: SignatureAlgorithm
    value: bytes
    message: bytes


@cache
def run() -> tuple[Record, list[Valid]]:
    right, wrong, accepted, acceptable = 0, list[str](), list[str](), list[str]()
    refused, rows, valid = Counter[str](), list[tuple[object, ...]](), list[Valid]()
    for file, name in FILES.items():
        data, algorithm = json.loads((FOLDER / file).read_text()), SIGNATURES[name]
        counts = Counter[str]()
        for group in data["testGroups"]:
            key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
            weakness = OWN_NETWORK.weakness(key)
            for case in group["tests"]:
                title = f"{file} {case['tcId']}: {case['comment'] or ', '.join(case['flags'])}"
                value, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
                good = key_fits(algorithm, key) and value_is_good(algorithm, key, value, message)
                counts[case["result"]] += 1
                if case["result"] == "acceptable":
                    right += 1
                    acceptable.append(f"{title}: {'accepted' if good else 'refused'}")
                elif case["result"] == "valid" and good and weakness is not None:
                    refused[f"the key: {weakness}"] += 1
                elif good == (case["result"] == "valid"):
                    right += 1
                else:
                    wrong.append(title)
                    accepted += [title] if good else []
                if case["result"] == "valid":
                    valid.append(Valid(title, key, algorithm, value, message))
        total = sum(counts.values())
        assert total == data["numberOfTests"], file
        rows.append((f"`{file}`", name.rpartition("#")[2], total, counts["valid"], counts["invalid"]))
    record = Record(
        name="Wycheproof",
        source="Project Wycheproof, `tests/vectors/wycheproof/SOURCE.txt`.",
        method="""
Every case goes through `value_is_good` of `signing/algorithm.py`, the function that checks the value of a package's
signature: RSA with PKCS#1 v1.5 and PSS, ECDSA as r and s, Ed25519. "Acceptable" cases count as right and are listed.
""",
        total=sum(int(str(row[2])) for row in rows),
        right=right,
        refused=refused,
        wrong=wrong,
        accepted=accepted,
        tables=[("Files", ("file", "algorithm", "cases", "valid", "invalid"), rows)],
        notes=[f"Acceptable: {item}" for item in acceptable],
    )
    return record, valid


def test_the_page() -> None:
    settle(run()[0])


def test_no_file_is_left_out() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(FILES)


def test_nothing_is_wrong() -> None:
    assert (run()[0].wrong, run()[0].total) == ([], 2345)


@pytest.mark.parametrize("change", ["longer", "shorter", "leading zero", "zero in the middle"])
def test_a_valid_value_in_any_other_form_is_no_value(change: str) -> None:
    """Wycheproof changes the length of some values; here of all of them."""
    for case in run()[1]:
        changed = {
            "longer": case.value + b"\0",
            "shorter": case.value[:-1],
            "leading zero": b"\0" + case.value,
            "zero in the middle": case.value[: len(case.value) // 2] + b"\0" + case.value[len(case.value) // 2 :],
        }[change]
        assert not value_is_good(case.algorithm, case.key, changed, case.message), case.name
