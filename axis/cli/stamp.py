"""`axis send --tsa`: a time stamp for a signature that was just made, asked for and judged before anything is sent."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from axis.cli.given import Seconds
from axis.cli.output import Exit, local, say

if TYPE_CHECKING:
    from signing.timestamp import TimestampVerdict
    from signing.trust import Trust

PATIENCE_S = 180.0
"""One implementer measured 2 to 131 seconds at the authority of Ban Cơ yếu."""


class NotStamped(Exception):
    """There is no time stamp that may be put in. `code` tells whether waiting helps."""

    def __init__(self, code: Exit, told: str) -> None:
        super().__init__(told)
        self.code = code


@dataclass(frozen=True, slots=True)
class Authority:
    """The time-stamping authority that is asked, and the roots and lists that its tokens are judged by."""

    url: str
    trust: tuple[Path, ...]
    crls: tuple[Path, ...]
    wait_s: float
    optional: bool

    def read_trust(self) -> Trust:
        """Read roots and lists, so that a wrong name is told before anybody is asked. `OSError`, `ValueError`."""
        from axis.cli.verify import read_trust_of

        trust = read_trust_of(self.trust, self.crls)
        if not trust.anchors:
            raise ValueError("--tsa-trust names no root: a certificate that signed itself")
        return trust

    def stamp(self, octets: bytes, trust: Trust, claimed_at: datetime) -> tuple[bytes, TimestampVerdict]:
        """Have `octets` of a signature stamped that claims to be of `claimed_at`. `NotStamped` if no token comes back
        that proves a time."""
        nonce = secrets.randbits(64) | 1 << 63
        token = asyncio.run(self._ask(hashlib.sha256(octets).digest(), nonce))
        return token, self._judge(token, octets, nonce, trust, claimed_at)

    async def _ask(self, sha256: bytes, nonce: int) -> bytes:
        import aiohttp

        from adapters.tsa import TsaClient
        from axis.core.problems import ProblemError, Refused

        client = TsaClient(self.url, aiohttp.ClientSession(), self.wait_s)
        try:
            return await client.stamp(sha256, nonce)
        except ProblemError as error:
            told = error.problem.detail
            context = " ".join(f"{key} {value}" for key, value in error.problem.context.items() if value)
            code = Exit.NO if isinstance(error, Refused) else Exit.UNSURE
            raise NotStamped(code, f"{told} ({context})" if context else told) from None
        finally:
            await client.close()

    def _judge(self, token: bytes, octets: bytes, nonce: int, trust: Trust, claimed_at: datetime) -> TimestampVerdict:
        from signing.policy import OWN_NETWORK
        from signing.timestamp import Query, judge_token
        from signing.verdict import REASONS, SubIndication

        # Without lists at hand, whoever gets the package asks whether the authority is revoked, as for the signer.
        policy = OWN_NETWORK if self.crls else replace(OWN_NETWORK, require_revocation=False)
        verdict = judge_token(token, octets, trust, datetime.now(UTC), policy, asked=Query("sha256", nonce))
        if verdict.proven_at is None:
            sentence, last = REASONS[verdict.reason], verdict.checks[-1]
            code = Exit.UNSURE if verdict.sub_indication is SubIndication.TRY_LATER else Exit.NO
            facts = f"{last.id}: {last.observed}" if last.observed else last.id
            raise NotStamped(code, f"its token proves no time: {sentence.vi} ({sentence.en}; {facts})")
        if claimed_at > verdict.proven_at + policy.signing_time_ahead:
            raise NotStamped(
                Exit.NO, f"its clock is behind ours: {local(verdict.proven_at)}, signed at {local(claimed_at)}"
            )
        return verdict


def tsa_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--tsa`, `--tsa-trust`, `--tsa-crl`, `--tsa-wait`, `--tsa-optional`, handed over as `authority`, or `None`."""
    path = click.Path(path_type=Path, exists=True)

    @wraps(command)
    def joined(
        tsa: str | None,
        tsa_trust: tuple[Path, ...],
        tsa_crl: tuple[Path, ...],
        tsa_wait: float,
        tsa_optional: bool,
        **rest: Any,
    ) -> Any:
        if tsa is None:
            if tsa_optional or any(is_typed(name) for name in ("tsa_trust", "tsa_crl", "tsa_wait")):
                raise click.UsageError("--tsa names the authority that the other options of --tsa are about")
            return command(authority=None, **rest)
        if not tsa_trust:
            raise click.UsageError("--tsa needs --tsa-trust: the root under which the authority is believed")
        if urlsplit(tsa).scheme not in ("http", "https") or not urlsplit(tsa).hostname:
            raise click.UsageError("--tsa is an address that begins with http:// or https://")
        return command(authority=Authority(tsa, tsa_trust, tsa_crl, tsa_wait, tsa_optional), **rest)

    options = (
        click.option("--tsa", envvar="AXIS_TSA", metavar="URL", help="Have the signature time-stamped there. AXIS_TSA"),
        click.option(
            "--tsa-trust",
            type=path,
            multiple=True,
            envvar="AXIS_TSA_TRUST",
            help="Roots and issuers of the authority: files, or folders. AXIS_TSA_TRUST",
        ),
        click.option(
            "--tsa-crl", type=path, multiple=True, envvar="AXIS_TSA_CRL", help="Its revocation lists. AXIS_TSA_CRL"
        ),
        click.option(
            "--tsa-wait",
            type=Seconds(min=0, min_open=True),
            default=PATIENCE_S,
            show_default=True,
            envvar="AXIS_TSA_WAIT",
            metavar="SECONDS",
            help="How long to wait for it. AXIS_TSA_WAIT",
        ),
        click.option("--tsa-optional", is_flag=True, help="Send without a time stamp where none can be had."),
    )
    decorated: Callable[..., Any] = joined
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def is_typed(name: str) -> bool:
    """Say whether the option was given on the command line, not by the environment."""
    from click.core import ParameterSource

    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def facts_of(stamp: TimestampVerdict | NotStamped) -> Mapping[str, Any]:
    """The outcome for programs: the form of the signature, and what proves its time or why nothing does."""
    if isinstance(stamp, NotStamped):
        return {"form": "XAdES-B-B", "reason": str(stamp)}
    return {
        "form": "XAdES-B-T",
        "proven_at": None if stamp.proven_at is None else stamp.proven_at.isoformat(),
        "authority": stamp.signer.subject if stamp.signer else None,
        "sha256": stamp.sha256,
    }


def show_stamp(stamp: TimestampVerdict | NotStamped) -> None:
    if isinstance(stamp, NotStamped):
        say(f"không có dấu thời gian, gửi XAdES-B-B (sent without a time stamp): {stamp}", "yellow", err=True)
        return
    assert stamp.proven_at is not None
    who = stamp.signer.subject if stamp.signer else "?"
    say(f"  {'dấu thời gian (time stamp)':<26} {local(stamp.proven_at)}, {who}")
