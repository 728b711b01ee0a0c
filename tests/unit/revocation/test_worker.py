"""A certificate that takes minutes to judge takes two seconds, and never passes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import timedelta
from functools import cache

import pytest
from cryptography import x509

from axis.core.problems import Unavailable
from axis.flow.pathworker import PathWorker
from axis.flow.worker import Bounds, Job, _serve
from signing.chain import Trust, judge_certificate
from signing.policy import OWN_NETWORK
from signing.verdict import Reason, SubIndication
from tests.pki import NOW, WIDE, Holder, issue, pki, revocation_list

HOUR = timedelta(hours=1)


@cache
def pathological() -> tuple[Holder, Trust]:
    """An authority with 20 000 name constraints, and a leaf with 200 names (x509-limbo, `nc-dos`)."""
    root = issue("Gốc", ca=True)
    excluded = [x509.DNSName(f"x{number}.example") for number in range(20_000)]
    authority = issue("CA", root, ca=True, more=[(x509.NameConstraints(None, excluded), True)])
    leaf = issue("lá", authority, hosts=[f"y{number}.invalid" for number in range(200)])
    lists = tuple(revocation_list(one, until=WIDE[1]) for one in (root, authority))
    return leaf, Trust((root.der,), (authority.der,), lists)


@pytest.fixture(scope="module")
def worker():  # type: ignore[no-untyped-def]
    made = PathWorker()
    yield made
    made.close()


def test_it_says_what_we_would_say(worker: PathWorker) -> None:
    for holder in (pki().good, pki().revoked, pki().expired, pki().from_other_root):
        here = judge_certificate(holder.der, pki().trust, NOW, OWN_NETWORK)
        assert worker.judge(holder.der, pki().trust, NOW, OWN_NETWORK) == here
    stale = worker.judge(pki().good.der, pki().stale_trust, NOW, OWN_NETWORK)
    assert stale.reason is Reason.REVOCATION_UNKNOWN, "a new list is told to the worker"


def test_a_pathological_chain_ends_after_two_seconds_and_the_next_is_judged(worker: PathWorker) -> None:
    leaf, trust = pathological()
    worker.judge(pki().good.der, trust, NOW, OWN_NETWORK)
    before, began = worker.pid, time.process_time()
    verdict = worker.judge(leaf.der, trust, NOW, OWN_NETWORK)
    assert (verdict.sub_indication, verdict.reason) == (SubIndication.POLICY_PROCESSING_ERROR, Reason.PROCESSING)
    assert "2 s" in verdict.checks[-1].observed
    assert time.process_time() - began < 1, "the node itself has nothing to do with it"
    assert worker.judge(pki().good.der, pki().trust, NOW, OWN_NETWORK).reason is Reason.GOOD
    assert worker.pid != before


def test_a_machine_that_is_too_busy_is_not_the_certificate_s_fault() -> None:
    leaf, trust = pathological()
    worker = PathWorker(cpu_s=60, wall_s=0.2)
    try:
        with pytest.raises(Unavailable):
            worker.judge(leaf.der, trust, NOW, OWN_NETWORK)
        assert worker.pid is None
    finally:
        worker.close()


def test_a_worker_that_was_killed_is_replaced(worker: PathWorker) -> None:
    worker.judge(pki().good.der, pki().trust, NOW, OWN_NETWORK)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.judge(pki().good.der, pki().trust, NOW, OWN_NETWORK).reason is Reason.GOOD


def _after_a_while(trust: Trust, question: float) -> float:
    time.sleep(question)
    return question


def test_a_worker_whose_node_is_gone_in_the_midst_of_an_answer_has_no_last_words(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It writes into the same log as the node: behind what that, or its successor, has said."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_serve, args=(theirs, Job("", _after_a_while), Bounds(2.0, 15.0)))
    worker.start()
    theirs.close()
    ours.send(Trust())
    assert ours.recv() is True
    ours.send(0.3)
    ours.close()
    worker.join(30)
    assert (worker.exitcode, capfd.readouterr().err) == (0, "")
