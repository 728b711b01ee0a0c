"""Threads that read ASN.1 at once, in a process where nobody has read any before."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from signing.policy import OWN_NETWORK
from tests.pki import NOW
from tests.unit.timestamp.authority import token, trust

AT_ONCE = """
import gc, pickle, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from asn1crypto import core
from signing import pathcheck
from signing.timestamp import judge_token

plain, gate = core._build_id_tuple, threading.Barrier(2)
tokens, *rest = pickle.load(sys.stdin.buffer)


def slow(*given):
    "Asked for each field while a class sets itself up."
    time.sleep(0)
    return plain(*given)


def judge(token):
    return judge_token(token, b"what is stamped", *rest).reason.value


def together(token):
    gate.wait()
    return judge(token)


core._build_id_tuple = slow
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(2) as threads:
    print(*threads.map(together, tokens), *map(judge, tokens))
pathcheck._read.cache_clear()
gc.collect()
print(*{type(one).__name__ for one in gc.get_objects() if isinstance(one, core.Asn1Value)})
"""


def test_the_first_two_threads_of_a_process_judge_as_any_later_one() -> None:
    """And nothing of asn1crypto outlives a judgement, for another thread to find half read, but the certificates that
    are judged under a lock. `Void` is its one value for what is absent, and has nothing to read."""
    tokens = [token(b"what is stamped", serial_number=number) for number in (1, 2)]
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE],
        input=pickle.dumps((tokens, trust(), NOW, OWN_NETWORK)),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.decode().splitlines() == ["good good good good", "Void"]
