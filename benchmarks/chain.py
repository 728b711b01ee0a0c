"""Four nodes in a row, each judging: how long a document takes to the top, and its status back down."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from axis.core.times import parse_rfc3339
from axis.demo.network import HOST
from benchmarks.load import Generator, request
from benchmarks.nodes import key_of, padded, posts, side
from benchmarks.pairs import Measure
from tests.site import OFFICE, Site, row, until

TOP = "000.00.71.H99"
RATE = 50.0
LEVELS = ("xa", "huyen", "tinh", "quoc-gia")


def chain(folder: Path) -> list[Site]:
    """From the commune up; `OFFICE` has its mailbox below, `TOP` above. Everybody knows everybody's certificates."""
    sites: list[Site] = []
    for level, name in enumerate(LEVELS):
        agencies = {0: {OFFICE: "van-phong"}, 3: {TOP: "bo"}}.get(level, {})
        sites.append(Site(folder / name, name=name, agencies=agencies, shared=sites[0].pki if sites else None))
    passports = {site.name: sites[0].pki.tls_client(f"{site.name}-ra") for site in sites}
    for level, site in enumerate(sites):
        for other in sites:
            if other is not site:
                site.registry += "".join(row(code, identity) for code, identity in other.signers.items())
        for there, prefix in ((level - 1, OFFICE), (level + 1, TOP)):
            if 0 <= there < len(sites):
                own, other = passports[site.name], sites[there]
                site.endpoints += (
                    f'[[endpoint]]\nname = "{other.name}"\nadapter = "node"\nagencies = ["*"]\n'
                    f'url = "https://{HOST}:{other.port}"\nca = "{site.pki.tls_ca}"\n'
                    f'certificate = "{own.certificate}"\nkey = "{own.key}"\n'
                    f'certificates = ["sha256:{passports[other.name].fingerprint}"]\n'
                    f'[[route]]\nprefix = "{prefix}"\nendpoint = "{other.name}"\n'
                )
        site.configure()
    return sites


def group(slice_s: float, pairs: int) -> Iterator[Measure]:
    count = max(60, round(RATE * slice_s * 4))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generator = stack.enter_context(Generator())
        sites = chain(folder)
        for site in sites:
            site.start(wait=False)
            stack.callback(lambda site=site: site.running and site.stop())
        for site in sites:
            site.wait_ready()
        low, top = sites[0], sites[-1]
        up, back = [], []
        for turn in range(max(1, min(pairs, 5 if slice_s >= 0.5 else 1)) + 1):
            there, down = _once(generator, low, top, count)
            if turn:  # the first one opens connections and judges certificates
                up.append(_p99(there))
                back.append(_p99(down))
        load = f"{RATE:.0f} documents a second, then as many statuses, four processes on this machine"
        yield _bound("four hops up, p99", up, 300.0, load)
        yield _bound("four hops back, p99", back, 400.0, load)


def _once(generator: Generator, low: Site, top: Site, count: int) -> tuple[list[float], list[float]]:
    """How long each document took up and each status down (s), by the clock of this machine: from when it was due to be
    sent to when the last node has stored it."""
    packages = [low.package(OFFICE, [TOP], [padded(10_000)]) for _ in range(count)]
    sent = side(low, posts(lambda wanted: packages, key_of(low, OFFICE)))
    begun: list[datetime] = []
    generator.run(sent.door, sent.requests(count), every=1 / RATE, between=lambda: begun.append(datetime.now(UTC)))
    known = [f"{OFFICE},2026/11/23,{low.made - count + 1 + place}/TN" for place in range(count)]
    sql = "SELECT document_id, accepted_at, ref FROM document WHERE seq > (SELECT max(seq) FROM document) - ?"
    arrived = until("all above", lambda: _all(top, sql, count, known), 60)
    times = [_since(arrived[name][0], begun[0], place) for place, name in enumerate(known)]
    at = datetime.now(UTC).replace(microsecond=0).isoformat()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key_of(top, TOP)}"}
    told = [
        request("POST", f"/v1/documents/{arrived[name][1]}/statuses", orjson.dumps({"code": "03", "at": at}), headers)
        for name in known
    ]
    begun.clear()
    door = side(top, lambda wanted: []).door
    answers = generator.run(door, told, every=1 / RATE, between=lambda: begun.append(datetime.now(UTC)))
    assert set(answers.statuses) == {202}, set(answers.statuses)
    sql = "SELECT document_id, received_at, ref FROM status_report WHERE wire = '03' ORDER BY seq DESC LIMIT ?"
    back = until("all statuses below", lambda: _all(low, sql, count, known), 60)
    return times, [_since(back[name][0], begun[0], place) for place, name in enumerate(known)]


def _all(site: Site, sql: str, count: int, known: list[str]) -> dict[str, tuple[str, str]] | None:
    found = {name: (at, ref) for name, at, ref in site.rows(sql, count)}
    if set(known) <= set(found):
        return found
    time.sleep(0.2)
    return None


def _since(at: str, begun: datetime, place: int) -> float:
    return (parse_rfc3339(at) - begun - timedelta(seconds=place / RATE)).total_seconds()


def _p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100] * 1e3


def _bound(name: str, values: list[float], bound: float, notes: str) -> Measure:
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    ends = (ordered[0] / bound, ordered[-1] / bound)
    return Measure(name, middle / bound, 1.0, False, middle, bound, len(ordered), "ms", ends, notes)
