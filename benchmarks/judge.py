"""How long one verdict takes: octets in, the whole verdict out, the certificate's path in the cache.

Beside it in the same run: the bare steps (`floor/judge.py`), signxml, and libxmlsec through python-xmlsec where it is
installed (`make bench` does).
"""

from __future__ import annotations

import hashlib
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from axis.flow.usual import octets_in
from benchmarks.floor import judge as floor
from benchmarks.packages import KEYS, Package, package, signer
from benchmarks.pairs import Measure, Work, bounded, paired
from schemas.layout import layout_of
from schemas.limits import XmlLimits
from schemas.xml import gated
from signing.chain import CertificateCache, Trust, judge_certificate
from signing.policy import OWN_NETWORK
from signing.verify import Judgement, Octets, conclude, inspect_laid
from tests.costly import COSTLY, taken
from tests.pki import NOW, pki

LIMITS = XmlLimits()
CACHE = CertificateCache()
MEGABYTE = 1_000_000


def judge(raw: bytes, beside: Mapping[str, Octets] | None = None, trust: Trust | None = None) -> Judgement:
    """The whole verdict on a package; `beside` are attachments that travel beside the envelope."""
    trust = trust or pki().trust
    layout = layout_of(gated(raw, LIMITS), LIMITS)
    assert layout is not None, "our writer wrote it"
    octets = octets_in(layout) if beside is None else beside
    inspection = inspect_laid(layout, octets, beside is None, OWN_NETWORK, NOW, layout.cuts)
    assert inspection is not None, "our signer signed it"
    leaf = inspection.certificate
    assert leaf is not None, inspection.verdict
    known = CACHE.find(leaf, trust, OWN_NETWORK, NOW)
    if known is None:
        known = judge_certificate(leaf, trust, NOW, OWN_NETWORK)
        CACHE.keep(leaf, trust, OWN_NETWORK, NOW, known)
    judgement = conclude(inspection, known)
    assert judgement.verdict.passed, judgement.verdict.checks[-1]
    return judgement


def small(slice_s: float, pairs: int) -> Iterator[Measure]:
    for shape in ("parts", "enveloped"):
        for key in KEYS:
            one = package(shape, key)
            least = partial(floor.enveloped if shape == "enveloped" else floor.parts, one.octets, one.key)
            bare: Work = least if shape == "enveloped" else partial(least, 0)
            ours = partial(judge, one.octets)
            name = f"verdict, 5 KB, {shape}, {key}"
            notes = f"{len(one.octets)} octets; floor: parse, C14N, digests, one key operation, bare from Python"
            yield paired(name, ours, bare, target=0.7, slice_s=slice_s, pairs=pairs, notes=notes)
    for key in KEYS:
        one = package("enveloped", key)
        ours = partial(judge, one.octets)
        name = f"verdict, 5 KB, enveloped, {key}, beside"
        yield paired(f"{name} signxml", ours, signxml_of(one, key), target=3.0, slice_s=slice_s, pairs=pairs)
        xmlsec = xmlsec_of(one, key)
        if xmlsec is not None:
            yield paired(f"{name} libxmlsec", ours, xmlsec, target=None, slice_s=slice_s, pairs=pairs)


def large(slice_s: float, pairs: int) -> Iterator[Measure]:
    octets = hashlib.shake_256(b"an attachment").digest(10 * MEGABYTE)
    for shape, bare in (("enveloped", floor.large_enveloped), ("parts", partial(floor.large_parts, attachments=1))):
        one = package(shape, "rsa2048", [octets])
        yield paired(
            f"verdict, 10 MB inline, {shape}",
            partial(judge, one.octets),
            partial(bare, one.octets, one.key),
            target=1.3,
            as_rate=False,
            slice_s=slice_s,
            pairs=pairs,
        )
    yield from detached(octets)


@dataclass(frozen=True)
class File:
    """Octets that lie in a file, as an attachment does that came beside its envelope."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def digest(self, name: str) -> bytes:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, name).digest()


def detached(octets: bytes) -> Iterator[Measure]:
    """An attachment of 10 MB beside the envelope; memory is what a process of its own grows by while it judges."""
    one = without_content(package("parts", "rsa2048", [octets]))
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "0.pdf"
        held.write_bytes(octets)
        judge(one.octets, {"0.pdf": File(held)})
        times = []
        for _ in range(31):
            begun = time.perf_counter()
            judge(one.octets, {"0.pdf": File(held)})
            times.append((time.perf_counter() - begun) * 1e3)
        yield bounded("verdict, 10 MB beside the envelope, time", times, 8.0, "ms")
        small_one, trust = package("parts", "rsa2048"), pki().trust
        facts = (small_one.octets, one.octets, trust.anchors, trust.intermediates, trust.crls)
        (Path(folder) / "facts").write_bytes(pickle.dumps(facts))
        command = [sys.executable, "-m", "benchmarks.judge", folder]
        grown = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3)]
        yield bounded("verdict, 10 MB beside the envelope, memory", grown, 5.0, "MB")


def without_content(one: Package) -> Package:
    """The package as its envelope travels: attachments named, their content beside it. No signature covers that."""
    begin = one.octets.index(b"<AttachmentEncoded")
    end = one.octets.index(b"</AttachmentEncoded>") + len(b"</AttachmentEncoded>")
    return Package(one.octets[:begin] + one.octets[end:], one.key, one.attachments)


def hostile(pairs: int) -> Iterator[Measure]:
    """The costliest of packages that are as large as may be in one respect, before anybody asks for its certificate."""
    times = {name: min(taken(raw)[1] * 1e3 for _ in range(pairs)) for name, raw in _made(COSTLY)}
    worst = max(times, key=lambda name: times[name])
    told = ", ".join(f"{name} {ms:.0f} ms" for name, ms in sorted(times.items(), key=lambda one: -one[1]))
    raw = COSTLY[worst]()
    yield bounded("the costliest hostile package", [taken(raw)[1] * 1e3 for _ in range(pairs)], 100.0, "ms", told)


def _made(packages: Mapping[str, Callable[[], bytes]]) -> Iterator[tuple[str, bytes]]:
    for name, make in packages.items():
        yield name, make()


def certificates(pairs: int) -> Iterator[Measure]:
    """A certificate that is not in the cache, its list parsed before; and what a list of 100,000 entries costs."""
    leaf, trust = pki().good.der, pki().trust
    judge_certificate(leaf, trust, NOW, OWN_NETWORK)
    yield bounded("a certificate that is not in the cache", _times(leaf, trust, 10 * pairs), 4.0, "ms")
    fresh = Trust(trust.anchors, trust.intermediates, (*trust.crls, long_list()))
    (first,) = _times(leaf, fresh, 1)
    later = _times(leaf, fresh, 10 * pairs)
    notes = f"the first one under it took {first:.0f} ms: parsed, checked and indexed once"
    yield bounded("the same under a list of 100,000 entries, after the first", later, 4.0, "ms", notes)


def _times(leaf: bytes, trust: Trust, count: int) -> list[float]:
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        assert judge_certificate(leaf, trust, NOW, OWN_NETWORK).sub_indication is None
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def long_list() -> bytes:
    """A revocation list of the same authority, newer, with 100,000 others on it."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(pki().authority.certificate.subject)
        .last_update(NOW - timedelta(minutes=1))
        .next_update(NOW + timedelta(days=1))
        .add_extension(x509.CRLNumber(99), critical=False)
    )
    revoked = x509.RevokedCertificateBuilder().revocation_date(NOW - timedelta(days=9))
    for serial in range(1 << 64, (1 << 64) + 100_000):
        builder = builder.add_revoked_certificate(revoked.serial_number(serial).build())
    return builder.sign(pki().authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def signxml_of(one: Package, key: str) -> Work:
    from signxml import SignatureConfiguration, XMLVerifier

    both = SignatureConfiguration(expect_references=2)
    pem = x509.load_der_x509_certificate(signer(key).certificate).public_bytes(Encoding.PEM).decode()
    return lambda: XMLVerifier().verify(one.octets, x509_cert=pem, expect_config=both)


def xmlsec_of(one: Package, key: str) -> Work | None:
    try:
        import xmlsec
    except ImportError:
        return None
    from lxml import etree

    held = xmlsec.Key.from_memory(signer(key).certificate, xmlsec.constants.KeyDataFormatCertDer, None)

    def work() -> None:
        root = etree.fromstring(one.octets)
        node = xmlsec.tree.find_node(root, "Signature")
        xmlsec.tree.add_ids(root, ["Id"])
        context = xmlsec.SignatureContext()
        context.key = held
        context.verify(node)

    work()
    return work


def grown_by(folder: Path) -> float:
    """By how many MB this process grows while it judges what lies in `folder`, after it has judged a small one."""
    first, raw, *believed = pickle.loads((folder / "facts").read_bytes())
    trust = Trust(*believed)
    judge(first, trust=trust)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    judge(raw, {"0.pdf": File(folder / "0.pdf")}, trust)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


if __name__ == "__main__":
    sys.stdout.write(f"{grown_by(Path(sys.argv[1]))}\n")
