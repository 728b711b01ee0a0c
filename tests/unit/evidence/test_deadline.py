"""A judge who was stopped by a deadline: that is recorded, told as such, and everything else is judged again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from axis.cli import main
from axis.evidence.bundle import Bundle, read_bundle
from axis.evidence.recompute import recompute
from axis.flow.pathworker import PathWorker
from signing.chain import Trust
from signing.deadline import DEADLINE, stopped_by
from signing.verdict import Indication, Reason, SubIndication, Verdict
from tests.pki import Holder, pki
from tests.unit.evidence.test_others import countersigned
from tests.unit.evidence.test_recompute import among
from tests.unit.evidence.world import Desk, bundle_of, package
from tests.unit.revocation.test_worker import pathological

pytestmark = pytest.mark.faults


def trust() -> Trust:
    mine, slow = among(pki().trust), pathological()[1]
    return Trust((*mine.anchors, *slow.anchors), (*mine.intermediates, *slow.intermediates), (*mine.crls, *slow.crls))


@pytest.fixture(scope="module")
def paths() -> Iterator[PathWorker]:
    made = PathWorker(cpu_s=0.5)
    yield made
    made.close()


def bundled(octets: bytes, paths: PathWorker, *holders: Holder) -> bytes:
    desk = Desk(trust(), *holders)
    desk.ctx.paths = paths
    return bundle_of(octets, asyncio.run(desk.judged(octets)))


@pytest.fixture(scope="module")
def of_the_signer(paths: PathWorker) -> bytes:
    return bundled(package(pathological()[0]), paths, pathological()[0])


@pytest.fixture(scope="module")
def of_a_countersigner(paths: PathWorker) -> bytes:
    return bundled(package(pki().good, bend=countersigned(pathological()[0])), paths, pki().good)


def stopped(verdict: Verdict) -> bool:
    return verdict.sub_indication is SubIndication.POLICY_PROCESSING_ERROR and stopped_by(verdict) is not None


def test_the_same_is_said_again_on_any_machine(of_the_signer: bytes) -> None:
    bundle = read_bundle(of_the_signer)
    assert stopped(bundle.verdict)
    assert "0.5 s" in (stopped_by(bundle.verdict) or "")
    found = recompute(bundle)
    assert (found.differences, found.recorded) == ((), ("Signature[1]",))
    assert found.verdict == bundle.verdict


def test_a_countersigner_s_deadline_leaves_the_signer_s_verdict_to_be_taken_again(of_a_countersigner: bytes) -> None:
    bundle = read_bundle(of_a_countersigner)
    assert (bundle.verdict.reason, [stopped(one) for one in bundle.verdict.others]) == (Reason.GOOD, [True])
    found = recompute(bundle)
    assert (found.differences, found.recorded) == ((), (bundle.verdict.others[0].place,))


def test_what_a_deadline_does_not_touch_is_judged_all_the_same(of_the_signer: bytes) -> None:
    """A record that a deadline excuses excuses nothing else, and never makes anything good."""
    bundle = read_bundle(of_the_signer)
    claimed = replace(
        bundle.verdict,
        indication=Indication.TOTAL_PASSED,
        sub_indication=None,
        reason=Reason.GOOD,
        checks=tuple(check for check in bundle.verdict.checks if check.id in (DEADLINE, Reason.DIGEST.value)),
    )
    found = recompute(told(bundle, claimed))
    assert stopped(found.verdict)
    assert {"indication", "reason", "sub_indication"} <= {one.field.partition("[")[0] for one in found.differences}
    other = replace(bundle.verdict, covered=bundle.verdict.covered[1:])
    assert not recompute(told(bundle, other)).same


def told(bundle: Bundle, verdict: Verdict) -> Bundle:
    return replace(bundle, verdict=verdict)


def test_the_reader_is_told_and_the_answer_is_neither_yes_nor_no(
    tmp_path: Path, of_the_signer: bytes, of_a_countersigner: bytes
) -> None:
    file = tmp_path / "bundle.zip"
    for octets in (of_the_signer, of_a_countersigner):
        file.write_bytes(octets)
        said = CliRunner().invoke(main, ["verify", str(file), "--json"])
        facts = json.loads(said.stdout)
        assert (said.exit_code, facts["same"], len(facts["recorded_only"])) == (3, True, 1)
        assert "not taken again" in CliRunner().invoke(main, ["verify", str(file)]).output
