"""A node whose PDF signers stand under a root of their own: their revocation can be unknown while packages go on."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from axis.devpki import DevPki, Identity
from tests.pki import Holder
from tests.site import HOME_AFFAIRS, OFFICE, Site, until
from tests.unit.pdf.forge import PERSON_BOX, STAMP_BOX, plain, sign


class SignersSite(Site):
    """`person` and `organisation` sign PDFs; their lists are `signers.crls`."""

    def configure(self) -> None:
        if not hasattr(self, "signers_pki"):
            self.signers_pki = DevPki.create(self.folder / "signers", datetime.now(UTC), "signers")
            self.person = self.signers_pki.signer("nguoi-ky")
            self.organisation = self.signers_pki.signer("co-quan")
        super().configure()
        text = self.config.read_text()
        for name in ("root", "issuing", "crls"):
            ours, theirs = getattr(self.pki, name), getattr(self.signers_pki, name)
            text = text.replace(f'["{ours}"]', f'["{ours}", "{theirs}"]')
        self.config.write_text(text)

    def signed(self, *, filling: int = 0) -> bytes:
        """A PDF that the person signed, and then the organisation."""
        first = by(plain(filling=filling), self.person, "Nguoi", PERSON_BOX)
        return by(first, self.organisation, "CoQuan", STAMP_BOX)

    def document(self, *attachments: bytes) -> str:
        """Send a document with these attachments, which is accepted at once."""
        receipt = self.take(self.package(OFFICE, [HOME_AFFAIRS], attachments), OFFICE)
        assert receipt["state"] == "accepted"
        return str(receipt["document"])

    def attached(self, document: str) -> list[Any]:
        """What a party sees of the signatures in each attachment, when all of them were judged."""

        def judged() -> list[Any] | None:
            found = [one["signatures"] for one in self.facts(document, OFFICE)["attachments"]]
            return found if all(one is None or "judged_at" in one for one in found) else None

        return until("the attachments judged", judged, 120)

    def take_lists_away(self) -> None:
        before = self.said("trust_reloaded")
        for path in self.signers_pki.crls.glob("*.crl"):
            path.unlink()
        until("the trust files read again", lambda: self.said("trust_reloaded") > before)

    def publish(self) -> None:
        before = self.said("trust_reloaded")
        DevPki(self.signers_pki.folder, datetime.now(UTC)).write_crl()
        until("the trust files read again", lambda: self.said("trust_reloaded") > before)

    def metrics(self) -> Mapping[str, float]:
        """How many documents there are by the outcome of what is attached."""
        import urllib.request

        with urllib.request.urlopen(f"{self.pages}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = (line.removeprefix('axis_attached_pdfs{outcome="').split('"} ') for line in lines)
        return {one[0]: float(one[1]) for one in found if len(one) == 2}


def holder(identity: Identity) -> Holder:
    key: Any = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    return Holder(key, x509.load_pem_x509_certificate(identity.certificate.read_bytes()))


def by(octets: bytes, identity: Identity, name: str, box: tuple[int, int, int, int] | None = None) -> bytes:
    """Signed now, in a revision of its own."""
    return sign(octets, holder(identity), name, box=box, claimed_at=datetime.now(UTC).replace(microsecond=0))


def changed(octets: bytes) -> bytes:
    """The same file with another amount of money in it, where the signature covers it."""
    text = b"1.000.000"
    assert octets.count(text) == 1
    return octets.replace(text, b"9.000.000")


def packed(**entries: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in entries.items():
            archive.writestr(name.replace("__", "/").replace("_pdf", ".pdf"), octets)
    return made.getvalue()


def bomb(mark: bytes = b"") -> bytes:
    """58 KB that take the judge some four seconds of processor time (ADR 0013). `mark` makes it another file."""
    swelling = zlib.compress(b" " * 60_000_000, 9)
    head = b"%PDF-1.7\n%" + mark + b"\n"
    packed = b"3 0 obj\n<< /Length %d /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode >>\nstream\n" % len(swelling)
    body = packed + swelling + b"\nendstream\nendobj\n"
    start = len(head) + len(body)
    entries = b"\0\0\0\0\0" + b"\2\0\0\3\0" + b"\0\0\0\0\0" + b"\1" + len(head).to_bytes(3, "big") + b"\0"
    entries += b"\1" + start.to_bytes(3, "big") + b"\0"
    table = b"4 0 obj\n<< /Length %d /Type /XRef /Size 5 /Root 1 0 R /W [1 3 1] /Index [0 5] >>\nstream\n" % len(
        entries
    )
    return head + body + table + entries + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start


def log_of(site: Site, document: str) -> list[Any]:
    """The facts of every entry about the attachments of a document."""
    import json

    leaves = site.rows("SELECT leaf FROM log_intent WHERE kind = 'attachments' ORDER BY id")
    entries = [json.loads(leaf) for (leaf,) in leaves]
    return [entry["facts"] for entry in entries if entry["subject"] == document]
