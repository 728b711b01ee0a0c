"""The operator's hands on the queues: POST /operator/queue/ACTION, and what this process knows of its destinations.

The listener is on loopback, where every account of the machine can knock: who acts must show the token that this
process wrote, readable for its own account only. A browser cannot be made to send it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Any, Self

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from axis.core.problems import Kind, Problem, Refused
from axis.core.queue import MAX_REASON, Action
from axis.flow.context import Context
from axis.flow.queue import Answered, Chosen, operate
from axis.flow.traffic import Destination
from axis.web.dto import instant, reply, whole
from axis.web.fields import wrong_fields

TOKEN_HEADER = "Axis-Operator"
MOST_AT_ONCE = 1_000

Id = Annotated[str, Field(pattern=r"^[a-z0-9]{26}$")]


class OrderBody(BaseModel):
    """One act: for deliveries, for a document, or for an endpoint; exactly one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deliveries: tuple[Id, ...] = Field((), max_length=MOST_AT_ONCE)
    document: str | None = Field(None, min_length=1, max_length=1_000)
    endpoint: str | None = Field(None, min_length=1, max_length=100)
    operator: str = Field(min_length=1, max_length=64, pattern=r"^[\w.@+ ()-]+$")
    reason: str = Field("", max_length=MAX_REASON)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum((bool(self.deliveries), self.document is not None, self.endpoint is not None)) != 1:
            raise ValueError("name deliveries, a document or an endpoint")
        return self


@dataclass(frozen=True, slots=True)
class OperatorQueue:
    """Handlers over one `Context`; `token` opens those that change something."""

    ctx: Context
    token: str

    def routes(self) -> list[web.RouteDef]:
        actions = "|".join(Action)
        return [
            web.get("/operator/queue/destinations", self.get_destinations),
            web.post(rf"/operator/queue/{{action:{actions}}}", self.post_order),
        ]

    async def get_destinations(self, request: web.Request) -> web.StreamResponse:
        shown = self.ctx.traffic.shown(self.ctx.now())
        return reply({"destinations": [destination_facts(one) for one in shown]}).whole()

    async def post_order(self, request: web.Request) -> web.StreamResponse:
        see_token(request, self.token)
        action = Action(request.match_info["action"])
        try:
            order = orjson.loads(await whole(request))
        except orjson.JSONDecodeError:
            raise Refused(Problem(Kind.BAD_REQUEST, "not JSON")) from None
        return reply(await carry_out(action, order, self.ctx)).whole()


def see_token(request: web.Request, token: str) -> None:
    """`Refused(UNAUTHENTICATED)` for who does not show it."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode()):
        raise Refused(Problem(Kind.UNAUTHENTICATED))


async def carry_out(action: Action, order: object, ctx: Context) -> dict[str, Any]:
    """One order as it came, done and told. `Refused(BAD_REQUEST)` names the fields that are wrong."""
    try:
        body = OrderBody.model_validate(order)
    except ValidationError as error:
        raise Refused(wrong_fields(error)) from None
    reason = body.reason.strip()
    if action is Action.GIVE_UP and not reason:
        raise Refused(Problem(Kind.BAD_REQUEST, "giving up needs a reason", {"fields": ("reason",)}))
    chosen = Chosen(body.deliveries, body.document, body.endpoint)
    return answer_facts(await operate(action, chosen, body.operator, reason, ctx))


def destination_facts(one: Destination) -> dict[str, Any]:
    return {
        "endpoint": one.endpoint,
        "breaker": one.breaker.value,
        "since": instant(one.since),
        "until": instant(one.until),
        "under_way": one.busy,
        "window": one.window,
    }


def answer_facts(answered: Answered) -> dict[str, Any]:
    return {
        "changed": answered.endpoint,
        "deliveries": [
            {
                "delivery": one.delivery,
                "was": one.was.value if one.was else None,
                "now": one.now.value if one.now else None,
                "problem": one.problem.value if one.problem else None,
            }
            for one in answered.done
        ],
    }
