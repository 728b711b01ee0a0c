"""Makes `tests/vectors/differential`: keys, certificates, lists and six signed packages that never change.

Run once, by `python -m tests.differential.make_vectors`. What is made of them by a seed is then the same everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from schemas.structure import signature_place, signed_parts
from schemas.write import serialise, write_document
from signing.algorithm import ECDSA_SHA256, PSS_SHA256, RSA_SHA256
from signing.sign import sign_enveloped, sign_parts
from tests.pki import NOW, WIDE, issue, key_pem, pem, revocation_list, rsa_key
from tests.samples import PDF, sample_envelope

FOLDER = Path(__file__).parents[1] / "vectors" / "differential"


def main() -> None:
    root = issue("Gốc đối chiếu", ca=True)
    authority = issue("CA đối chiếu", root, ca=True, path_length=0)
    for name, holder in (("root", root), ("ca", authority)):
        (FOLDER / f"{name}.pem").write_bytes(pem(holder.certificate))
        (FOLDER / f"{name}.crl").write_bytes(revocation_list(holder, at=WIDE[0], until=WIDE[1]))
    leaves = {"rsa": issue("RSA", authority, key=rsa_key()), "p256": issue("P-256", authority)}
    for name, holder in leaves.items():
        (FOLDER / f"{name}.pem").write_bytes(pem(holder.certificate))
        (FOLDER / f"{name}.key").write_bytes(key_pem(holder.key))
    for kind, leaf, algorithm in (
        ("pkcs1", "rsa", RSA_SHA256),
        ("pss", "rsa", PSS_SHA256),
        ("p256", "p256", ECDSA_SHA256),
    ):
        signer = leaves[leaf].signer(algorithm)
        package = write_document(replace(sample_envelope()), [PDF])
        parts = signed_parts(package)
        elements = [part for part in (parts.header, parts.business, parts.manifest) if part is not None]
        sign_parts(signature_place(package), elements, [("a1", sha256(PDF).digest())], signer, NOW)
        (FOLDER / f"parts-{kind}.edxml").write_bytes(serialise(package))
        package = write_document(replace(sample_envelope()), [PDF])
        sign_enveloped(signature_place(package), signer, NOW)
        (FOLDER / f"whole-{kind}.edxml").write_bytes(serialise(package))


if __name__ == "__main__":
    main()
