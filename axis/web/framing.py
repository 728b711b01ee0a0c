"""What is not HTTP gets a problem too: the library answers below every middleware, in text that quotes the request."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from axis.core.problems import Kind, Problem
from axis.web.problem_json import answer

log = structlog.get_logger()


class _Handler(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer, and close the connection: nobody knows where the next request would begin."""
        writer: AbstractStreamWriter | None = getattr(request, "writer", None)
        if writer is not None and writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if isinstance(exc, ConnectionError):
            log.info("caller_went_away")
            problem = Problem(Kind.INTERNAL)
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_broke", exc_info=exc)
            problem = Problem(Kind.INTERNAL)
        else:
            problem = Problem(Kind.BAD_REQUEST, "this is not HTTP that can be read")
        response = answer(problem)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class ProblemRunner(web.AppRunner):
    """Runs an application; also what never reaches it is answered with problem+json."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
