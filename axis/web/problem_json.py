"""Problems as `application/problem+json` (RFC 9457): the only place that maps them to HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import orjson
import structlog
from aiohttp import web

from axis.core.ports import LostRace
from axis.core.problems import TABLE, Kind, Problem, ProblemError, Unavailable
from axis.web.answer import Answer
from axis.web.shapes import ProblemFacts, ToldProblemFacts

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")

_BY_STATUS = {
    400: Kind.BAD_REQUEST,
    401: Kind.UNAUTHENTICATED,
    408: Kind.TOO_SLOW,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.METHOD_NOT_ALLOWED,
    413: Kind.TOO_LARGE,
    415: Kind.UNSUPPORTED_MEDIA,
    429: Kind.RATE_LIMITED,
}


def answer(problem: Problem, retry_after_s: float | None = None) -> Answer:
    """One problem as an answer. `instance` is random: it joins the answer to our log, and shows nothing."""
    row = TABLE[problem.kind]
    instance = f"urn:axis:request:{secrets.token_hex(8)}"
    body: ProblemFacts = {**members(problem), "instance": instance}
    status = body["status"]
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    if row.temporary:
        headers["Retry-After"] = str(max(1, round(retry_after_s or 5)))
    if problem.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    log.info("problem_answered", instance=instance, problem=problem.kind.value, **problem.context)
    return Answer(orjson.dumps(body), headers, status, problem.kind)


def members(problem: Problem) -> ToldProblemFacts:
    """What a stranger is told of a problem: these, with what else is told of one of its kind."""
    row = TABLE[problem.kind]
    told: ToldProblemFacts = {"type": problem.type, "title": row.en, "title_vi": row.vi, "status": row.http or 502}
    if problem.detail:
        told["detail"] = problem.detail
    return cast(ToldProblemFacts, {**problem.extra, **told})


async def answered(asked: Awaitable[T], method: str, route: str) -> T | Answer:
    """What a handler gives, and everything that it raises as a problem. What nobody expected is logged and answered
    with 500."""
    try:
        return await asked
    except Unavailable as error:
        return answer(error.problem, error.retry_after_s)
    except ProblemError as error:
        return answer(error.problem)
    except LostRace:
        return answer(Problem(Kind.STORE_UNAVAILABLE, "another request was faster: repeat"), 1)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answer(Problem(_BY_STATUS.get(error.status, Kind.BAD_REQUEST)))
    except ConnectionResetError:
        raise
    except Exception:  # the edge of the service: a stranger gets 500 and a number, the log the rest
        log.exception("request_broke", method=method, route=route)
        return answer(Problem(Kind.INTERNAL))


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same for a handler of the library's application."""
    told = await answered(handler(request), request.method, str(request.match_info.route.resource))
    return told.whole() if isinstance(told, Answer) else told
