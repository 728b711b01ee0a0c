"""The operator's listener: which configuration is in force, and the order to apply what its files say now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StrictBool, ValidationError

from axis.core.applied import Applied
from axis.core.problems import Kind, Problem, Refused
from axis.web.dto import instant, reply, whole
from axis.web.queue import see_token

CONFIGURATION, RELOAD = "/operator/configuration", "/operator/reload"


class ReloadBody(BaseModel):
    """`dry_run` changes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dry_run: StrictBool = False


@dataclass(frozen=True, slots=True)
class OperatorReload:
    """`token` opens what changes something; `reload` does it, and says what became of it."""

    token: str
    reload: Callable[[bool], Awaitable[Mapping[str, Any]]]
    applied: Callable[[], Applied | None]

    def routes(self) -> list[web.RouteDef]:
        return [web.get(CONFIGURATION, self.get_configuration), web.post(RELOAD, self.post_reload)]

    async def get_configuration(self, request: web.Request) -> web.StreamResponse:
        applied = self.applied()
        return reply({} if applied is None else applied_facts(applied)).whole()

    async def post_reload(self, request: web.Request) -> web.StreamResponse:
        """200 whatever became of it: `refused` says that the files have faults, and that nothing changed."""
        see_token(request, self.token)
        try:
            asked = ReloadBody.model_validate_json(await whole(request))
        except ValidationError:
            raise Refused(Problem(Kind.BAD_REQUEST, "dry_run is true or false; there are no other fields")) from None
        return reply(dict(await self.reload(asked.dry_run))).whole()


def applied_facts(applied: Applied) -> dict[str, Any]:
    return {
        "generation": applied.generation,
        "since": instant(applied.at),
        "config_sha256": applied.sha256,
    }
